"""PKU-MMD, parts I and II: raw skeleton, label and split files to annotations.

A video is a text file of skeletons (one line per frame, 150 numbers: two bodies of 25 joints of x,
y, z in metres; an absent body is all zeros) and a text file of labels (one line per action
instance: action number, first frame, last frame, confidence; frames count from 1, and the last one
is included). A split list is a text file whose line 2 names the training videos and line 4 the test
videos, separated by commas. Each instance becomes one sample, or each video one recording with its
instances as ``segments`` (see :mod:`deeprank_plugin.apis.segments`).

Source of the format: the data set's own description (Liu et al., arXiv:1703.07475, and the README
shipped with the files).
"""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.converters.text import WHOLE, read_lines, read_table, shorten
from deeprank_plugin.datasets.class_names import CLASS_NAMES

BODIES, JOINTS, COORDINATES = 2, 25, 3
ACTIONS = CLASS_NAMES['pkummd1']  # 1 to 51, as in the data set's list of actions
# Part II uses the numbers of part I without these ten: eight between two persons, two with a
# pocket. Any other number in a label file is an error, so that a wrong set cannot go unnoticed.
NOT_IN_PART_2 = (12, 14, 16, 18, 21, 24, 26, 27, 29, 38)
NUM_CLASSES = {1: 51, 2: 41}
PUBLISHED = {1: 21545, 2: 7000}  # instances; for part II the authors say 'about'
NAMES = {1: re.compile(r'\d{4}-[LMR]'), 2: re.compile(r'A\d\dN\d\d-[LMR]')}
FPS = 30.0  # of Kinect v2
PROTOCOLS = ('xsub', 'xview')


class Instance(NamedTuple):
    """An action in a video.

    Attributes:
        number (int): Number of the instance within the video, from 1.
        label (int): Its class, from 0.
        start (int): First frame, from 1.
        end (int): Last frame, included.
    """

    number: int
    label: int
    start: int
    end: int


def class_numbers(part: int, classes: Optional[int] = None) -> Dict[int, int]:
    """Map action numbers in the files to labels from 0.

    Args:
        part (int): 1 or 2.
        classes (int, optional): 51 keeps all numbers for part II too (label = number - 1), as some
            other code does. Defaults to None: 51 for part I, 41 for part II.

    Raises:
        ValueError: If an argument has another value.
    """
    if part not in NUM_CLASSES:
        raise ValueError(f'part={part!r} is unknown; expected 1 or 2')
    classes = NUM_CLASSES[part] if classes is None else classes
    if classes not in (NUM_CLASSES[part], len(ACTIONS)):
        raise ValueError(
            f'classes={classes!r} is unknown for part {part}; expected 51, or 41 for part 2'
        )
    left_out = NOT_IN_PART_2 if classes == NUM_CLASSES[2] else ()
    numbers = [number for number in range(1, len(ACTIONS) + 1) if number not in left_out]
    return {number: label for label, number in enumerate(numbers)}


def read_skeletons(path: Union[str, Path]) -> np.ndarray:
    """Read the coordinates of a video.

    Args:
        path (str): Its skeleton file.

    Returns:
        np.ndarray: Float32 of shape (2, T, 25, 3), metres, an absent body exactly zero.

    Raises:
        BrokenFile: If the file does not match the module's docstring.
    """
    columns = BODIES * JOINTS * COORDINATES
    lines = read_lines(path, f'{columns} numbers per line, one line per frame')
    table = read_table(lines, path, columns)
    frames = table.reshape(len(table), BODIES, JOINTS, COORDINATES)
    return np.ascontiguousarray(frames.transpose(1, 0, 2, 3))


def read_instances(
    path: Union[str, Path], num_frames: int, labels: Dict[int, int]
) -> Tuple[List[Instance], List[str]]:
    """Read the action instances of a video, and report each faulty one in a sentence.

    Args:
        path (str): Its label file.
        num_frames (int): Frames of the video.
        labels (dict): Action number to label, see :func:`class_numbers`.

    Returns:
        tuple: The valid instances, and the faults of the others.

    Raises:
        BrokenFile: If the file cannot be read at all, or is empty.
    """
    lines = read_lines(path, 'lines of action,start,end,confidence')
    instances, faults, number = [], [], 0
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number += 1
        fault = find_fault(line, num_frames, labels)
        if fault is None:
            action, start, end, _ = (int(field.strip()) for field in line.split(','))
            instances.append(Instance(number, labels[action], start, end))
        else:
            faults.append(f'{path}, line {row} {fault}: correct or remove the line')
    return instances, faults


