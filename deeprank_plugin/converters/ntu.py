"""NTU RGB+D 60 and 120: raw ``.skeleton`` files, in folders or in the distributed zip files.

A file is text: the number of frames; for each frame the number of bodies; for each body a line of
10 fields (the first is the body's id), a line ``25``, and 25 lines of 12 numbers, a joint each: x,
y, z in metres, then what is not used here (places in the depth and colour images, rotation, state
of tracking). Its name says the sample: ``S001C002P003R002A013``, setup, camera, performer,
replication and action.

Clean-up, of bodies as their ids tell them apart:

- Bodies of at most 11 frames are dropped, then those that are noisy in a share of at least 0.69754
  of their frames; a frame is noisy if the body is wider than 0.8 of its height.
- The last body is never dropped, since the published splits hold every sample that is not listed as
  having missing skeletons: if all are short the longest stays, if all are noisy the least noisy.
  Much of what is filtered is a lone performer who lies down, after all.
- At most two bodies stay, the one of the most motion first. Where the camera lost a performer and
  found the same one under another id, ``join`` lets a body go on in one that has more motion, if
  they share no frame.
- Frames that are left without a body are dropped, and so is time that passed in them: a resize in
  time would blend a body with zeros, that is, shrink it to the origin. A body that is absent from
  some frames while the other is there is exactly zero in them.

Sources: format, and lists of samples with missing skeletons, https://github.com/shahroudy/NTURGB-D;
splits, Shahroudy et al. (CVPR 2016) and Liu et al. (TPAMI 2020); thresholds, the clean-up that
SGN introduced and CTR-GCN and STTFormer took over.
"""

import json
import os
import re
import zipfile
import zlib
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Set, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.converters.text import NUMBER, WHOLE, read_lines, shorten, split_lines
from deeprank_plugin.version import __version__

JOINTS, COORDINATES = 25, 3
BODY_FIELDS, JOINT_FIELDS = 10, 12
BODY_LINES = 2 + JOINTS  # in a file, for each body of each frame
SHORT = 11  # frames
WIDE = 0.8
NOISY_SHARE = 0.69754
MOST_BODIES = 2

NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})', re.ASCII)
BODY_ID = re.compile(r'\d{1,20}', re.ASCII)
SUFFIX = '.skeleton'
EXPECTED = 'the text of a .skeleton file of NTU RGB+D'
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,  # encrypted; its NotImplementedError: packed in a way that is not known
    ValueError,
)
LARGEST = 2**28  # bytes of a member of a zip file; those of the data set have some 10**5

CLASSES = {'ntu60': 60, 'ntu120': 120}
FILES = {'ntu60': 56880, 'ntu120': 114480}
MISSING = {'ntu60': 302, 'ntu120': 535}
TRAIN_SUBJECTS = {
    'ntu60': frozenset((1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)),
}
TRAIN_SUBJECTS['ntu120'] = TRAIN_SUBJECTS['ntu60'] | frozenset(
    (45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98)
    + (100, 103)
)
TRAIN_CAMERAS = (2, 3)
PUBLISHED = {
    'ntu60': dict(xsub_train=40091, xsub_val=16487, xview_train=37646, xview_val=18932),
    'ntu120': dict(xsub_train=63026, xsub_val=50919, xset_train=54468, xset_val=59477),
}
# The longer list holds the shorter one.
MISSING_LISTS = {
    'ntu60': (
        'NTU_RGBD_samples_with_missing_skeletons.txt',
        'NTU_RGBD120_samples_with_missing_skeletons.txt',
    ),
    'ntu120': ('NTU_RGBD120_samples_with_missing_skeletons.txt',),
}
PART = re.compile(r'S\d{3}C\d{3}\.(npy|json)(\.\d+)?', re.ASCII)
PART_VERSION = f'{__version__}, 1'  # another one makes all parts anew

Note = Tuple[str, str]  # kind of what was left out, and a sentence


class Sample(NamedTuple):
    """What the name of a sample says, numbers from 1."""

    setup: int
    camera: int
    subject: int
    replication: int
    action: int


LARGEST_NUMBERS = {'ntu60': Sample(17, 3, 40, 2, 60), 'ntu120': Sample(32, 3, 106, 2, 120)}


