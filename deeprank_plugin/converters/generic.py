"""Any folder of sequences, with a list that says what they are, to annotations.

The list is a CSV file with a header line. Column ``file`` names a ``.npy``, ``.npz`` or ``.csv``
file in the folder, ``label`` its class, as a whole number from 0 or as a name; ``subject`` and a
column of splits are optional. Each file becomes one sample, named as the file without its ending.

=========== =======================================================================================
file        content
=========== =======================================================================================
``.npy``    an array of (frames, joints, channels), (bodies, frames, joints, channels), or (frames,
            bodies x joints x channels); other orders of axes by their letters, such as 'CTVM'
``.npz``    such an array as ``keypoint``, or as the only one; 2D data may have ``keypoint_score``
            beside it, the same without the channels
``.csv``    a line a frame: x, y, z of the first joint, then of the second, ...; a header is allowed
=========== =======================================================================================
"""

import csv
import math
from pathlib import Path, PurePosixPath
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.converters.layouts import Layout, kinect_v1_to_ntu
from deeprank_plugin.converters.statistics import BODY_SIZE, describe_sizes
from deeprank_plugin.converters.text import NUMBER, WHOLE, read_lines, read_table, shorten
from deeprank_plugin.datasets.annotations import AnnotationFault, check_keypoint, check_score

ENDINGS = ('.npy', '.npz', '.csv')
AXES = {3: 'TVC', 4: 'MTVC'}
MEASURED = 200  # sequences whose bodies are measured for a doubtful unit


class Row(NamedTuple):
    """A line of the list: its number in the file, and what its columns hold."""

    line: int
    file: str
    label: str
    subject: Optional[str]
    split: Optional[str]

    @property
    def name(self) -> str:
        """The sample's name."""
        return str(PurePosixPath(self.file).with_suffix(''))


class Reading(NamedTuple):
    """How the files are to be read.

    Attributes:
        layout (Layout): Joints that they have.
        channels (int): Channels of ``.csv`` files and of arrays of two axes.
        axes (str, optional): Letters of an array's axes: M bodies, T frames, V joints, C channels;
            M may be left out. None: 'TVC' or 'MTVC'.
        scale (float): Factor that makes metres of the coordinates (not of scores).
    """

    layout: Layout
    channels: int = 3
    axes: Optional[str] = None
    scale: float = 1.0

    def check(self) -> None:
        """Raise ``ValueError`` if a part is wrong."""
        if self.channels not in (2, 3):
            raise ValueError(f'channels={self.channels!r}; expected 2 or 3')
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f'scale={self.scale!r}; expected a positive number, 0.001 for mm')
        if self.axes is not None and (
            len(set(self.axes)) != len(self.axes) or set(self.axes) | {'M'} != set('MTVC')
        ):
            raise ValueError(
                f'axes={self.axes!r}; expected the letters T, V, C and perhaps M, each once, such '
                "as 'CTVM'"
            )


