"""Hooks, loops and initialisers that importing the package registers."""

from .hooks import (
    CheckRunHook,
    CompileHook,
    EpochSeedHook,
    FixNormHook,
    FreezeHook,
    HeadInitHook,
    LateInfoHook,
    RelabelHook,
    StrictLoadHook,
)
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
    'CheckRunHook',
    'CompileHook',
    'EpochSeedHook',
    'FiniteGuardHook',
    'FixNormHook',
    'FreezeHook',
    'HeadInitHook',
    'LateInfoHook',
    'NonFiniteError',
    'Pretrained',
    'RelabelHook',
    'RelabelSchedule',
    'ResumableTrainLoop',
    'StrictLoadHook',
    'TerminationHook',
    'WholeCheckpointHook',
    'WholeFileBackend',
]
