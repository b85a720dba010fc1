"""Models that importing the package registers in MMAction2's ``MODELS``."""

from .backbones import RawSkeleton, STGCNSlim, STTFormer
from .data_preprocessor import SkeletonPreprocessor
from .heads import ClusterHead, PoolHead, RankHead, SegmentHead
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
    'RawSkeleton',
    'STGCNSlim',
    'STTFormer',
    'SegmentHead',
    'SkeletonMAE',
    'SkeletonMoCo',
    'SkeletonPreprocessor',
    'SkeletonRecognizer',
    'SupervisedTriplet',
]