class Body(NamedTuple):
    """A body of a file.

    Attributes:
        number (str): Its id.
        frames (np.ndarray): Indices of the n frames that it is in, rising.
        joints (np.ndarray): Float32 of shape (n, 25, 3), metres.
    """

    number: str
    frames: np.ndarray
    joints: np.ndarray

    @property
    def motion(self) -> float:
        """Sum of the coordinates' variances over frames and joints, square metres."""
        return float(self.joints.reshape(-1, COORDINATES).astype(np.float64).var(axis=0).sum())

    @property
    def noisy(self) -> float:
        """Share of the frames in which it is wider than 0.8 of its height."""
        width, height, _ = np.ptp(self.joints.astype(np.float64), axis=1).T
        return float((width > WIDE * height).mean())


class RawFile(NamedTuple):
    """Where a sample is read from.

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


def parse_name(name: str) -> Optional[Sample]:
    """Numbers in the name of a sample; None if it is none of NTU RGB+D 120."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    sample = Sample(*map(int, match.groups()))
    limits = LARGEST_NUMBERS['ntu120']
    return sample if all(1 <= n <= most for n, most in zip(sample, limits)) else None


def is_in(dataset: str, sample: Sample) -> bool:
    """Whether a sample belongs to 'ntu60' or 'ntu120', which holds all of 'ntu60'."""
    return all(number <= most for number, most in zip(sample, LARGEST_NUMBERS[dataset]))


def split_of(dataset: str, sample: Sample) -> Tuple[str, str]:
    """Names of the two splits that a sample is in."""
    subject = sample.subject in TRAIN_SUBJECTS[dataset]
    if dataset == 'ntu60':
        other, trained = 'xview', sample.camera in TRAIN_CAMERAS
    else:
        other, trained = 'xset', sample.setup % 2 == 0
    return f'xsub_{"train" if subject else "val"}', f'{other}_{"train" if trained else "val"}'


def read_sequence(path: Union[str, Path], join: bool = False) -> np.ndarray:
    """Coordinates in a ``.skeleton`` file of any name, cleaned up as the module's docstring says.

    Args:
        path (str): The file.
        join (bool): Whether a body may go on under another id. Defaults to False.

    Returns:
        np.ndarray: Float32 of shape (M, T, 25, 3), M 1 or 2, metres.

    Raises:
        BrokenFile: If the file is not as the module's docstring says.
    """
    bodies, num_frames = read_bodies(read_lines(path, EXPECTED), str(path))
    return clean_bodies(bodies, num_frames, join)[0]


def read_bodies(lines: Sequence[str], path: str) -> Tuple[List[Body], int]:
    """All bodies of a file, in the order in which they appear, and its number of frames.

    Coordinates that are zero in all joints of a frame are none: the body is absent from it.

    Args:
        lines (Sequence[str]): Of the file, without line ends and blank lines at the end.
        path (str): For messages.

    Raises:
        BrokenFile: If they are not as the module's docstring says, or there is no body in them.
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
                    f'{path}, line {row + 1}: body {key} is twice in {where}; expected each id '
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
    joints = read_joints(lines, starts, path).reshape(-1, JOINTS, COORDINATES)
    bodies, begin = [], 0
    for key, spots in places.items():
        own = joints[begin : begin + len(spots)]
        begin += len(spots)
        there = own.any(axis=(1, 2))
        if there.any():
            bodies.append(Body(key, np.array([frame for frame, _ in spots])[there], own[there]))
    if not bodies:
        raise BrokenFile(
            f'{path} holds no body in any of its {num_frames} frames; expected one at least: is '
            'the sample in the list of those with missing skeletons?'
        )
    return bodies, num_frames


def read_count(lines: Sequence[str], row: int, path: str, what: str) -> int:
    """The whole number from 0 that is alone on a line.

    Raises:
        BrokenFile: If there is none.
    """
    if row >= len(lines):
        raise_ended(lines, path, what)
    text = lines[row].strip()
    if not WHOLE.fullmatch(text) or int(text) < 0:
        raise BrokenFile(
            f'{path}, line {row + 1} is {shorten(lines[row])}; expected {what}: the file is cut, '
            'or a count before this line is wrong; copy it again, or remove it'
        )
    return int(text)


def read_id(lines: Sequence[str], row: int, path: str, here: str) -> str:
    """The id on the line that begins a body; a text, since float64 cannot hold all its digits.

    Raises:
        BrokenFile: If the line is none.
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
    """Coordinates on blocks of 25 lines.

    Args:
        lines (Sequence[str]): Of the file.
        starts (Sequence[int]): Indices of the first lines of the blocks.
        path (str): For messages.

    Returns:
        np.ndarray: Float32 of shape (25 * blocks, 3). Of the other nine fields of a line only the
        number is checked.

    Raises:
        BrokenFile: At the first line (in the order of the blocks) of other than 12 fields, or whose
            first three are no finite decimal numbers that float32 can hold.
    """
    rows = [line.split() for start in starts for line in lines[start : start + JOINTS]]
    fields = [field for row in rows for field in row[:COORDINATES]]
    text = ''.join(fields)
    # float() also reads 1_000 and the digits of other scripts
    if all(len(row) == JOINT_FIELDS for row in rows) and '_' not in text and text.isascii():
        try:
            with np.errstate(over='ignore'):
                joints = np.array(list(map(float, fields)), dtype=np.float64).astype(np.float32)
            if np.isfinite(joints).all():
                return joints.reshape(-1, COORDINATES)
        except ValueError:
            pass
    numbers = (start + joint for start in sorted(starts) for joint in range(JOINTS))
    find_joint(lines, numbers, path)


