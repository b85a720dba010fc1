"""Backbones that MMAction2 lacks."""

from .stgcn_slim import STGCNSlim
from .sttformer import STTFormer

__all__ = ['STGCNSlim', 'STTFormer']
