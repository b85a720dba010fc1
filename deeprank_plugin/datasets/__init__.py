"""Data set, collate function, sampler and transforms that importing the package registers."""

from .collate import SampleBatch, stack_samples
from .samplers import ClusterSampler
from .skeleton_dataset import SkeletonDataset
from .transforms import (
    AddPlainView,
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
    'AddPlainView',
    'CenterSkeleton',
    'ClusterSampler',
    'CropResize',
    'JointMask',
    'JointNoise',
    'RandomRotate3D',
    'RandomShear3D',
    'RandomSwapSides',
    'SampleBatch',
    'SkeletonDataset',
    'TwoViews',
    'stack_samples',
]
