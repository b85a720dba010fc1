"""What is trained without labels."""

from .deeprank import DeepRank

__all__ = ['DeepRank']
