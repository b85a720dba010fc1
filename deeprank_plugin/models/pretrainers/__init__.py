"""What is trained without labels."""

from .deepcluster import DeepCluster
from .deeprank import DeepRank
from .mv_deeprank import MVDeepRank

__all__ = ['DeepCluster', 'DeepRank', 'MVDeepRank']
