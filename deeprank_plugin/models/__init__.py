"""Models that importing the package registers in MMAction2's ``MODELS``."""

from .backbones import STGCNSlim, STTFormer
from .data_preprocessor import SkeletonPreprocessor
from .heads import PoolHead, RankHead
from .pretrainers import DeepRank, MVDeepRank
from .recognizer import SkeletonRecognizer

__all__ = [
    'DeepRank',
    'MVDeepRank',
    'PoolHead',
    'RankHead',
    'STGCNSlim',
    'STTFormer',
    'SkeletonPreprocessor',
    'SkeletonRecognizer',
]