def find_joint(lines: Sequence[str], numbers: Iterable[int], path: str) -> NoReturn:
    """Raise for the first line that :func:`read_joints` could not take."""
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
    """A number as float32, infinite if it is too large for it."""
    with np.errstate(over='ignore'):
        return np.float64(text).astype(np.float32)


def raise_ended(lines: Sequence[str], path: str, expected: str) -> NoReturn:
    """Raise for a file that is too short."""
    raise BrokenFile(
        f'{path} ends after line {len(lines)}; expected {expected}: the file is cut, or a count '
        'in it is wrong; copy it again, or remove it'
    )


def clean_bodies(
    bodies: Sequence[Body], num_frames: int, join: bool = False
) -> Tuple[np.ndarray, List[Note]]:
    """Choose, order and align bodies as the module's docstring says.

    Args:
        bodies (Sequence[Body]): At least one, none of them without a frame.
        num_frames (int): Of the file.
        join (bool): Whether a body may go on under another id. Defaults to False.

    Returns:
        tuple: Float32 of shape (M, T, 25, 3), M 1 or 2, and what was left out or kept
        nevertheless: pairs of a kind and a sentence.
    """
    notes: List[Note] = []
    short = {body.number for body in bodies if len(body.frames) <= SHORT}
    # the most motion decides among equals; max() takes the first of those
    longest = max(bodies, key=lambda body: (len(body.frames), body.motion))
    kept, found = drop_bodies(
        bodies, short, longest, 'short body', lambda b: f'{len(b.frames)} frames'
    )
    notes += found
    noisy = {body.number for body in kept if body.noisy >= NOISY_SHARE}
    calmest = max(kept, key=lambda body: (-body.noisy, body.motion))
    kept, found = drop_bodies(
        kept, noisy, calmest, 'noisy body', lambda b: f'noisy in {b.noisy:.1%} of its frames'
    )
    notes += found
    persons: List[List[Body]] = []
    for body in sorted(kept, key=lambda body: -body.motion):
        free = [p for p in persons if join and not shares_frame(p, body)]
        if free:
            free[0].append(body)
            notes.append(('joined body', f'body {body.number} goes on for {free[0][0].number}'))
        elif len(persons) < MOST_BODIES:
            persons.append([body])
        else:
            notes.append(('further body', f'body {body.number}: two others have more motion'))
    keypoint = np.zeros((len(persons), num_frames, JOINTS, COORDINATES), np.float32)
    for person, parts in zip(keypoint, persons):
        for body in parts:
            person[body.frames] = body.joints
    there = keypoint.any(axis=(0, 2, 3))
    if not there.all():
        notes.append(('empty frames', f'{(~there).sum()} of {num_frames} frames without a body'))
    return np.ascontiguousarray(keypoint[:, there]), notes


def drop_bodies(
    bodies: Sequence[Body], bad: Set[str], best: Body, kind: str, reason
) -> Tuple[List[Body], List[Note]]:
    """Bodies without the bad ones, or the best one if all are bad; and notes on it."""
    kept = [body for body in bodies if body.number not in bad] or [best]
    numbers = {body.number for body in kept}
    notes = [
        (kind, f'body {body.number}: {reason(body)}')
        for body in bodies
        if body.number not in numbers
    ]
    if best.number in bad and best.number in numbers:
        sentence = f'body {best.number}, since there is no better one: {reason(best)}'
        notes.append((f'kept {kind}', sentence))
    return kept, notes


