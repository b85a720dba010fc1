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
from .relabel_schedule import RelabelSchedule

__all__ = [
    'EpochSeedHook',
    'FiniteGuardHook',
    'FreezeHook',
    'NonFiniteError',
    'PeerWatchHook',
    'Pretrained',
    'RelabelHook',
    'RelabelSchedule',
    'ResumableTrainLoop',
    'StrictLoadHook',
    'TerminationHook',
    'WholeCheckpointHook',
    'WholeFileBackend',
]
