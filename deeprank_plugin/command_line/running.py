"""From command line arguments to a runner."""

import argparse
import copy
import os
from typing import Dict

from mmaction.registry import MODELS, RUNNERS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from deeprank_plugin import compat
from deeprank_plugin.engine.config_keys import merge_options
from deeprank_plugin.engine.memory import keep_freed_memory

from .failures import exit_with_error, require_writable
from .parameters import load_config, parameters_of


def read_config(args: argparse.Namespace) -> Config:
    """Read the config and merge ``--cfg-options``, ``--work-dir`` and the launcher into it."""
    cfg = load_config(args.config, **parameters_of(args))
    if args.cfg_options is not None:
        merge_or_exit(cfg, args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    require_writable(cfg.work_dir, 'work dir', '--work-dir')
    set_launcher(cfg, args)
    set_randomness(cfg, args)
    return cfg


def merge_or_exit(cfg: Config, options: Dict) -> None:
    """Merge ``--cfg-options``; exit with an error if nothing reads one of them."""
    try:
        merge_options(cfg, options)
    except ValueError as error:
        exit_with_error(f'--cfg-options: {error}')


def set_launcher(cfg: Config, args: argparse.Namespace) -> None:
    """Set the launcher in the config, with a backend that this machine supports."""
    local_rank = str(args.local_rank)
    if args.launcher == 'mpi':  # MMEngine binds the GPU by the former, its DDP by the latter
        local_rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', local_rank)
    os.environ.setdefault('LOCAL_RANK', local_rank)
    cfg.launcher = args.launcher
    if args.launcher == 'none':
        return
    # MMEngine would set the same, and warn about it in every process.
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    os.environ.setdefault('MKL_NUM_THREADS', '1')
    if compat.has_accelerator():
        return
    if args.launcher != 'pytorch':
        exit_with_error(
            f'--launcher {args.launcher} binds every process to an accelerator, and this machine '
            'has none: use --launcher pytorch (tools/dist_train.sh), which runs on CPUs with gloo.'
        )
    dist_cfg = cfg.setdefault('env_cfg', {}).setdefault('dist_cfg', {})
    backend = dist_cfg.get('backend', 'nccl')
    if backend == 'nccl':
        dist_cfg['backend'] = 'gloo'
        if os.environ.get('RANK', '0') == '0':
            print("No accelerator found: using backend 'gloo' instead of 'nccl'.")


def set_randomness(cfg: Config, args: argparse.Namespace) -> None:
    """Override the config's seed and switches with those of the command line."""
    randomness = dict(cfg.get('randomness') or dict(seed=None))
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.diff_rank_seed:
        randomness['diff_rank_seed'] = True
    if args.deterministic:
        randomness['deterministic'] = True
    seed = randomness.get('seed')
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**32):
        exit_with_error(f'seed {seed!r}; expected a whole number from 0 to {2**32 - 1}.')
    if randomness.get('deterministic'):  # without it PyTorch rejects cuBLAS; the user's own wins
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    cfg.randomness = randomness


def build_runner(cfg: Config) -> Runner:
    """Build MMEngine's runner, or the one named by ``runner_type`` in the config."""
    if not compat.has_accelerator():
        keep_freed_memory()
    if cfg.get('launcher', 'none') != 'none':
        collect_by_group(cfg)
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def collect_by_group(cfg: Config) -> None:
    """Let metrics collect results through the process group, by gloo as well.

    MMEngine's default is files in the current directory, which machines need not share.
    """
    for key in ('val_evaluator', 'test_evaluator'):
        given = cfg.get(key) or []
        for evaluator in [given] if isinstance(given, dict) else given:
            evaluator.setdefault('collect_device', 'gpu')


def has_weights(cfg: Config) -> bool:
    """Whether there is anything to load into a config's model: raw coordinates have no weights."""
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    return bool(MODELS.build(copy.deepcopy(cfg.model)).state_dict())
