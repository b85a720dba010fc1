"""Hooks that importing the package registers in MMAction2's ``HOOKS``."""

from .check_run_hook import CheckRunHook
from .compile_hook import CompileHook
from .epoch_seed_hook import EpochSeedHook
from .freeze_hook import FixNormHook, FreezeHook
from .head_init_hook import HeadInitHook
from .late_info_hook import LateInfoHook
from .relabel_hook import RelabelHook
from .strict_load_hook import StrictLoadHook

__all__ = [
    'CheckRunHook',
    'CompileHook',
    'EpochSeedHook',
    'FixNormHook',
    'FreezeHook',
    'HeadInitHook',
    'LateInfoHook',
    'RelabelHook',
    'StrictLoadHook',
]
