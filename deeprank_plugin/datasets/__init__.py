"""Data set, sampler and transforms that importing the package registers."""

from .samplers import ClusterSampler
from .skeleton_dataset import SkeletonDataset
from .transforms import (
    CenterSkeleton,
    CropResize,
    JointMask,
    JointNoise,
    RandomRotate3D,
    RandomShear3D,
    RandomSwapSides,
    TwoViews,
)

__all__ = [
    'CenterSkeleton',
    'ClusterSampler',
    'CropResize',
    'JointMask',
    'JointNoise',
    'RandomRotate3D',
    'RandomShear3D',
    'RandomSwapSides',
    'SkeletonDataset',
    'TwoViews',
]
