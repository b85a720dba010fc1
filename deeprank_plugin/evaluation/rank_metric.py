"""Ranking loss and accuracy on the held-out part of the training split."""

from typing import Dict, List, Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class RankMetric(BaseMetric):
    """Mean ranking loss and accuracy over all triplets within each batch of held-out samples.

    The labels come from the same frozen encoder as the training labels: ``RelabelHook`` extracts
    the whole split, the held-out part included. Reads ``rank``, which ``DeepRank`` sets on samples
    of the bank in predict mode. A last batch of fewer than 3 samples has no triplets.
    """

    default_prefix = 'rank'

    def process(self, data_batch, data_samples: Sequence[Dict]) -> None:
        """Keep each sample's sums over the triplets that it anchors."""
        for sample in data_samples:
            rank = sample.get('rank')
            self.results.append(np.zeros(3) if rank is None else rank.cpu().numpy())

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """``loss``, ``acc`` and ``num_triplets``.

        Raises:
            ValueError: If no sample was ranked.
        """
        loss, correct, count = np.sum(results, axis=0)
        if count == 0:
            raise ValueError(
                f'none of {len(results)} samples was ranked; expected samples of the training '
                "split's held-out part, in batches of at least 3, and a filled bank: set "
                "holdout=dict(share=0.05, seed=0, part='holdout') with the split, label list and "
                'annotation file of the training data, and add RelabelHook'
            )
        return dict(loss=loss / count, acc=correct / count, num_triplets=int(count))
