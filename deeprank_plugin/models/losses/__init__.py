"""Losses as functions on tensors."""

from .ranking_loss import RankingSums, Weighting, ranking_sums

__all__ = ['RankingSums', 'Weighting', 'ranking_sums']
