"""Figures from arrays: pure functions."""

from .health import effective_rank, feature_health, feature_spread
from .knn import knn_accuracy, knn_scores
from .label_agreement import label_disagreement

__all__ = [
    'effective_rank',
    'feature_health',
    'feature_spread',
    'knn_accuracy',
    'knn_scores',
    'label_disagreement',
]
