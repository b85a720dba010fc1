"""What the command lines of ``train.py`` and ``test.py`` share: options, checks, refusals."""

import argparse
import atexit
import errno
import gc
import os
import os.path as osp
import pickle
import re
import sys
import tempfile
from typing import Callable, NoReturn, Optional

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config, DictAction
from mmengine.runner import Runner, find_latest_checkpoint

from deeprank_plugin import compat
from deeprank_plugin.engine import NonFiniteError
from deeprank_plugin.engine.memory import keep_freed_memory

# "DataLoader worker (pid 7) is killed by signal: Killed." and "... (pid(s) 7) exited unexpectedly"
DEAD_WORKER = re.compile(r'DataLoader worker \(pid')
# what gloo and NCCL say where the other end of a connection is gone
LOST_PEER = re.compile(
    r'(?i)connection (closed|reset|was likely closed|refused)|broken pipe|'
    r'ncclRemoteError|remote process exited|timed out waiting \d+ms for'
)

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def refuse(sentence: str, code: int = 2) -> NoReturn:
    """End the program with one sentence on stderr; code 2 is for what was asked, 1 for the run."""
    print(f'error: {sentence}', file=sys.stderr)
    sys.exit(code)


class OptionAction(DictAction):
    """MMEngine's ``KEY=VALUE``, but a value that names a file or folder is taken as it stands.

    MMEngine takes a comma for a list and drops blanks, so that such paths would be torn apart.
    """

    @staticmethod
    def _parse_iterable(value: str):
        if re.search(r'[ ,()\[\]]', value) and osp.exists(value):
            return value
        return DictAction._parse_iterable(value)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing have in common."""
    parser.add_argument(
        '--work-dir', help='folder for logs and checkpoints; default: ./work_dirs/<config name>'
    )
    parser.add_argument('--seed', type=int, help='random seed; wins over the config')
    parser.add_argument(
        '--diff-rank-seed', action='store_true', help='give every process its own seed'
    )
    parser.add_argument(
        '--deterministic', action='store_true', help='choose deterministic cuDNN algorithms'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override entries of the config, e.g. train_cfg.max_epochs=10 key="[a,b]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def read_config(args: argparse.Namespace) -> Config:
    """Read the config and merge ``--cfg-options``, ``--work-dir`` and the launcher into it."""
    if not osp.isfile(args.config):
        refuse(f'config file {args.config!r} does not exist.')
    try:
        cfg = Config.fromfile(args.config)
    except FileNotFoundError as error:
        refuse(f'config {args.config!r} names a base config that does not exist: {error}')
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('./work_dirs', osp.splitext(osp.basename(args.config))[0])
    require_writable(cfg.work_dir, 'work dir', '--work-dir')
    set_launcher(cfg, args)
    set_randomness(cfg, args)
    return cfg


def require_writable(folder: str, name: str, option: str) -> None:
    """Make a folder and write a file into it, or refuse."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'0')
            file.flush()
    except OSError as error:
        refuse(
            f'{name} {folder!r} cannot be written to ({error.strerror}): '
            f'name another with {option}, or change its permissions.'
        )


def require_checkpoint(path: str) -> None:
    """Refuse a local checkpoint that does not exist; addresses are left to MMEngine."""
    if '://' not in path and not osp.isfile(osp.expanduser(path)):
        refuse(f'checkpoint {path!r} does not exist.')


def find_checkpoint(path: str) -> str:
    """A checkpoint's file; of a work dir, its last one. Refuse what is not there."""
    file = find_latest_checkpoint(path) if osp.isdir(path) else path
    if file is None or not osp.isfile(file):
        refuse(f'checkpoint {path!r} does not exist.')
    return file


