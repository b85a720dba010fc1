"""Models that importing the package registers in MMAction2's ``MODELS``."""

from .backbones import STGCNSlim
from .data_preprocessor import SkeletonPreprocessor
from .heads import PoolHead, RankHead
from .pretrainers import DeepRank

__all__ = ['DeepRank', 'PoolHead', 'RankHead', 'STGCNSlim', 'SkeletonPreprocessor']
