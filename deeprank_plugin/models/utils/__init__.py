"""Building blocks of the pretrainers: distances, the feature bank, views, pooling, gathering."""

from .bodies import encode_bodies
from .distances import normalize_features, pairwise_distances
from .early_gradient import early_gradient
from .feature_bank import FeatureBank
from .gather import gather_features
from .label_disagreement import compared_rows, label_disagreement
from .momentum_teacher import MomentumTeacher
from .pooling import pool_features
from .precision import without_autocast
from .transfer import to_device
from .unwrap import unwrap
from .views import VIEWS, view_distances
from .whitening import whiten_features

__all__ = [
    'VIEWS',
    'FeatureBank',
    'MomentumTeacher',
    'compared_rows',
    'early_gradient',
    'encode_bodies',
    'gather_features',
    'label_disagreement',
    'normalize_features',
    'pairwise_distances',
    'pool_features',
    'to_device',
    'unwrap',
    'view_distances',
    'whiten_features',
    'without_autocast',
]