def read_list(
    path: Union[str, Path], split_column: Optional[str] = None, need_subject: bool = False
) -> Tuple[List[Row], List[str]]:
    """Lines of a list of sequences.

    Args:
        path (str): The CSV file, UTF-8, separated by commas, with a header line.
        split_column (str, optional): Column that names the split. Defaults to None: not read.
        need_subject (bool): Whether every line must have a ``subject``. Defaults to False.

    Returns:
        tuple: The lines, and the names of the columns that are of no use here.

    Raises:
        BrokenFile: If the list is no such file, a field is missing, or a sample occurs twice.
    """
    expected = 'a CSV list with the columns file and label'
    lines = read_lines(path, expected)
    try:
        records = [(i, fields) for i, fields in number_records(lines) if fields]
    except csv.Error as error:
        raise BrokenFile(f'{path} is no CSV file ({error}); expected {expected}') from None
    header = [field.strip() for field in records[0][1]] if records else []
    needed = ['file', 'label', *(['subject'] if need_subject else [])]
    needed += [] if split_column is None else [split_column]
    missing = [column for column in needed if column not in header]
    if missing or len(set(header)) != len(header):
        fault = f'lacks the column {missing[0]!r}' if missing else 'names a column twice'
        raise BrokenFile(
            f'{path}, line 1 {fault}: {shorten(lines[0], 80)}; expected a header with {needed}, '
            'each once, separated by commas'
        )
    rows, names = [], {}
    for line, fields in records[1:]:
        if len(fields) != len(header):
            raise BrokenFile(
                f'{path}, line {line} has {len(fields)} fields; expected {len(header)}, as the '
                'header has them: quote fields with commas in them'
            )
        record = {column: field.strip() for column, field in zip(header, fields)}
        empty = [column for column in needed if not record[column]]
        if empty:
            raise BrokenFile(
                f'{path}, line {line} has no {empty[0]}; expected one in every line: fill it in, '
                'or remove the line'
            )
        place = PurePosixPath(record['file'])
        if place.is_absolute() or '..' in place.parts or not place.name:
            raise BrokenFile(
                f'{path}, line {line} names {shorten(record["file"])}; expected a file inside the '
                "folder, by its path from there, without '..'"
            )
        split = None if split_column is None else record[split_column]
        row = Row(line, record['file'], record['label'], record.get('subject') or None, split)
        if row.name in names:
            raise BrokenFile(
                f'{path}, lines {names[row.name]} and {line} both make sample {row.name!r}; '
                'expected one: remove a line, or rename a file'
            )
        names[row.name] = line
        rows.append(row)
    if not rows:
        raise BrokenFile(f'{path} has no line but the header; expected a line a sequence')
    used = {'file', 'label', 'subject', split_column}
    return rows, [column for column in header if column not in used]


def number_records(lines: Sequence[str]) -> List[Tuple[int, List[str]]]:
    """Records of a CSV file, each with the number of the line that it ends on."""
    reader = csv.reader(line + '\n' for line in lines)
    return [(reader.line_num, fields) for fields in reader]


def number_labels(rows: Sequence[Row], path: Union[str, Path]) -> Tuple[List[int], Optional[List]]:
    """Classes from 0 of the lines.

    Whole numbers are kept as they are. Names are sorted, the first is class 0.

    Args:
        rows (Sequence[Row]): The lines.
        path (str): The list, for messages.

    Returns:
        tuple: A class for each line, and the names by class (None if the labels are numbers).

    Raises:
        BrokenFile: If numbers and names are mixed, or a number is below 0 or not whole.
    """
    numbers = [row for row in rows if NUMBER.fullmatch(row.label.lstrip('-'))]
    if not numbers:
        names = sorted({row.label for row in rows})
        classes = {name: label for label, name in enumerate(names)}
        return [classes[row.label] for row in rows], names
    if len(numbers) < len(rows):
        lines = {row.line for row in numbers}
        name = next(row for row in rows if row.line not in lines)
        raise BrokenFile(
            f'{path} has both numbers ({numbers[0].label} in line {numbers[0].line}) and names '
            f'({name.label!r} in line {name.line}) as labels; expected one kind'
        )
    for row in rows:
        if not WHOLE.fullmatch(row.label) or int(row.label) < 0:
            raise BrokenFile(
                f'{path}, line {row.line} has label {row.label}; expected a whole number from 0, '
                'or a name'
            )
    return [int(row.label) for row in rows], None


def doubt_labels(labels: Sequence[int]) -> Optional[str]:
    """A sentence if classes below the largest have no sample; None if all have."""
    absent = sorted(set(range(max(labels) + 1)) - set(labels))
    if not absent:
        return None
    shown = ', '.join(map(str, absent[:5])) + (', ...' if absent[5:] else '')
    hint = ' (labels count from 0 here, not from 1)' if absent[0] == 0 else ''
    return f'{len(absent)} classes below {max(labels)} have no sample: {shown}{hint}'


