"""Ranking loss and accuracy on the held-out part of the training split."""

from typing import Dict, List, Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric

from ..models.losses import RankingSums


@METRICS.register_module()
class RankMetric(BaseMetric):
    """Mean ranking loss and accuracy over all triplets within each batch of held-out samples.

    The labels come from the same frozen encoder as those of training: ``RelabelHook`` extracts the
    whole split, held-out part included. Reads ``rank``, which the pretrainers set in predict mode
    on samples of the bank: sums of shape (6,), in the order of
    :class:`~deeprank_plugin.models.losses.RankingSums`, or a dict of 'stream/view' to such sums. A
    last batch of fewer than 3 samples has no triplets.
    """

    default_prefix = 'rank'

    def process(self, data_batch, data_samples: Sequence[Dict]) -> None:
        """Keep each sample's sums over the triplets that it anchors."""
        for sample in data_samples:
            rank = sample.get('rank', {})
            if not isinstance(rank, dict):
                rank = {'': rank}
            self.results.append({name: sums.cpu().numpy() for name, sums in rank.items()})

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """``loss``, ``acc``, ``acc_near`` and ``num_triplets``; the means over several streams.

        ``acc_near`` is the accuracy within each anchor's nearest tenth of the candidates. With
        several streams also ``<stream>/loss_<view>``, ``acc_<view>`` and ``acc_near_<view>``.

        Raises:
            ValueError: If no sample was ranked.
        """
        names = {name for sums in results for name in sums}
        total = {
            n: RankingSums(*np.sum([sums[n] for sums in results if n in sums], axis=0))
            for n in names
        }
        ranked = {n: sums for n, sums in sorted(total.items()) if sums.count > 0}
        if not ranked:
            raise ValueError(
                f'none of {len(results)} samples was ranked; expected samples of the training '
                "split's held-out part, in batches of at least 3, and a filled bank: set "
                "holdout=dict(share=0.05, seed=0, part='holdout') with the split, label list and "
                'annotation file of the training data, and add RelabelHook'
            )
        metrics = {name: average(sums) for name, sums in ranked.items()}
        by_view = {}
        for name, values in metrics.items():
            stream, _, view = name.partition('/')
            if view:
                by_view.update({f'{stream}/{key}_{view}': v for key, v in values.items()})
        means = np.mean([list(values.values()) for values in metrics.values()], axis=0)
        overall = dict(zip(next(iter(metrics.values())), means))
        triplets = max(int(sums.count) for sums in ranked.values())
        return dict(overall, num_triplets=triplets, **by_view)


def average(sums: RankingSums) -> Dict[str, float]:
    """Loss and accuracies from sums over triplets; ``acc_near`` is NaN if it has none."""
    near = float(sums.near_correct / sums.near_count) if sums.near_count else float('nan')
    loss, acc = float(sums.loss / sums.weight), float(sums.correct / sums.count)
    return dict(loss=loss, acc=acc, acc_near=near)
