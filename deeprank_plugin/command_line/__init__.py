"""What the tools' command lines share: options, config parameters, checks, failures."""

from .arguments import OptionAction, add_common_arguments, add_parameters, repeat_data
from .failures import (
    exit_with_error,
    fail,
    find_checkpoint,
    print_warnings,
    require_checkpoint,
    require_writable,
    run_or_exit,
)
from .parameters import load_config, parameters_of, require_same_run
from .running import build_runner, has_weights, merge_or_exit, read_config

__all__ = [
    'OptionAction',
    'add_common_arguments',
    'add_parameters',
    'build_runner',
    'fail',
    'find_checkpoint',
    'load_config',
    'merge_or_exit',
    'parameters_of',
    'print_warnings',
    'read_config',
    'repeat_data',
    'exit_with_error',
    'has_weights',
    'require_checkpoint',
    'require_same_run',
    'require_writable',
    'run_or_exit',
]
