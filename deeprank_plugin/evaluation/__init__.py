"""Metrics that importing the package registers in MMAction2's ``METRICS``."""

from .cluster_metric import ClusterMetric
from .knn_metric import KNNMetric
from .rank_metric import RankMetric

__all__ = ['ClusterMetric', 'KNNMetric', 'RankMetric']
