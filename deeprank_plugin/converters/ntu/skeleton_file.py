"""Parse a ``.skeleton`` file into bodies, distinguished by their ids.

A file is text: the number of frames; for each frame the number of bodies; for each body a line of
10 fields (the first is the body's id), a line ``25``, and 25 lines of 12 numbers, one per joint: x,
y, z in metres, then values that are unused here (positions in the depth and colour images,
rotation, tracking state). Its name identifies the sample: ``S001C002P003R002A013`` for setup,
camera, performer, replication and action.

Source: https://github.com/shahroudy/NTURGB-D.
"""

import re
from typing import Dict, Iterable, List, NamedTuple, NoReturn, Sequence, Tuple

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import NUMBER, WHOLE, shorten
from deeprank_plugin.layouts import NTU

JOINTS, COORDINATES = NTU.num_joints, 3
BODY_FIELDS, JOINT_FIELDS = 10, 12
BODY_LINES = 2 + JOINTS  # in a file, for each body of each frame
BODY_ID = re.compile(r'\d{1,20}', re.ASCII)
EXPECTED = 'the text of a .skeleton file of NTU RGB+D'


class Body(NamedTuple):
    """A body of a file.

    Attributes:
        number (str): Its id.
        frames (np.ndarray): Indices of the n frames that show it, ascending.
        joints (np.ndarray): Float32 of shape (n, 25, 3), in metres.
    """

    number: str
    frames: np.ndarray
    joints: np.ndarray


def read_bodies(lines: Sequence[str], path: str) -> Tuple[List[Body], int]:
    """Parse all bodies of a file, in order of appearance, and its number of frames.

    A body whose joints are all zero in a frame is absent from that frame.

    Args:
        lines (Sequence[str]): Lines of the file, without line ends and trailing blank lines.
        path (str): For messages.

    Raises:
        BrokenFile: If they do not match the module's docstring, or hold no body.
    """
    num_frames = read_count(lines, 0, path, 'the number of frames')
    places: Dict[str, List[Tuple[int, int]]] = {}  # by id: frame, row of the first joint
    row = 1
    for frame in range(num_frames):
        where = f'frame {frame + 1} of {num_frames}'
        number = read_count(lines, row, path, f'the number of bodies in {where}')
        row += 1
        for body in range(number):
            here = f'body {body + 1} of {number} in {where}'
            key = read_id(lines, row, path, here)
            if places.get(key, [(-1, 0)])[-1][0] == frame:
                raise BrokenFile(
                    f'{path}, line {row + 1}: body {key} occurs twice in {where}; expected each id '
                    'once in a frame: remove the file'
                )
            joints = read_count(lines, row + 1, path, f'the number of joints of {here}')
            if joints != JOINTS:
                raise BrokenFile(
                    f'{path}, line {row + 2} says {joints} joints; expected {JOINTS}, {here}: '
                    'remove the file'
                )
            if len(lines) < row + BODY_LINES:
                raise_ended(lines, path, f'{JOINTS} lines of joints, {here}')
            places.setdefault(key, []).append((frame, row + 2))
            row += BODY_LINES
    if row < len(lines):
        raise BrokenFile(
            f'{path}, line {row + 1} is {shorten(lines[row])}; expected the end of the file after '
            f'{num_frames} frames, as line 1 says: copy the file again, or remove it'
        )
    starts = [start for spots in places.values() for _, start in spots]
    positions = read_joints(lines, starts, path).reshape(-1, JOINTS, COORDINATES)
    bodies, begin = [], 0
    for key, spots in places.items():
        own = positions[begin : begin + len(spots)]
        begin += len(spots)
        there = own.any(axis=(1, 2))
        if there.any():
            bodies.append(Body(key, np.array([frame for frame, _ in spots])[there], own[there]))
    if not bodies:
        raise BrokenFile(
            f'{path} holds no body in any of its {num_frames} frames; expected at least one: is '
            'the sample in the list of those with missing skeletons?'
        )
    return bodies, num_frames