def split_rows(
    rows: Sequence[Row], path: Union[str, Path], train_subjects: Optional[Sequence[str]] = None
) -> Dict[str, List[Row]]:
    """Lines by split.

    Args:
        rows (Sequence[Row]): The lines.
        path (str): The list, for messages.
        train_subjects (Sequence[str], optional): Subjects of 'xsub_train'; the others make
            'xsub_val'. Defaults to None: by the lines' ``split``.

    Raises:
        BrokenFile: If a subject is not in the list, or none is left for 'xsub_val'.
    """
    if train_subjects is None:
        splits: Dict[str, List[Row]] = {}
        for row in rows:
            splits.setdefault(row.split, []).append(row)
        return splits
    known = {row.subject for row in rows}
    unknown = [subject for subject in train_subjects if subject not in known]
    if unknown:
        raise BrokenFile(
            f'train subject {unknown[0]!r} is not in {path}; expected some of {sorted(known)}, as '
            'they are written there'
        )
    if known == set(train_subjects):
        raise BrokenFile(
            f'all subjects of {path} are train subjects; expected at least one other for xsub_val'
        )
    chosen = set(train_subjects)
    return dict(
        xsub_train=[row for row in rows if row.subject in chosen],
        xsub_val=[row for row in rows if row.subject not in chosen],
    )


def read_arrays(path: Path) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Coordinates and, if there, scores of a ``.npy`` or ``.npz`` file, as they are stored.

    Raises:
        BrokenFile: If it is no whole file of its kind, or holds something else.
    """
    try:
        if path.suffix.lower() == '.npy':  # mapped: a header that lies about the size asks for none
            return np.array(np.load(path, mmap_mode='r', allow_pickle=False)), None
        with np.load(path, allow_pickle=False) as members:
            names = set(members.files) - {'keypoint_score'}
            if 'keypoint' not in names and len(names) != 1:
                raise BrokenFile(
                    f'{path} holds the arrays {sorted(members.files)}; expected keypoint, or one '
                    'array only'
                )
            keypoint = members['keypoint' if 'keypoint' in names else names.pop()]
            return keypoint, members['keypoint_score'] if 'keypoint_score' in members else None
    except BrokenFile:
        raise
    except OSError as error:
        cause = error.strerror or error
        raise BrokenFile(f'{path} cannot be read ({cause}); expected a whole file') from None
    except Exception as error:  # damaged bytes make NumPy and zipfile raise nearly anything
        cause = str(error).replace('\n', ' ') or type(error).__name__
        raise BrokenFile(
            f'{path} cannot be read ({shorten(cause, 120)}); expected numbers as numpy.save or '
            'numpy.savez write them: make the file again'
        ) from None


def read_frames(path: Path) -> np.ndarray:
    """Numbers of a ``.csv`` file, a line a frame; a first line without any number is a header.

    Raises:
        BrokenFile: If it is no such file.
    """
    lines = read_lines(path, 'a line of numbers a frame, separated by commas')
    header = not any(is_number(field) for field in lines[0].split(','))
    if len(lines) == header:
        raise BrokenFile(f'{path} holds a header only; expected a line a frame below it')
    return read_table(lines[header:], path, delimiter=',', first=1 + header)


def is_number(text: str) -> bool:
    """Whether Python can read a number (NaN and infinity too)."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def arrange(array: np.ndarray, reading: Reading, path: Path) -> np.ndarray:
    """Coordinates as (M, T, V, C).

    Raises:
        BrokenFile: If the shape does not fit.
    """
    joints = reading.layout.num_node
    if array.ndim == 2 and reading.axes is None:
        width = joints * reading.channels
        if array.shape[1] == 0 or array.shape[1] % width:
            raise BrokenFile(
                f'{path} has {array.shape[1]} numbers a frame; expected {width} a body, '
                f'{joints} joints of layout {reading.layout.name!r} with {reading.channels} '
                'channels: set --layout or --channels'
            )
        shape = (len(array), -1, joints, reading.channels)
        return array.reshape(shape).transpose(1, 0, 2, 3)
    axes = AXES.get(array.ndim) if reading.axes is None else reading.axes
    if axes is None or len(axes) != array.ndim:
        wanted = 'two to four axes' if axes is None else f'the axes {axes}'
        raise BrokenFile(
            f'{path} has an array of shape {array.shape}; expected {wanted}: set --axes, or '
            'reshape the array'
        )
    if 'M' not in axes:
        array, axes = array[None], 'M' + axes
    array = array.transpose([axes.index(letter) for letter in 'MTVC'])
    if array.shape[2] != joints or array.shape[3] not in (2, 3):
        raise BrokenFile(
            f'{path} has {array.shape[2]} joints of {array.shape[3]} channels, read as bodies, '
            f'frames, joints, channels = {array.shape}; expected {joints} joints (layout '
            f'{reading.layout.name!r}) of 2 or 3 channels: set --axes or --layout'
        )
    return array


