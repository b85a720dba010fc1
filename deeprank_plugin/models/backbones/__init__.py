"""Backbones that MMAction2 lacks."""

from .raw_skeleton import RawSkeleton
from .stgcn_slim import STGCNSlim
from .sttformer import STTFormer

__all__ = ['RawSkeleton', 'STGCNSlim', 'STTFormer']
