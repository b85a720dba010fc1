"""Heads: ranking and clusters for pretraining, pooling for the evaluation of features."""

from .cluster_head import ClusterHead
from .pool_head import PoolHead
from .rank_head import RankHead

__all__ = ['ClusterHead', 'PoolHead', 'RankHead']