def read_sequence(path: Union[str, Path], reading: Reading) -> Dict[str, np.ndarray]:
    """One sequence, checked as ``SkeletonDataset`` checks it.

    Args:
        path (str): A ``.npy``, ``.npz`` or ``.csv`` file.
        reading (Reading): How to read it.

    Returns:
        dict: ``keypoint``, float32 of shape (M, T, V, C), with NTU's 25 joints if the layout is
        'kinect-v1'; of 2D data perhaps ``keypoint_score``, float32 of shape (M, T, V).

    Raises:
        BrokenFile: If the file cannot be used.
    """
    path, score, layout = Path(path), None, reading.layout
    if path.suffix.lower() not in ENDINGS:
        raise BrokenFile(f'{path} ends in {path.suffix!r}; expected one of {ENDINGS}')
    if not path.is_file():
        raise BrokenFile(f'{path} does not exist; expected it, since the list names it')
    if path.suffix.lower() == '.csv':
        array = read_frames(path)
    else:
        array, score = read_arrays(path)
    if array.dtype.kind not in 'fiu':
        raise BrokenFile(f'{path} holds an array of type {array.dtype}; expected numbers')
    keypoint = arrange(array, reading, path).astype(np.float64)
    if score is not None and not layout.planar:
        raise BrokenFile(
            f'{path} has keypoint_score; layout {layout.name!r} expects none: remove it'
        )
    keypoint[..., : 2 if layout.planar else 3] *= reading.scale
    if layout.name == 'kinect-v1':
        if keypoint.shape[-1] != 3:
            raise BrokenFile(f"{path} is 2D; layout 'kinect-v1' expects x, y and z")
        keypoint = kinect_v1_to_ntu(keypoint)
    with np.errstate(over='ignore'):
        sample = dict(keypoint=np.ascontiguousarray(keypoint, dtype=np.float32))
    try:
        check_keypoint(sample['keypoint'], str(path), name_for_check(layout), score is not None)
        if score is not None:
            sample['keypoint_score'] = arrange_score(score, reading, path)
            check_score(sample['keypoint_score'], sample['keypoint'].shape[:3], str(path))
    except AnnotationFault as fault:
        raise BrokenFile(str(fault)) from None
    return sample


def arrange_score(score: np.ndarray, reading: Reading, path: Path) -> np.ndarray:
    """Scores as float32 of shape (M, T, V).

    Raises:
        BrokenFile: If they are no numbers with the axes of the coordinates but the channels.
    """
    axes = (reading.axes or ('MTVC' if score.ndim == 3 else 'TVC')).replace('C', '')
    if score.dtype.kind not in 'fiu' or score.ndim != len(axes):
        raise BrokenFile(
            f'{path} has keypoint_score of shape {score.shape} and type {score.dtype}; expected '
            f'numbers with the axes {axes}'
        )
    if 'M' not in axes:
        score, axes = score[None], 'M' + axes
    return np.ascontiguousarray(
        score.transpose([axes.index(letter) for letter in 'MTV']), dtype=np.float32
    )


def name_for_check(layout: Layout) -> Union[str, Dict]:
    """The layout of the samples made, as ``SkeletonDataset`` takes it."""
    if layout.name == 'kinect-v1':
        return 'nturgb+d'
    return layout.name if layout.known else dict(num_joints=layout.num_node, pairs=layout.pairs)


