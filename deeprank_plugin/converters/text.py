"""Text files of numbers, read strictly: errors name file, line and column."""

import re
from pathlib import Path
from typing import List, NoReturn, Optional, Sequence, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile

NUMBER = re.compile(r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?')
WHOLE = re.compile(r'[+-]?[0-9]{1,9}')


def read_lines(path: Union[str, Path], expected: str) -> List[str]:
    """Read the lines of a UTF-8 file, without byte order mark, line ends and trailing blank lines.

    Args:
        path (str): The file, with Unix, Windows or old Mac line ends.
        expected (str): What the file should contain, for messages.

    Raises:
        BrokenFile: If it cannot be read, is not text, or is empty.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise BrokenFile(f'{path} cannot be read ({error.strerror}); expected {expected}') from None
    return split_lines(data, path, expected)


def split_lines(data: bytes, path: Union[str, Path], expected: str) -> List[str]:
    """Like :func:`read_lines`, for data already read; ``path`` is for messages.

    Raises:
        BrokenFile: If it is not text, or is empty.
    """
    try:
        text = data.decode('utf-8-sig').replace('\r\n', '\n').replace('\r', '\n')
    except UnicodeDecodeError as error:
        raise BrokenFile(
            f'{path} is not UTF-8 text (byte {error.start}); expected {expected}: unpack it, or '
            'copy it again'
        ) from None
    lines = text.split('\n')
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise BrokenFile(f'{path} is empty; expected {expected}: copy it again')
    return lines


def read_table(
    lines: Sequence[str],
    path: Union[str, Path],
    columns: Optional[int] = None,
    delimiter: Optional[str] = None,
    first: int = 1,
) -> np.ndarray:
    """Parse rows of numbers of equal length.

    Args:
        lines (Sequence[str]): The rows, at least one.
        path (str): For messages.
        columns (int, optional): Numbers in a row. Defaults to None: as many as in the first row.
        delimiter (str, optional): Separator. Defaults to None: white space.
        first (int): Line number of the first row in the file, for messages. Defaults to 1.

    Returns:
        np.ndarray: Float32 of shape (rows, columns), all finite.

    Raises:
        BrokenFile: At the first row that is blank, has another length, or holds anything but finite
            decimal numbers in the range of float32.
    """
    columns = len(lines[0].split(delimiter)) if columns is None else columns
    try:
        if all(line and not line.isspace() for line in lines):
            table = np.loadtxt(lines, comments=None, delimiter=delimiter, ndmin=2)
            with np.errstate(over='ignore'):
                table = table.astype(np.float32)
            if table.shape == (len(lines), columns) and np.isfinite(table).all():
                return table
    except ValueError:
        pass
    raise_bad_row(lines, path, columns, delimiter, first)


def raise_bad_row(
    lines: Sequence[str], path: Union[str, Path], columns: int, delimiter: Optional[str], first: int
) -> NoReturn:
    """Raise for the first row that :func:`read_table` could not parse."""
    expected = f'expected {columns} numbers per line'
    for number, line in enumerate(lines, first):
        if not line.strip():
            raise BrokenFile(f'{path}, line {number} is blank; {expected}: remove it')
        fields = line.split(delimiter)
        for column, field in enumerate(fields, 1):
            text = field.strip()
            if not NUMBER.fullmatch(text):
                raise BrokenFile(
                    f'{path}, line {number}, number {column} is {shorten(text)}; {expected}, as '
                    'decimals: repair or remove the file'
                )
            if not abs(float(text)) < float(np.finfo(np.float32).max):
                raise BrokenFile(
                    f'{path}, line {number}, number {column} is {shorten(text)}; {expected} that '
                    'float32 can hold: repair or remove the file'
                )
        if len(fields) != columns:
            raise BrokenFile(
                f'{path}, line {number} has {len(fields)} numbers; {expected}: the file may be '
                'truncated, copy it again'
            )
    raise BrokenFile(f'{path} cannot be read as a table of numbers; {expected}: make it again')


def shorten(text: str, length: int = 40) -> str:
    """A string in quotes, truncated to a length."""
    return repr(text if len(text) <= length else text[:length] + '...')
