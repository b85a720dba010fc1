"""What is trained before finetuning: DeepRank, MV-DeepRank, and what they are compared with."""

from .base import BankPretrainer, EncoderPretrainer
from .deepcluster import DeepCluster
from .deeprank import DeepRank
from .moco import SkeletonMoCo
from .mv_deeprank import MVDeepRank
from .skeleton_mae import SkeletonMAE
from .triplet import SupervisedTriplet

__all__ = [
    'BankPretrainer',
    'DeepCluster',
    'DeepRank',
    'EncoderPretrainer',
    'MVDeepRank',
    'SkeletonMAE',
    'SkeletonMoCo',
    'SupervisedTriplet',
]
