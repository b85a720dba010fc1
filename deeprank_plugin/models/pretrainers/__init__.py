"""What is trained without labels."""

from .deepcluster import DeepCluster
from .deeprank import DeepRank
from .moco import SkeletonMoCo
from .mv_deeprank import MVDeepRank

__all__ = ['DeepCluster', 'DeepRank', 'MVDeepRank', 'SkeletonMoCo']
