"""Backbones that MMAction2 lacks."""

from .stgcn_slim import STGCNSlim

__all__ = ['STGCNSlim']
