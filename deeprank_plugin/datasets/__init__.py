"""Data set, collate function, sampler and transforms that importing the package registers."""

from .collate import SampleBatch, stack_samples
from .samplers import ClusterSampler
from .skeleton_dataset import SkeletonDataset
from .transforms import CenterSkeleton, CropResize, RandomRotate3D, RandomShear3D, TwoViews

__all__ = [
    'CenterSkeleton',
    'ClusterSampler',
    'CropResize',
    'RandomRotate3D',
    'RandomShear3D',
    'SampleBatch',
    'SkeletonDataset',
    'TwoViews',
    'stack_samples',
]
