"""Hooks, loops and initialisers that importing the package registers."""

from .checkpoints import WholeFileBackend
from .hooks import (
    EpochSeedHook,
    FiniteGuardHook,
    FreezeHook,
    PeerWatchHook,
    RelabelHook,
    StrictLoadHook,
    TerminationHook,
    WholeCheckpointHook,
)
from .initializers import Pretrained
from .non_finite import NonFiniteError
from .train_loop import ResumableTrainLoop

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
