"""Clustering loss and accuracy on the held-out part of the training split."""

from typing import Dict, List, Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class ClusterMetric(BaseMetric):
    """Mean cross-entropy and accuracy of held-out samples on their clusters (DeepCluster).

    The whole split is clustered, the held-out part included. Reads ``cluster``, which
    :class:`DeepCluster` sets in predict mode.
    """

    default_prefix = 'cluster'

    def process(self, data_batch, data_samples: Sequence[Dict]) -> None:
        """Keep each sample's loss and whether it was classified correctly."""
        for sample in data_samples:
            sums = sample.get('cluster')
            self.results.append(np.zeros(3) if sums is None else sums.cpu().numpy())

    def compute_metrics(self, results: List) -> Dict[str, float]:
        """``loss`` and ``acc``.

        Raises:
            ValueError: If no sample has a cluster.
        """
        loss, right, count = np.sum(results, axis=0)
        if not count:
            raise ValueError(
                f'none of {len(results)} samples has a cluster; expected samples of the training '
                "split's held-out part: set holdout=dict(share=0.05, seed=0, part='holdout') with "
                'the split, label list and annotation file of the training data, and add '
                'RelabelHook'
            )
        return dict(loss=loss / count, acc=right / count)
