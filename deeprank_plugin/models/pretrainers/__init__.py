"""What is trained without labels."""

from .deeprank import DeepRank
from .mv_deeprank import MVDeepRank

__all__ = ['DeepRank', 'MVDeepRank']