def set_launcher(cfg: Config, args: argparse.Namespace) -> None:
    """Put the launcher into the config, and a backend that this machine has."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    if args.launcher == 'none':
        return
    # MMEngine would set the same, and warn about it in every process.
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    os.environ.setdefault('MKL_NUM_THREADS', '1')
    if compat.has_accelerator():
        return
    if args.launcher != 'pytorch':
        refuse(
            f'--launcher {args.launcher} binds every process to an accelerator, and this machine '
            'has none: use --launcher pytorch (tools/dist_train.sh), which runs on CPUs by gloo.'
        )
    dist_cfg = cfg.setdefault('env_cfg', {}).setdefault('dist_cfg', {})
    backend = dist_cfg.get('backend', 'nccl')
    if backend == 'nccl':
        dist_cfg['backend'] = 'gloo'
        if os.environ.get('RANK', '0') == '0':
            print("No accelerator here: the processes talk by backend 'gloo' instead of 'nccl'.")


def set_randomness(cfg: Config, args: argparse.Namespace) -> None:
    """Let the command line's seed and switches win over those of the config."""
    randomness = dict(cfg.get('randomness') or dict(seed=None))
    if args.seed is not None:
        randomness['seed'] = args.seed
    if args.diff_rank_seed:
        randomness['diff_rank_seed'] = True
    if args.deterministic:
        randomness['deterministic'] = True
    cfg.randomness = randomness


def run_or_refuse(run: Callable[[], object], work_dir: Optional[str] = None) -> None:
    """Train or test; what ends a run from outside is said in one sentence.

    A checkpoint that holds more than weights and plain values is refused: PyTorch stops such a file
    before it runs anything, with advice to switch its protection off.

    Args:
        run (Callable): What to do.
        work_dir (str, optional): Where it writes.
    """
    try:
        run()
    except SystemExit:  # of a hook, on every process alike
        close_group_at_exit()
        raise
    except pickle.UnpicklingError as error:
        cause = str(error.__context__ or error).splitlines()[0]
        refuse(
            f'a checkpoint was refused, and nothing in it was run ({cause}): expected a file of '
            'weights and plain values as MMEngine saves it; name another, from a source you trust.'
        )
    except NonFiniteError as error:
        fail(str(error))
    except RuntimeError as error:
        if DEAD_WORKER.match(str(error)):
            cause = ' '.join(str(error).split())
            fail(
                f"{cause}: a process that loads data died. If memory ran out (the system's log "
                'says so), set fewer workers (train_dataloader.num_workers) or make an .npz of '
                'the annotations, which all share (tools/data/convert_annotations.py); a bus '
                'error means that /dev/shm is too small. --resume goes on from the last checkpoint.'
            )
        if LOST_PEER.search(str(error)):
            cause = str(error).splitlines()[0]
            fail(
                f'another process of this run has ended or cannot be reached ({cause}): what '
                'happened to it is in its own messages. --resume goes on from the last checkpoint.'
            )
        raise
    except OSError as error:
        sentence = explain_unwritable(error, work_dir)
        if sentence is None:
            raise
        fail(sentence)
    close_group_at_exit()


def explain_unwritable(error: OSError, work_dir: Optional[str]) -> Optional[str]:
    """One sentence where the cause is the disk or the work dir, else None."""
    cause = error.strerror or str(error)
    if error.filename is not None:
        cause = f'{error.filename!r}: {cause}'
    if work_dir is not None and not osp.isdir(work_dir):
        return (
            f'the work dir {work_dir!r} was removed during the run ({cause}): restore it and go on '
            'with --resume, or start again.'
        )
    if error.errno in DISK_ERRORS:
        return (
            f'the disk takes no more: {cause}. Make room, or mend it, and go on with --resume from '
            'the last checkpoint.'
        )
    return None


def close_group_at_exit() -> None:
    """Where there are several processes, let each leave their group in order."""
    if torch.distributed.is_initialized():
        atexit.register(leave_group)


def fail(sentence: str) -> NoReturn:
    """End a run that has failed: one sentence, exit code 1.

    One of several processes ends without tidying up: its group may wait for one that has died.
    """
    if not torch.distributed.is_initialized():
        refuse(sentence, code=1)
    print(f'error: process {torch.distributed.get_rank()}: {sentence}', file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1)


def leave_group() -> None:
    """Close the process group, once nothing uses it any more.

    A group that is left to the end of the interpreter can abort a run that has ended well: its
    threads are then still running ('terminate called without an active exception').
    """
    gc.collect()  # the runner and its distributed model
    torch.distributed.destroy_process_group()


def build_runner(cfg: Config) -> Runner:
    """Build MMEngine's runner, or the one that ``runner_type`` of the config names."""
    if not compat.has_accelerator():
        keep_freed_memory()
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
