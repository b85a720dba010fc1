"""Heads: the ranking head of pretraining and the pooling head of feature evaluation."""

from .pool_head import PoolHead
from .rank_head import RankHead

__all__ = ['PoolHead', 'RankHead']
