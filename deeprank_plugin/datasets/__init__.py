"""Data set and transforms that importing the package registers."""

from .skeleton_dataset import SkeletonDataset
from .transforms import CenterSkeleton, CropResize, RandomRotate3D

__all__ = ['CenterSkeleton', 'CropResize', 'RandomRotate3D', 'SkeletonDataset']