def shares_frame(parts: Sequence[Body], body: Body) -> bool:
    """Whether a body is in a frame of one of others."""
    return any(np.intersect1d(part.frames, body.frames).size for part in parts)


def read_missing(path: Union[str, Path]) -> List[str]:
    """Names of samples in a list of those with missing skeletons.

    Remarks before the first name, as the list of the data set's authors has them, are passed over.

    Raises:
        BrokenFile: If the file is no such list.
    """
    expected = 'names of samples with missing skeletons, one a line, such as S001C002P005R002A008'
    names: List[str] = []
    for row, line in enumerate(read_lines(path, expected), 1):
        name = line.strip()
        name = name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name
        if parse_name(name) is not None:
            names.append(name)
        elif name and names:
            raise BrokenFile(f'{path}, line {row} is {shorten(line)}; expected {expected}')
    if not names:
        raise BrokenFile(f'{path} holds no name of a sample; expected {expected}')
    return names


def find_missing(dataset: str) -> Path:
    """The list of samples with missing skeletons that the installed MMAction2 brings.

    Args:
        dataset (str): 'ntu60' or 'ntu120'.

    Raises:
        ValueError: If it brings none.
    """
    names = MISSING_LISTS[dataset]
    spec = find_spec('mmaction')
    for root in spec.submodule_search_locations if spec is not None else ():
        for folder in ('.mim/tools/data/skeleton', '../tools/data/skeleton'):
            for name in names:
                path = Path(root) / folder / name
                if path.is_file():
                    return path
    raise ValueError(
        f'the list of samples with missing skeletons, {names[0]}, is not in the installed '
        "MMAction2 (.mim/tools/data/skeleton); expected it, because the published splits don't "
        'hold these samples: name it with --missing FILE (it is in tools/data/skeleton of '
        "MMAction2's repository and in Matlab of shahroudy/NTURGB-D), or go without by "
        '--no-missing-list'
    )


def list_files(sources: Sequence[Union[str, Path]]) -> List[RawFile]:
    """All ``.skeleton`` files in folders and zip files, at any depth, in the order of their names.

    Other files, and hidden ones, are passed over.

    Raises:
        BrokenFile: If a zip file cannot be read, there is no such file in a source, or two have the
            same name.
        ValueError: If a source is something else.
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
                f'{path} is no folder and no zip file; expected a folder of .skeleton files, or '
                'nturgbd_skeletons_s001_to_s017.zip and ..._s018_to_s032.zip: correct the path'
            )
        if not found:
            raise BrokenFile(
                f'{path} holds no .skeleton file; expected those of NTU RGB+D in it: name the '
                'folder or zip file that does'
            )
        files += found
    files.sort()
    for one, other in zip(files, files[1:]):
        if one.name == other.name:
            raise BrokenFile(
                f'sample {one.name} is there twice, {one} and {other}; expected each once: name '
                'each source once, or remove one of the files'
            )
    return files


def list_folder(folder: Path) -> List[RawFile]:
    """As :func:`list_files`, of a folder."""
    files, source = [], str(folder.resolve())
    for path in folder.rglob('*'):
        if path.suffix.lower() == SUFFIX and not path.name.startswith('.') and path.is_file():
            stat = path.stat()
            member = str(path.relative_to(folder))
            files.append(RawFile(path.stem, source, member, stat.st_size, stat.st_mtime_ns))
    return files


def list_zip(path: Path) -> List[RawFile]:
    """As :func:`list_files`, of a zip file."""
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
    """Lines of a file.

    Args:
        file (RawFile): The file.
        archives (dict): Zip files that are open, by path; one that is not is put there.
        stack (ExitStack): Closes it.

    Raises:
        BrokenFile: If it cannot be read or unpacked, is no text, is empty, or is far larger than
            those of the data set.
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