def convert_row(
    row: Row, label: int, folder: Union[str, Path], reading: Reading
) -> Tuple[List[Dict], List[str]]:
    """The sample of a line, or a sentence that says why there is none.

    Args:
        row (Row): The line.
        label (int): Its class, from 0.
        folder (str): Folder of the files.
        reading (Reading): How to read them.

    Returns:
        tuple: One annotation in MMAction2's format and no sentence, or none and one.
    """
    try:
        sample = read_sequence(Path(folder) / row.file, reading)
    except BrokenFile as error:
        return [], [str(error)]
    subject = {} if row.subject is None else dict(subject=row.subject)
    frames = sample['keypoint'].shape[1]
    return [dict(frame_dir=row.name, label=label, total_frames=frames, **subject, **sample)], []


def convert_folder(
    folder: Union[str, Path],
    path: Union[str, Path],
    reading: Reading,
    train_subjects: Optional[Sequence[str]] = None,
    split_column: Optional[str] = None,
    skip_bad: bool = False,
    workers: Optional[int] = None,
) -> Tuple[Dict, List[str], List[str]]:
    """Annotations of a folder of sequences.

    Args:
        folder (str): Folder of the files.
        path (str): The list.
        reading (Reading): How to read the files.
        train_subjects (Sequence[str], optional): Subjects of 'xsub_train'; the others make
            'xsub_val'.
        split_column (str, optional): Instead, a column of the list that names each line's split.
        skip_bad (bool): Whether to leave out broken files. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one a core.

    Returns:
        tuple: The content of an annotation pickle, with ``label_names`` (by class) if the labels
        are names; a sentence for each file left out; and sentences on what looks doubtful.

    Raises:
        BrokenFile: If the list is wrong, a file is broken and not to be skipped, or no sample is
            left in a split.
        ValueError: If an argument is wrong.
    """
    reading.check()
    if (train_subjects is None) == (split_column is None):
        raise ValueError('expected either train_subjects or split_column')
    if not Path(folder).is_dir():
        raise BrokenFile(f'folder {folder} does not exist; expected the files there')
    rows, unused = read_list(path, split_column, train_subjects is not None)
    labels, label_names = number_labels(rows, path)
    splits = split_rows(rows, path, train_subjects)
    jobs = [(row, label, folder, reading) for row, label in zip(rows, labels)]
    annotations, faults = convert_all(convert_row, jobs, skip_bad, workers)
    belongs = {split: {row.name for row in members} for split, members in splits.items()}
    content = dict(split=fill_splits(annotations, belongs, str, faults), annotations=annotations)
    if label_names is not None:
        content['label_names'] = label_names
    listed = {Path(folder, row.file) for row in rows} | {Path(path)}
    found = [file for file in Path(folder).rglob('*') if file.suffix.lower() in ENDINGS]
    spare = len([file for file in found if file not in listed])
    doubts = [
        doubt_labels([annotation['label'] for annotation in annotations]),
        doubt_unit(annotations, reading.layout),
        f'{spare} sequences of {folder} are not in {path}' if spare else None,
        f'columns of no use here: {", ".join(unused)}' if unused else None,
    ]
    channels = {annotation['keypoint'].shape[-1] for annotation in annotations}
    if len(channels) > 1:
        raise BrokenFile(
            f'{folder} has sequences of 2 and of 3 channels; expected one kind: make the list of '
            'one kind'
        )
    return content, faults, [doubt for doubt in doubts if doubt is not None]


def doubt_unit(annotations: Sequence[Dict], layout: Layout) -> Optional[str]:
    """A sentence if the bodies of 3D data do not look as if they were in metres; else None."""
    if layout.planar or annotations[0]['keypoint'].shape[-1] != 3:
        return None
    step = max(1, len(annotations) // MEASURED)
    sizes = describe_sizes(annotations[::step])
    if sizes['unit'] == 'metres':
        return None
    return (
        f'a body measures {sizes["size"]["median"]:.4g} (median of the longest side), which looks '
        f'like {sizes["unit"]}; expected {BODY_SIZE[0]} to {BODY_SIZE[1]} metres: --scale 0.001 '
        'makes metres of millimetres'
    )
