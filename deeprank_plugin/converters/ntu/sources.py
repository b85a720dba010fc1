"""Raw files in folders and in the distributed zip files."""

import os
import zipfile
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Union

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import read_lines, split_lines

from .protocol import SUFFIX
from .skeleton_file import EXPECTED

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,  # encrypted; its subclass NotImplementedError: unknown compression
    ValueError,
)
LARGEST = 2**28  # bytes of a zip member; the data set's have about 10**5


class RawFile(NamedTuple):
    """The file that a sample is read from.

    Attributes:
        name (str): Name of the sample.
        source (str): Folder or zip file.
        member (str): Path within it.
        size (int): Bytes.
        stamp (int): Time of the last change (ns), or checksum in a zip file.
    """

    name: str
    source: str
    member: str
    size: int
    stamp: int

    @property
    def zipped(self) -> bool:
        """Whether the source is a zip file."""
        return Path(self.source).suffix.lower() == '.zip'

    def __str__(self) -> str:
        return f'{self.source}{": " if self.zipped else os.sep}{self.member}'


def list_files(sources: Sequence[Union[str, Path]]) -> List[RawFile]:
    """All ``.skeleton`` files in folders and zip files, at any depth, in the order of their names.

    Other files and hidden files are skipped.

    Raises:
        BrokenFile: If a zip file cannot be read, a source has no such file, or two files have the
            same name.
        ValueError: If a source is neither a folder nor a zip file.
    """
    files: List[RawFile] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = list_folder(path)
        elif path.is_file() and path.suffix.lower() == '.zip':
            found = list_zip(path)
        else:
            raise ValueError(
                f'{path} is neither a folder nor a zip file; expected a folder of .skeleton files, '
                'or nturgbd_skeletons_s001_to_s017.zip and ..._s018_to_s032.zip: correct the path'
            )
        if not found:
            raise BrokenFile(
                f'{path} holds no .skeleton file; expected those of NTU RGB+D: name the '
                'folder or zip file that has them'
            )
        files += found
    files.sort()
    for one, other in zip(files, files[1:]):
        if one.name == other.name:
            raise BrokenFile(
                f'sample {one.name} occurs twice, {one} and {other}; expected each once: name '
                'each source once, or remove one of the files'
            )
    return files


def list_folder(folder: Path) -> List[RawFile]:
    """Like :func:`list_files`, for a folder."""
    files, source = [], str(folder.resolve())
    for path in folder.rglob('*'):
        if path.suffix.lower() == SUFFIX and not path.name.startswith('.') and path.is_file():
            stat = path.stat()
            member = str(path.relative_to(folder))
            files.append(RawFile(path.stem, source, member, stat.st_size, stat.st_mtime_ns))
    return files


def list_zip(path: Path) -> List[RawFile]:
    """Like :func:`list_files`, for a zip file."""
    files, source = [], str(path.resolve())
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                stem, suffix = os.path.splitext(info.filename.rpartition('/')[2])
                if suffix.lower() == SUFFIX and not stem.startswith('.'):
                    files.append(RawFile(stem, source, info.filename, info.file_size, info.CRC))
    except ZIP_ERRORS as error:
        raise BrokenFile(
            f'{path} cannot be read ({error or type(error).__name__}); expected a zip file: '
            'download it again'
        ) from None
    return files


def read_file(file: RawFile, archives: Dict[str, zipfile.ZipFile], stack: ExitStack) -> List[str]:
    """Read the lines of a file.

    Args:
        file (RawFile): The file.
        archives (dict): Open zip files by path; a newly opened one is added.
        stack (ExitStack): Closes the zip files.

    Raises:
        BrokenFile: If it cannot be read or unpacked, is not text, is empty, or is far larger than
            any file of the data set.
    """
    if not file.zipped:
        return read_lines(Path(file.source) / file.member, EXPECTED)
    if file.size > LARGEST:
        raise BrokenFile(
            f'{file} has {file.size:,} bytes; expected at most {LARGEST:,}: remove the file'
        )
    try:
        if file.source not in archives:
            archives[file.source] = stack.enter_context(zipfile.ZipFile(file.source))
        data = archives[file.source].read(file.member)
    except ZIP_ERRORS as error:
        raise BrokenFile(
            f'{file} cannot be unpacked ({error or type(error).__name__}); expected {EXPECTED}: '
            'download the zip file again'
        ) from None
    return split_lines(data, str(file), EXPECTED)