def convert_group(
    group: str, files: Sequence[RawFile], folder: Union[str, Path], join: bool, skip_bad: bool
) -> Tuple[List[Dict], List[str]]:
    """Make the part of some files, unless it is there and none of them has changed since.

    Coordinates go to <group>.npy, all else to <group>.json, which is written last.

    Args:
        group (str): Name of the part.
        files (Sequence[RawFile]): Its files.
        folder (str): Where parts are.
        join (bool): Whether a body may go on under another id.
        skip_bad (bool): Whether to go on after a broken file. If not nothing is written.

    Returns:
        tuple: ``[dict(group=group)]``, for :func:`load_part`; and a sentence for each broken file.
    """
    key = dict(version=PART_VERSION, join=join, files=[list(file) for file in files])
    array, record = Path(folder) / f'{group}.npy', Path(folder) / f'{group}.json'
    if is_done(array, record, key):
        return [dict(group=group)], []
    record.unlink(missing_ok=True)
    keypoints, samples, notes, faults = [], [], [], []
    with ExitStack() as stack:
        archives: Dict[str, zipfile.ZipFile] = {}
        for file in files:
            try:
                lines = read_file(file, archives, stack)
                keypoint, found = clean_bodies(*read_bodies(lines, str(file)), join)
            except BrokenFile as error:
                faults.append(str(error))
                if not skip_bad:
                    return [], faults
                continue
            keypoints.append(keypoint.reshape(-1, JOINTS, COORDINATES))
            samples.append([file.name, *keypoint.shape[:2]])
            notes += [(kind, f'{file.name}, {sentence}') for kind, sentence in found]
    rows = np.concatenate(keypoints) if keypoints else np.zeros((0, JOINTS, COORDINATES), 'f4')
    content = dict(key, rows=len(rows), samples=samples, notes=notes, faults=faults)
    for path in (array, record):
        temporary = path.with_name(f'{path.name}.{os.getpid()}')
        with temporary.open('wb') as stream:
            if path == array:
                np.save(stream, rows, allow_pickle=False)
            else:
                stream.write(json.dumps(content).encode())
        os.replace(temporary, path)
    return [dict(group=group)], faults


def is_done(array: Path, record: Path, key: Dict) -> bool:
    """Whether a part is there, whole, without broken files, and made of the same files."""
    try:
        content = json.loads(record.read_bytes())
        same = all(content[name] == value for name, value in key.items())
        if not same or content['faults']:
            return False
        if content['rows'] == 0:
            return True
        rows = np.load(array, mmap_mode='r', allow_pickle=False)  # refuses a file that is cut
        return rows.shape == (content['rows'], JOINTS, COORDINATES) and rows.dtype == np.float32
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return False


def load_part(folder: Union[str, Path], group: str) -> Tuple[List[Dict], List[Note]]:
    """Annotations of a part, their coordinates mapped from its file, and notes on it."""
    content = json.loads((Path(folder) / f'{group}.json').read_bytes())
    if content['rows'] == 0:
        return [], []
    # a plain array in the eyes of pickle
    rows = np.asarray(np.load(Path(folder) / f'{group}.npy', mmap_mode='r', allow_pickle=False))
    annotations, begin = [], 0
    for name, bodies, frames in content['samples']:
        end = begin + bodies * frames
        sample = parse_name(name)
        annotations.append(
            dict(
                frame_dir=name,
                label=sample.action - 1,
                total_frames=frames,
                keypoint=rows[begin:end].reshape(bodies, frames, JOINTS, COORDINATES),
                setup=sample.setup,
                camera=sample.camera,
                subject=sample.subject,
            )
        )
        begin = end
    return annotations, [tuple(note) for note in content['notes']]


