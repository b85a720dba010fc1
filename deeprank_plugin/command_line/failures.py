"""How the tools end when something is wrong: one sentence and an exit code."""

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
