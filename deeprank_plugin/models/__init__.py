"""Models that importing the package registers in MMAction2's ``MODELS``."""

from .backbones import STGCNSlim, STTFormer
from .data_preprocessor import SkeletonPreprocessor
from .heads import ClusterHead, PoolHead, RankHead
from .pretrainers import (
    DeepCluster,
    DeepRank,
    MVDeepRank,
    SkeletonMAE,
    SkeletonMoCo,
    SupervisedTriplet,
)
from .recognizer import SkeletonRecognizer

__all__ = [
    'ClusterHead',
    'DeepCluster',
    'DeepRank',
    'MVDeepRank',
    'PoolHead',
    'RankHead',
    'STGCNSlim',
    'STTFormer',
    'SkeletonMAE',
    'SkeletonMoCo',
    'SkeletonPreprocessor',
    'SkeletonRecognizer',
    'SupervisedTriplet',
]
