"""How the tools warn, and end on an error: one sentence and an exit code."""

import atexit
import errno
import gc
import linecache
import os
import os.path as osp
import pickle
import re
import sys
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NoReturn, Optional

import torch

from deeprank_plugin.engine import NonFiniteError
from deeprank_plugin.engine.recovery.checkpoints import find_latest

# "DataLoader worker (pid 7) is killed by signal: Killed." and "... (pid(s) 7) exited unexpectedly"
DEAD_WORKER = re.compile(r'DataLoader worker \(pid')
# messages of gloo and NCCL when the other end of a connection is lost
LOST_PEER = re.compile(
    r'(?i)connection (closed|reset|was likely closed|refused)|broken pipe|'
    r'ncclRemoteError|remote process exited|timed out waiting \d+ms for'
)

# 'File "/a/b.py", line 12, in read', in the text of an error from a data loader's worker
WORKER_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
PACKAGE = Path(__file__).resolve().parents[1]
OURS = (PACKAGE, PACKAGE.parent / 'projects', PACKAGE.parent / 'tools')

TOOLBOXES = ('mmengine', 'mmaction', 'torch/optim', 'torch/utils/data')

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def exit_with_error(sentence: str, code: int = 2) -> NoReturn:
    """End the program with one sentence on stderr; code 2: invalid request, 1: failed run."""
    print(f'error: {sentence}', file=sys.stderr)
    sys.exit(code)


@contextmanager
def print_warnings() -> Iterator[None]:
    """Within it each warning is printed once, in one line on stderr, without its place in code."""
    printed = set()

    def show(message, *_, **__) -> None:
        if str(message) not in printed:
            printed.add(str(message))
            print(f'warning: {message}', file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


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
    file = find_latest(path) if osp.isdir(path) else path
    if not file:
        exit_with_error(f'work dir {path!r} holds no checkpoint: train first, or name another.')
    if not osp.isfile(file):
        exit_with_error(f'checkpoint {file!r} does not exist.')
    return file


def run_or_exit(run: Callable[[], object], work_dir: Optional[str] = None) -> None:
    """Train or test; report invalid requests and external failures in one sentence.

    What the package raises about data, config or checkpoint is a sentence that says what to change:
    it is printed alone, with exit code 2. An error from anywhere else keeps its traceback.

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
    except (ValueError, KeyError, TypeError, AssertionError, EOFError) as error:
        exit_if_explained(error)
        raise
    except RuntimeError as error:
        exit_if_explained(error)
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
            exit_if_explained(error)
            raise
        fail(sentence)
    close_group_at_exit()


def exit_if_explained(error: BaseException) -> None:
    """Exit with code 2 if :func:`explain` knows a sentence for an error."""
    sentence = explain(error)
    if sentence is not None:
        exit_with_error(sentence)


def explain(error: BaseException) -> Optional[str]:
    """The sentence of an error that a wrong request caused; None for any other.

    Such are the errors that a ``raise`` statement of the package raised, also in a worker of a data
    loader; those of a constructor of MMEngine, MMAction2 or PyTorch that rejects a setting; names
    that MMEngine's registries do not know; and files that hold no checkpoint.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, EOFError) or 'PytorchStreamReader' in text:
        return f'a checkpoint is truncated or damaged ({first_line(text)}): name another.'
    if 'Original Traceback' in text:  # of a worker
        frames = WORKER_FRAME.findall(text)
        ours = bool(frames) and is_raised_by_us(frames[-1][0], int(frames[-1][1]))
        return text.strip().splitlines()[-1].partition(': ')[2] if ours else None
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f'{str(error.filename)!r} does not exist: correct the path.'
    frame = error.__traceback__
    if frame is None or isinstance(error, RuntimeError):
        return None
    while frame.tb_next is not None:
        frame = frame.tb_next
    path = frame.tb_frame.f_code.co_filename
    if is_raised_by_us(path, frame.tb_lineno):
        return ' '.join(text.split())
    if isinstance(error, TypeError) and Path(path).match('mmengine/runner/runner.py'):
        return explain(error.__context__) if error.__context__ is not None else None  # of a hook
    if isinstance(error, (KeyError, TypeError)) and Path(path).match('mmengine/registry/*.py'):
        return first_line(text)
    code, part = frame.tb_frame.f_code.co_name, frame.tb_frame.f_locals.get('self')
    if code == '__init__' and text and is_of_the_toolboxes(path):
        return f'{type(part).__name__} rejects a setting of the config: {" ".join(text.split())}'
    return None


def is_of_the_toolboxes(path: str) -> bool:
    """Whether a source file is of MMEngine, MMAction2, or PyTorch's optimisers and loaders."""
    parts = Path(path).as_posix()
    return any(f'/{name}/' in parts for name in TOOLBOXES)


def first_line(text: str) -> str:
    """The first line of a text, '' if it is empty."""
    return text.splitlines()[0] if text else ''


def is_raised_by_us(path: str, line: int) -> bool:
    """Whether a line of the source is a ``raise`` statement of this package or of its tools."""
    inside = any(Path(path).resolve().is_relative_to(root) for root in OURS)
    return inside and linecache.getline(path, line).strip().startswith('raise ')


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
