"""Metrics of arrays: pure functions."""

from .fusion import ClassFigures, classification_figures, fuse_scores
from .health import effective_rank, feature_health, feature_spread
from .knn import knn_accuracy, knn_scores

__all__ = [
    'ClassFigures',
    'classification_figures',
    'effective_rank',
    'feature_health',
    'feature_spread',
    'fuse_scores',
    'knn_accuracy',
    'knn_scores',
]
