"""Data set, sampler and transforms that importing the package registers."""

from .samplers import ClusterSampler
from .skeleton_dataset import SkeletonDataset
from .transforms import CenterSkeleton, CropResize, RandomRotate3D, RandomShear3D, TwoViews

__all__ = [
    'CenterSkeleton',
    'ClusterSampler',
    'CropResize',
    'RandomRotate3D',
    'RandomShear3D',
    'SkeletonDataset',
    'TwoViews',
]
