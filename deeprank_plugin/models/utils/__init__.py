"""Building blocks of the pretrainers: distances, the feature bank, pooling, gathering."""

from .distances import normalize_features, pairwise_distances
from .feature_bank import FeatureBank
from .gather import gather_features
from .pooling import pool_features

__all__ = [
    'FeatureBank',
    'gather_features',
    'normalize_features',
    'pairwise_distances',
    'pool_features',
]
