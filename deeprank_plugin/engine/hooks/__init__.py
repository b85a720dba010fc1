"""Hooks that importing the package registers in MMAction2's ``HOOKS``."""

from .checkpoint_hook import WholeCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .finite_guard_hook import FiniteGuardHook
from .freeze_hook import FreezeHook
from .peer_watch_hook import PeerWatchHook
from .relabel_hook import RelabelHook
from .strict_load_hook import StrictLoadHook
from .termination_hook import TerminationHook

__all__ = [
    'EpochSeedHook',
    'FiniteGuardHook',
    'FreezeHook',
    'PeerWatchHook',
    'RelabelHook',
    'StrictLoadHook',
    'TerminationHook',
    'WholeCheckpointHook',
]
