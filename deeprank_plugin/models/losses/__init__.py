"""Losses as functions on tensors."""

from .ranking_loss import Agreement, RankingSums, Weighting, ranking_sums

__all__ = ['Agreement', 'RankingSums', 'Weighting', 'ranking_sums']
