"""What is trained before finetuning: DeepRank, MV-DeepRank, and what they are compared with."""

from .deepcluster import DeepCluster
from .deeprank import DeepRank
from .moco import SkeletonMoCo
from .mv_deeprank import MVDeepRank
from .skeleton_mae import SkeletonMAE
from .triplet import SupervisedTriplet

__all__ = [
    'DeepCluster',
    'DeepRank',
    'MVDeepRank',
    'SkeletonMAE',
    'SkeletonMoCo',
    'SupervisedTriplet',
]