def remove_parts(folder: Union[str, Path]) -> None:
    """Remove the files that :func:`convert_group` wrote, and their folder if nothing else is in."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if PART.fullmatch(path.name):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def convert_files(
    sources: Sequence[Union[str, Path]],
    dataset: str,
    missing: Sequence[str],
    folder: Union[str, Path],
    label_names: Optional[Sequence[str]] = None,
    join: bool = False,
    skip_bad: bool = False,
    workers: Optional[int] = None,
) -> Tuple[Dict, List[str], List[Note], List[str]]:
    """Annotations of NTU RGB+D 60 or 120.

    The files of each setup and camera make a part, which is written to a folder as soon as it is
    done: a later call with the same folder reads only what is not in it or has changed since.

    Args:
        sources (Sequence[str]): Folders and zip files of ``.skeleton`` files.
        dataset (str): 'ntu60' or 'ntu120'; files of the other setups and actions are passed over.
        missing (Sequence[str]): Names of the samples with missing skeletons, which are left out.
        folder (str): Where parts are kept. The coordinates are mapped from there, so that they
            need no memory; :func:`remove_parts` removes them when they are no longer needed.
        label_names (Sequence[str], optional): Names of the classes. Defaults to None: none.
        join (bool): Whether a body may go on under another id. Defaults to False.
        skip_bad (bool): Whether to leave out broken files. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one a core.

    Returns:
        tuple: The content of an annotation pickle, with splits xsub_*, and xview_* (60) or xset_*
        (120), sorted by name; a sentence for each broken file; kind and sentence for all else that
        was left out; and sentences on what looks doubtful.

    Raises:
        BrokenFile: If a source or a file is broken and not to be skipped, or a split is left
            without a sample.
        ValueError: If an argument is wrong.
    """
    if dataset not in CLASSES:
        raise ValueError(f'dataset={dataset!r} is not known; expected one of {tuple(CLASSES)}')
    if label_names is not None and len(label_names) != CLASSES[dataset]:
        raise ValueError(
            f'{len(label_names)} label_names; expected {CLASSES[dataset]}, as many as {dataset} has'
        )
    odd = [name for name in missing if parse_name(name) is None]
    if odd:
        raise ValueError(f'missing names {odd[0]!r}; expected samples such as S001C002P005R002A008')
    files, faults, others = choose_files(list_files(sources), dataset)
    if faults and not skip_bad:
        raise BrokenFile(f'{faults[0]} (--skip-bad leaves out what is broken)')
    doubts = []
    if len(files) != FILES[dataset]:
        doubts.append(f'{len(files):,} files of {dataset} were found, of {FILES[dataset]:,}')
    if others:
        doubts.append(f'{others:,} files are not of {dataset} and were passed over')
    listed = {name for name in missing if is_in(dataset, parse_name(name))}
    if listed and len(listed) != MISSING[dataset]:
        doubts.append(
            f'{len(listed)} samples of {dataset} are listed as having missing skeletons, of '
            f'{MISSING[dataset]}: is the list that of the other data set?'
        )
    reason = 'listed as having missing skeletons'
    notes = [('listed sample', f'{file.name}, {reason}') for file in files if file.name in listed]
    groups: Dict[str, List[RawFile]] = {}
    for file in files:
        if file.name not in listed:
            groups.setdefault(file.name[:8], []).append(file)
    Path(folder).mkdir(parents=True, exist_ok=True)
    jobs = [(group, members, folder, join, skip_bad) for group, members in groups.items()]
    made, found = convert_all(convert_group, jobs, skip_bad, workers, unit='part', chunk=1)
    faults += found
    annotations = []
    for part in made:
        loaded, remarks = load_part(folder, part['group'])
        annotations += loaded
        notes += remarks
    belongs: Dict[str, Set[str]] = {split: set() for split in PUBLISHED[dataset]}
    for annotation in annotations:
        for split in split_of(dataset, parse_name(annotation['frame_dir'])):
            belongs[split].add(annotation['frame_dir'])
    splits = fill_splits(annotations, belongs, str, faults)
    content = dict(split=splits, annotations=annotations)
    if label_names is not None:
        content['label_names'] = list(label_names)
    return content, faults, notes, doubts


def choose_files(files: Sequence[RawFile], dataset: str) -> Tuple[List[RawFile], List[str], int]:
    """Files of a data set, sentences on those of a wrong name, and the number of all others."""
    chosen, faults, others = [], [], 0
    for file in files:
        sample = parse_name(file.name)
        if sample is None:
            faults.append(
                f'{file} has a name that is none of NTU RGB+D; expected such as '
                'S001C002P003R002A013.skeleton (setup to 032, camera to 003, performer to 106, '
                'replication to 002, action to 120): rename or remove the file'
            )
        elif is_in(dataset, sample):
            chosen.append(file)
        else:
            others += 1
    return chosen, faults, others


def compare_counts(splits: Dict[str, Sequence[str]], dataset: str) -> Tuple[List[str], bool]:
    """Sizes of the splits beside the published ones, in words, and whether all are the same."""
    lines, same = [], True
    for split, expected in PUBLISHED[dataset].items():
        number = len(splits[split])
        verdict = 'the same' if number == expected else f'differs by {number - expected:+,}'
        lines.append(f'{split}: {number:,} samples, published {expected:,}: {verdict}')
        same &= number == expected
    return lines, same
