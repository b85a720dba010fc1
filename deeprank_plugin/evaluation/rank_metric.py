"""Ranking loss and accuracy on the held-out part of the training split."""

from typing import Dict, List, Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class RankMetric(BaseMetric):
    """Mean ranking loss and accuracy over all triplets within each batch of held-out samples.

    The labels come from the same frozen encoder as those of training: ``RelabelHook`` extracts the
    whole split, held-out part included. Reads ``rank``, which the pretrainers set in
    predict mode on samples of the bank: sums of shape (3,), or a dict of 'stream/view' to such
    sums. A last batch of fewer than 3 samples has no triplets.
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
        """``loss``, ``acc`` and ``num_triplets``; with several streams, the means over them.

        With several streams also ``<stream>/loss_<view>`` and ``<stream>/acc_<view>``.

        Raises:
            ValueError: If no sample was ranked.
        """
        names = {name for sums in results for name in sums}
        total = {n: np.sum([sums[n] for sums in results if n in sums], axis=0) for n in names}
        ranked = {n: sums for n, sums in sorted(total.items()) if sums[2] > 0}
        if not ranked:
            raise ValueError(
                f'none of {len(results)} samples was ranked; expected samples of the training '
                "split's held-out part, in batches of at least 3, and a filled bank: set "
                "holdout=dict(share=0.05, seed=0, part='holdout') with the split, label list and "
                'annotation file of the training data, and add RelabelHook'
            )
        by_view = {}
        for name, (loss, correct, count) in ranked.items():
            stream, _, view = name.partition('/')
            if view:
                by_view[f'{stream}/loss_{view}'] = loss / count
                by_view[f'{stream}/acc_{view}'] = correct / count
        loss, acc = np.mean([sums[:2] / sums[2] for sums in ranked.values()], axis=0)
        triplets = max(int(sums[2]) for sums in ranked.values())
        return dict(loss=loss, acc=acc, num_triplets=triplets, **by_view)
