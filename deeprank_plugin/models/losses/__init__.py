"""Losses as functions on tensors."""

from .ranking_loss import RankingSums, ranking_sums

__all__ = ['RankingSums', 'ranking_sums']
