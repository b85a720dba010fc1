"""How the tools end on an error: one sentence and an exit code."""

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
from mmengine.runner import find_latest_checkpoint

from deeprank_plugin.engine import NonFiniteError

# "DataLoader worker (pid 7) is killed by signal: Killed." and "... (pid(s) 7) exited unexpectedly"
DEAD_WORKER = re.compile(r'DataLoader worker \(pid')
# messages of gloo and NCCL when the other end of a connection is lost
LOST_PEER = re.compile(
    r'(?i)connection (closed|reset|was likely closed|refused)|broken pipe|'
    r'ncclRemoteError|remote process exited|timed out waiting \d+ms for'
)

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def exit_with_error(sentence: str, code: int = 2) -> NoReturn:
    """End the program with one sentence on stderr; code 2: invalid request, 1: failed run."""
    print(f'error: {sentence}', file=sys.stderr)
    sys.exit(code)


def require_writable(folder: str, name: str, option: str) -> None:
    """Make a folder and write a file into it; exit with an error if that fails."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b'0')
            file.flush()
    except OSError as error:
        exit_with_error(
            f'{name} {folder!r} cannot be written to ({error.strerror}): '
            f'name another with {option}, or change its permissions.'
        )


def require_checkpoint(path: str) -> None:
    """Exit with an error if a local checkpoint does not exist; MMEngine checks URLs."""
    if '://' not in path and not osp.isfile(osp.expanduser(path)):
        exit_with_error(f'checkpoint {path!r} does not exist.')


def find_checkpoint(path: str) -> str:
    """The checkpoint file; for a work dir, its latest. Exit with an error if it does not exist."""
    file = find_latest_checkpoint(path) if osp.isdir(path) else path
    if file is None or not osp.isfile(file):
        exit_with_error(f'checkpoint {path!r} does not exist.')
    return file


def run_or_exit(run: Callable[[], object], work_dir: Optional[str] = None) -> None:
    """Train or test; report failures with an external cause in one sentence.

    A checkpoint that holds more than weights and plain values is rejected: PyTorch stops before it
    runs anything from such a file, but advises switching its protection off.

    Args:
        run (Callable): Trains or tests.
        work_dir (str, optional): Where it writes.
    """
    try:
        run()
    except SystemExit:  # raised by a hook, on every process
        close_group_at_exit()
        raise
    except pickle.UnpicklingError as error:
        cause = str(error.__context__ or error).splitlines()[0]
        exit_with_error(
            f'a checkpoint was rejected, and no code in it was run ({cause}): expected a file of '
            'weights and plain values as MMEngine saves it; name another, from a source you trust.'
        )
    except NonFiniteError as error:
        fail(str(error))
    except RuntimeError as error:
        if DEAD_WORKER.match(str(error)):
            cause = ' '.join(str(error).split())
            fail(
                f'{cause}: a data loading process died. If memory ran out (see the system log), '
                'set fewer workers (train_dataloader.num_workers) or convert the annotations to an '
                '.npz, which all processes share (tools/data/convert_annotations.py); a bus error '
                'means that /dev/shm is too small. --resume continues from the last checkpoint.'
            )
        if LOST_PEER.search(str(error)):
            cause = str(error).splitlines()[0]
            fail(
                f'another process of this run has ended or cannot be reached ({cause}): see its '
                'own messages for the cause. --resume continues from the last checkpoint.'
            )
        raise
    except OSError as error:
        sentence = explain_unwritable(error, work_dir)
        if sentence is None:
            raise
        fail(sentence)
    close_group_at_exit()


def explain_unwritable(error: OSError, work_dir: Optional[str]) -> Optional[str]:
    """One sentence if the cause is the disk or the work dir, else None."""
    cause = error.strerror or str(error)
    if error.filename is not None:
        cause = f'{error.filename!r}: {cause}'
    if work_dir is not None and not osp.isdir(work_dir):
        return (
            f'the work dir {work_dir!r} was removed during the run ({cause}): restore it and '
            'continue with --resume, or start again.'
        )
    if error.errno in DISK_ERRORS:
        return (
            f'the disk cannot be written to: {cause}. Free space or repair it, then continue from '
            'the last checkpoint with --resume.'
        )
    return None


def close_group_at_exit() -> None:
    """In a distributed run, leave the process group cleanly at exit."""
    if torch.distributed.is_initialized():
        atexit.register(leave_group)


def fail(sentence: str) -> NoReturn:
    """End a failed run with one sentence and exit code 1.

    In a distributed run the process exits without cleanup, since its group may be waiting for a
    process that has died.
    """
    if not torch.distributed.is_initialized():
        exit_with_error(sentence, code=1)
    print(f'error: process {torch.distributed.get_rank()}: {sentence}', file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1)


def leave_group() -> None:
    """Destroy the process group once nothing uses it.

    A group that lives until the interpreter exits can abort a successful run, since its threads are
    still running then ('terminate called without an active exception').
    """
    gc.collect()  # the runner and its distributed model
    torch.distributed.destroy_process_group()