def find_fault(line: str, num_frames: int, labels: Dict[int, int]) -> Optional[str]:
    """The fault of a line in a label file, with what is expected; None if it is valid."""
    fields = [field.strip() for field in line.split(',')]
    if len(fields) != 4 or not all(WHOLE.fullmatch(field) for field in fields):
        return f'is {shorten(line)}; expected four integers, action,start,end,confidence'
    action, start, end, _ = map(int, fields)
    if action not in labels:
        if 1 <= action <= len(ACTIONS):
            return (
                f'has action {action} ({ACTIONS[action - 1]}), which is not among the '
                f'{len(labels)} of part II; expected one of those, or --classes 51'
            )
        return f'has action {action}; expected 1 to {len(ACTIONS)}'
    if not 1 <= start <= end:
        return f'has frames {start} to {end}; expected 1 <= start <= end'
    if end > num_frames:
        return (
            f'has frames {start} to {end}, beyond the end of the video; expected at most frame '
            f'{num_frames}, the number of lines of the skeleton file'
        )
    return None


def read_split(path: Union[str, Path]) -> Tuple[List[str], List[str]]:
    """Read the training and test videos of a split list, in its order.

    Raises:
        BrokenFile: If the file is not a split list, or a video occurs twice.
    """
    expected = 'a split list of PKU-MMD: line 2 the training videos, line 4 the test videos'
    lines = read_lines(path, expected)
    if len(lines) != 4:
        raise BrokenFile(f'{path} has {len(lines)} lines; expected {expected}, and no others')
    parts = []
    for row in (2, 4):
        names = [name.strip() for name in lines[row - 1].split(',')]
        names = [name for name in names if name]  # the lists end in a comma
        odd = [name for name in names if not re.fullmatch(r'[\w-]+', name, re.ASCII)]
        if odd or not names:
            found = shorten(odd[0]) if odd else 'no video'
            raise BrokenFile(
                f'{path}, line {row} names {found}; expected names such as 0002-L, separated by '
                f'commas ({expected})'
            )
        parts.append(names)
    seen = set()
    for name in parts[0] + parts[1]:
        if name in seen:
            raise BrokenFile(
                f'{path} names video {name} twice; expected it once, for training or test: '
                'remove one of them'
            )
        seen.add(name)
    return parts[0], parts[1]


def suspect_split(protocol: str, train: Sequence[str], test: Sequence[str]) -> Optional[str]:
    """A warning if a list looks like that of the other protocol, else None.

    A recording has one name and three views (L, M, R). X-Sub keeps the views of a recording
    together, X-View puts each view in one part only. Names without a view say nothing.
    """
    parts = [[name.rpartition('-') for name in names if '-' in name] for names in (train, test)]
    stem, view = ({part[i] for part in parts[0]} for i in (0, 2))
    other_stem, other_view = ({part[i] for part in parts[1]} for i in (0, 2))
    both = sorted(stem & other_stem if protocol == 'xsub' else view & other_view)
    if not both:
        return None
    kind = 'recordings' if protocol == 'xsub' else 'views'
    return (
        f'{protocol}: {len(both)} {kind} ({", ".join(both[:3])}{", ..." if both[3:] else ""}) are '
        'in both train and val: is this the list of the other protocol?'
    )


def convert_video(
    name: str,
    skeletons: Union[str, Path],
    labels: Union[str, Path],
    numbers: Dict[int, int],
    untrimmed: bool = False,
) -> Tuple[List[Dict], List[str]]:
    """Convert a video to samples, or to one recording.

    Args:
        name (str): Name of the video, such as '0002-L'.
        skeletons (str): Folder of skeleton files.
        labels (str): Folder of label files.
        numbers (dict): Action number to label.
        untrimmed (bool): Whether to keep the video whole. Defaults to False.

    Returns:
        tuple: Annotations in MMAction2's format, named <video>_<instance, three digits, from 1>,
        keypoint of shape (2, T, 25, 3), with bodies that are absent throughout last; and a sentence
        for each instance, or the video, left out because it is broken. If ``untrimmed``, a single
        annotation named as the video, with ``segments``, a list of (start, end, label), frames from
        0 and the last one excluded, in place of ``label``.
    """
    try:
        keypoint = read_skeletons(Path(skeletons) / f'{name}.txt')
        path = Path(labels) / f'{name}.txt'
        instances, faults = read_instances(path, keypoint.shape[1], numbers)
    except BrokenFile as error:
        return [], [str(error)]
    annotations, segments = [], []
    for instance in instances:
        cut = keypoint[:, instance.start - 1 : instance.end]
        absent = ~cut.any(axis=(1, 2, 3))
        if absent.all():
            faults.append(
                f'{path}, instance {instance.number}: both bodies are absent from frame '
                f'{instance.start} to {instance.end}; expected one: remove the instance'
            )
            continue
        segments.append((instance.start - 1, instance.end, instance.label))
        annotations.append(
            dict(
                frame_dir=f'{name}_{instance.number:03d}',
                label=instance.label,
                total_frames=cut.shape[1],
                keypoint=cut[np.argsort(absent, kind='stable')],
            )
        )
    if untrimmed and segments:
        absent = ~keypoint.any(axis=(1, 2, 3))
        whole = dict(
            frame_dir=name,
            segments=sorted(segments),
            total_frames=keypoint.shape[1],
            fps=FPS,
            keypoint=keypoint[np.argsort(absent, kind='stable')],
        )
        return [whole], faults
    return annotations, faults


