"""Metrics as pure functions of arrays."""

from .detection import Detection, Segment, detection_map
from .fusion import ClassificationMetrics, classification_metrics, fuse_scores
from .health import effective_rank, effective_rank_var, feature_health, feature_spread
from .knn import knn_accuracy, knn_scores
from .logistic import LinearClassifier, fit_logistic_regression

__all__ = [
    'ClassificationMetrics',
    'Detection',
    'LinearClassifier',
    'Segment',
    'classification_metrics',
    'detection_map',
    'effective_rank',
    'effective_rank_var',
    'feature_health',
    'feature_spread',
    'fit_logistic_regression',
    'fuse_scores',
    'knn_accuracy',
    'knn_scores',
]
