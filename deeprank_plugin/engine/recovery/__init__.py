"""Training that survives a kill, a full disk, SIGTERM and a NaN loss.

`configs/_base_/recovery.py` switches the hooks and the loop on.
"""

from .checkpoint_hook import WholeCheckpointHook
from .checkpoints import WholeFileBackend
from .finite_guard_hook import FiniteGuardHook
from .non_finite import NonFiniteError
from .termination_hook import TerminationHook
from .train_loop import ResumableTrainLoop

__all__ = [
    'FiniteGuardHook',
    'NonFiniteError',
    'ResumableTrainLoop',
    'TerminationHook',
    'WholeCheckpointHook',
    'WholeFileBackend',
]
