"""Heads: ranking and clusters for pretraining, pooling and a classifier for evaluation."""

from .cluster_head import ClusterHead
from .pool_head import PoolHead
from .rank_head import RankHead
from .segment_head import SegmentHead

__all__ = ['ClusterHead', 'PoolHead', 'RankHead', 'SegmentHead']