def check_names(videos: Sequence[str], part: int) -> None:
    """Raise if the videos are named like those of the other part.

    Raises:
        BrokenFile: If they are.
    """
    other = 3 - part
    odd = [name for name in videos if NAMES[other].fullmatch(name)]
    if odd:
        raise BrokenFile(
            f'video {odd[0]} ({len(odd)} such) is named like those of part {other}; expected names '
            f'of part {part}: give the part and split lists that belong together'
        )


def convert_videos(
    skeletons: Union[str, Path],
    labels: Union[str, Path],
    split_files: Dict[str, Union[str, Path]],
    part: int,
    classes: Optional[int] = None,
    skip_bad: bool = False,
    workers: Optional[int] = None,
    untrimmed: bool = False,
) -> Tuple[Dict, List[str], List[str]]:
    """Convert a part of PKU-MMD to annotations.

    Args:
        skeletons (str): Folder of skeleton files, <video>.txt.
        labels (str): Folder of label files, <video>.txt.
        split_files (dict): 'xsub', 'xview' or both, to the split list.
        part (int): 1 or 2.
        classes (int, optional): See :func:`class_numbers`.
        skip_bad (bool): Whether to leave out broken files and instances. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one per core.
        untrimmed (bool): Whether to keep videos whole, see :func:`convert_video`. Defaults to
            False.

    Returns:
        tuple: The content of an annotation pickle, with splits <protocol>_train, <protocol>_val and
        ``label_names`` (by class); a sentence for each video or instance left out; and warnings.

    Raises:
        BrokenFile: If a split list is invalid, a file or instance is broken and not to be skipped,
            or a split has no sample left.
        ValueError: If an argument is invalid.
    """
    numbers = class_numbers(part, classes)
    unknown = sorted(set(split_files) - set(PROTOCOLS))
    if unknown or not split_files:
        raise ValueError(f'split_files={split_files!r}; expected lists of {PROTOCOLS}')
    for folder in (skeletons, labels):
        if not any(Path(folder).glob('*.txt')):
            raise BrokenFile(
                f'folder {folder} holds no .txt file; expected <video>.txt in it: name the '
                'innermost folder of the unpacked archive'
            )
    belongs, doubts = {}, []
    for protocol, path in split_files.items():
        train, test = read_split(path)
        check_names([*train, *test], part)
        doubts.append(suspect_split(protocol, train, test))
        belongs.update({f'{protocol}_train': set(train), f'{protocol}_val': set(test)})
    videos = sorted(set().union(*belongs.values()))
    there = {path.stem for path in Path(skeletons).glob('*.txt')}
    spare = sorted(there - set(videos))
    if spare:
        shown = ', '.join(spare[:3]) + (', ...' if spare[3:] else '')
        doubts.append(f'{len(spare)} videos of {skeletons} are in no split list: {shown}')
    jobs = [(video, skeletons, labels, numbers, untrimmed) for video in videos]
    annotations, faults = convert_all(convert_video, jobs, skip_bad, workers)
    video_of = str if untrimmed else lambda name: name.rpartition('_')[0]
    splits = fill_splits(annotations, belongs, video_of, faults)
    label_names = [ACTIONS[number - 1] for number in numbers]
    content = dict(split=splits, annotations=annotations, label_names=label_names)
    absent = sorted(set(range(len(numbers))) - set(instance_labels(annotations)))
    if absent:
        shown = ', '.join(map(str, absent[:5])) + (', ...' if absent[5:] else '')
        doubts.append(f'{len(absent)} of {len(numbers)} classes have no instance: {shown}')
    return content, faults, [doubt for doubt in doubts if doubt is not None]


def instance_labels(annotations: Sequence[Dict]) -> List[int]:
    """The label of every instance, of samples as of whole videos."""
    whole = [label for a in annotations for _, _, label in a.get('segments', ())]
    return whole or [a['label'] for a in annotations]


def compare_published(part: int, samples: int) -> str:
    """Compare a number of instances with the published one, in words."""
    expected = PUBLISHED[part]
    if part == 1:
        verdict = 'the same' if samples == expected else f'differs by {samples - expected:+,}'
        return f'{samples:,} instances, published {expected:,}: {verdict}'
    near = abs(samples - expected) <= 0.05 * expected
    verdict = 'agrees' if near else f'differs by {samples - expected:+,}'
    return f'{samples:,} instances, published about {expected:,}: {verdict}'
