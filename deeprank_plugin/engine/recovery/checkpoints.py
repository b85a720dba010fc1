"""Writes checkpoints whole or not at all, and finds the newest whole one of a work dir."""

import contextlib
import errno
import os
import os.path as osp
import re
import zipfile
import zlib
from pathlib import Path
from typing import List, Optional, Tuple, Union

from mmengine.fileio import LocalBackend, register_backend
from mmengine.utils import mkdir_or_exist

RECORD = 'last_checkpoint'
INTERRUPTED = 'interrupted.pth'
RESUMABLE = re.compile(r'(?:epoch|iter)_(\d+)\.pth')
WHOLE_FILES = dict(backend='whole')
"""``backend_args`` with which MMEngine writes by :class:`WholeFileBackend`."""


def write_whole(path: Union[str, Path], content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, then rename it.

    If the process is killed or the disk is full, the file keeps its old content.

    Args:
        path (str or Path): File to write.
        content (bytes): Content to write.

    Raises:
        OSError: If the file cannot be written; the temporary file is removed.
    """
    part = f'{path}.part'
    try:
        with open(part, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(osp.dirname(osp.abspath(path)))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise OSError(
            error.errno,
            f'{str(path)!r} ({len(content) / 2**20:.2f} MiB) could not be written '
            f'({os.strerror(error.errno or errno.EIO)}); files written before are whole',
        ) from None


def sync_folder(folder: str) -> None:
    """Flush the names in a folder to the disk, where the file system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@register_backend('whole')
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, but binary ones (checkpoints) are written whole or not at all.

    Hooks select it by ``backend_args=dict(backend='whole')``; MMEngine's own 'local' backend stays
    as it is.
    """

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write bytes to a file; see :func:`write_whole`."""
        mkdir_or_exist(osp.dirname(filepath))
        write_whole(filepath, obj)


def require_folder(work_dir: str) -> None:
    """Raise if the work dir has been removed, rather than create an empty one.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if not osp.isdir(work_dir):
        raise FileNotFoundError(
            errno.ENOENT,
            f'the work dir {work_dir!r} was removed during the run, with all its content',
        )


def is_whole(path: str) -> bool:
    """Whether a file is a complete checkpoint, as written by ``torch.save``.

    Reads every entry and verifies its checksum; nothing is unpickled.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return False


def describe_torn(path: str) -> str:
    """Say what is wrong with a checkpoint that :func:`is_whole` rejects."""
    if not osp.isfile(path):
        return f'{path!r} does not exist'
    return f'{path!r} ({osp.getsize(path):,} bytes) is truncated or damaged'


def find_latest(work_dir: str) -> Optional[str]:
    """The checkpoint that ``last_checkpoint`` of a work dir names; it may be missing or damaged.

    MMEngine records an absolute path, where another run may lie once the work dir was renamed or
    copied. So the file, or folder, of that name in the work dir itself counts where there is one.

    Args:
        work_dir (str): Folder of a run.

    Returns:
        str, optional: Its absolute path, '' if the record is empty; None if there is no record.
    """
    record = osp.join(work_dir, RECORD)
    if not osp.isfile(record):
        return None
    named = Path(record).read_text(encoding='utf-8', errors='replace').strip('\x00 \n\t')
    own = osp.join(osp.abspath(work_dir), osp.basename(named))
    return own if named and osp.exists(own) else named


def find_resumable(work_dir: str) -> Tuple[Optional[str], List[str]]:
    """The newest whole checkpoint of a work dir.

    This is the one that ``last_checkpoint`` names (:func:`find_latest`); if it is damaged or
    missing, the newest whole one beside it.

    Args:
        work_dir (str): Folder of a run.

    Returns:
        tuple[str or None, list[str]]: The checkpoint, None if there is no ``last_checkpoint``;
        and warnings to log.

    Raises:
        ValueError: If there were checkpoints, and none is whole.
    """
    record, latest = osp.join(work_dir, RECORD), find_latest(work_dir)
    if latest is None:
        return None, []
    if latest and is_whole(latest):
        return latest, []
    if latest:
        wrong = f'{record!r} names {latest!r} as the latest checkpoint. {describe_torn(latest)}'
    else:
        wrong = f'{record!r} is empty'
    for path in newest_first(work_dir):
        if is_whole(path):
            return path, [f'{wrong}. Resuming from {path!r}, the newest whole one, instead.']
    raise ValueError(
        f'{wrong}, and there is no whole one in {work_dir!r}: name one by --resume CHECKPOINT, or '
        f'remove {record!r} to start from the beginning.'
    )


def newest_first(work_dir: str) -> List[str]:
    """Checkpoints in a folder from which a run can resume, newest first."""
    found = []
    for entry in os.scandir(work_dir):
        match = RESUMABLE.fullmatch(entry.name)
        if entry.is_file() and (match or entry.name == INTERRUPTED):
            number = int(match[1]) if match else 0
            found.append((entry.stat().st_mtime_ns, number, entry.path))
    return [path for _, _, path in sorted(found, reverse=True)]