def read_count(lines: Sequence[str], row: int, path: str, what: str) -> int:
    """Read the non-negative integer alone on a line.

    Raises:
        BrokenFile: If there is none.
    """
    if row >= len(lines):
        raise_ended(lines, path, what)
    text = lines[row].strip()
    if not WHOLE.fullmatch(text) or int(text) < 0:
        raise BrokenFile(
            f'{path}, line {row + 1} is {shorten(lines[row])}; expected {what}: the file is '
            'truncated, or a count before this line is wrong; copy it again, or remove it'
        )
    return int(text)


def read_id(lines: Sequence[str], row: int, path: str, here: str) -> str:
    """Read the id on a body's first line; a string, since float64 cannot hold all its digits.

    Raises:
        BrokenFile: If the line has another form.
    """
    if row >= len(lines):
        raise_ended(lines, path, f'{BODY_FIELDS} fields, {here}')
    fields = lines[row].split()
    if len(fields) != BODY_FIELDS or not BODY_ID.fullmatch(fields[0]):
        raise BrokenFile(
            f'{path}, line {row + 1} is {shorten(lines[row])}; expected {BODY_FIELDS} fields, the '
            f'first an id, {here}: the file is cut, or a count before this line is wrong; copy it '
            'again, or remove it'
        )
    return fields[0]


def read_joints(lines: Sequence[str], starts: Sequence[int], path: str) -> np.ndarray:
    """Parse the coordinates in blocks of 25 lines.

    Args:
        lines (Sequence[str]): Lines of the file.
        starts (Sequence[int]): Indices of the first lines of the blocks.
        path (str): For messages.

    Returns:
        np.ndarray: Float32 of shape (25 * blocks, 3). The other nine fields of a line are only
        counted.

    Raises:
        BrokenFile: At the first line (in the order of the blocks) without exactly 12 fields, or
            whose first three are not finite decimal numbers in the range of float32.
    """
    rows = [line.split() for start in starts for line in lines[start : start + JOINTS]]
    fields = [field for row in rows for field in row[:COORDINATES]]
    text = ''.join(fields)
    # float() also accepts 1_000 and digits of other scripts
    if all(len(row) == JOINT_FIELDS for row in rows) and '_' not in text and text.isascii():
        try:
            with np.errstate(over='ignore'):
                joints = np.array(list(map(float, fields)), dtype=np.float64).astype(np.float32)
            if np.isfinite(joints).all():
                return joints.reshape(-1, COORDINATES)
        except ValueError:
            pass
    numbers = (start + joint for start in sorted(starts) for joint in range(JOINTS))
    raise_bad_joint(lines, numbers, path)


def raise_bad_joint(lines: Sequence[str], numbers: Iterable[int], path: str) -> NoReturn:
    """Raise for the first line that :func:`read_joints` could not parse."""
    remedy = 'copy the file again, or remove it'
    for number in numbers:
        fields = lines[number].split()
        if len(fields) != JOINT_FIELDS:
            raise BrokenFile(
                f'{path}, line {number + 1} has {len(fields)} fields; expected {JOINT_FIELDS} '
                f'numbers of a joint: {remedy}'
            )
        for name, text in zip('xyz', fields):
            if not NUMBER.fullmatch(text):
                raise BrokenFile(
                    f'{path}, line {number + 1}: {name} is {shorten(text)}; expected a decimal '
                    f'number: {remedy}'
                )
            if not np.isfinite(float_32(text)):
                raise BrokenFile(
                    f'{path}, line {number + 1}: {name} is {shorten(text)}; expected a number that '
                    f'float32 can hold: {remedy}'
                )
    raise BrokenFile(f'{path} cannot be read; expected {EXPECTED}: {remedy}')


def float_32(text: str) -> np.float32:
    """A number as float32, infinite if it is too large."""
    with np.errstate(over='ignore'):
        return np.float64(text).astype(np.float32)


def raise_ended(lines: Sequence[str], path: str, expected: str) -> NoReturn:
    """Raise for a truncated file."""
    raise BrokenFile(
        f'{path} ends after line {len(lines)}; expected {expected}: the file is cut, or a count '
        'in it is wrong; copy it again, or remove it'
    )
