"""Hooks, loops and initialisers that importing the package registers."""

from .hooks import EpochSeedHook, FreezeHook, PeerWatchHook, RelabelHook, StrictLoadHook
from .initializers import Pretrained
from .recovery import (
    FiniteGuardHook,
    NonFiniteError,
    ResumableTrainLoop,
    TerminationHook,
    WholeCheckpointHook,
    WholeFileBackend,
)

__all__ = [
    'EpochSeedHook',
    'FiniteGuardHook',
    'FreezeHook',
    'NonFiniteError',
    'PeerWatchHook',
    'Pretrained',
    'RelabelHook',
    'ResumableTrainLoop',
    'StrictLoadHook',
    'TerminationHook',
    'WholeCheckpointHook',
    'WholeFileBackend',
]
