"""Hooks and initialisers that importing the package registers."""

from .hooks import EpochSeedHook, FreezeHook, RelabelHook, StrictLoadHook
from .initializers import Pretrained

__all__ = ['EpochSeedHook', 'FreezeHook', 'Pretrained', 'RelabelHook', 'StrictLoadHook']
