"""Hooks and initialisers that importing the package registers."""

from .hooks import (
    EpochSeedHook,
    FiniteGuardHook,
    FreezeHook,
    PeerWatchHook,
    RelabelHook,
    StrictLoadHook,
)
from .initializers import Pretrained
from .non_finite import NonFiniteError

__all__ = [
    'EpochSeedHook',
    'FiniteGuardHook',
    'FreezeHook',
    'NonFiniteError',
    'PeerWatchHook',
    'Pretrained',
    'RelabelHook',
    'StrictLoadHook',
]
