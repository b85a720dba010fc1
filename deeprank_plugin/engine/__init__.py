"""Hooks, loops and initialisers that importing the package registers."""

from .hooks import EpochSeedHook, FreezeHook, RelabelHook, StrictLoadHook
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
    'Pretrained',
    'RelabelHook',
    'ResumableTrainLoop',
    'StrictLoadHook',
    'TerminationHook',
    'WholeCheckpointHook',
    'WholeFileBackend',
]
