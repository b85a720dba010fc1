"""The actions in untrimmed recordings: where they start and end, from annotations or a CSV file.

A segment is (start, end, label): frames from 0, the end excluded, and a class from 0. An annotation
holds its recording's as a list under ``segments``; a CSV file has the columns file, start, end and
label, one line for each segment, with times as in the lists of ``prepare_poses.py``.
"""

import itertools
import warnings
from pathlib import Path
from typing import Any, List, Mapping, NoReturn, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.model import BaseModel

from deeprank_plugin.converters.generic.sequence_list import read_records
from deeprank_plugin.engine.identity import compare_classes, permit
from deeprank_plugin.evaluation.functional import Segment

from .sequences import require_names

COLUMNS = ('file', 'start', 'end', 'label')


def read_truths(
    sequences: Sequence[Mapping],
    source: Union[str, Path],
    names: Sequence[str],
    table: Optional[Union[str, Path]] = None,
    rates: Optional[Sequence[float]] = None,
) -> List[Segment]:
    """The segments of recordings, checked.

    Args:
        sequences (Sequence[dict]): Recordings from :func:`read_sequences`, with keypoint of shape
            (M, T, V, C) and names that differ.
        source (str): Where they are from, for messages.
        names (Sequence[str]): Names of the model's classes.
        table (str, optional): CSV file with the segments; ``file`` is a recording's name, with or
            without the ending of its file, ``label`` a class or its name. Defaults to None: the
            ``segments`` of the recordings.
        rates (Sequence[float], optional): Frames per second of each recording; start and end of
            the CSV file are seconds. Defaults to None: they are the numbers of the first and the
            last frame.

    Warns of segments of one class that overlap.

    Raises:
        ValueError: If the CSV file cannot be read, two recordings have the same name, a segment is
            invalid or of no recording, or there is none.
    """
    require_names(sequences, source)
    lengths = {str(s['frame_dir']): s['keypoint'].shape[1] for s in sequences}
    rate_of = dict(zip(lengths, rates or ()))
    rows: List[Tuple[str, str, Any, Any, Any]] = []  # place in the file, recording, segment
    if table is not None:
        rows = read_table(Path(table))
    else:
        for sequence in sequences:
            name = str(sequence['frame_dir'])
            rows += [(f'{source}, recording {name!r}', name, *s) for s in listed(sequence, source)]
    truths = []
    for where, name, start, end, label in rows:
        video = name if name in lengths else str(Path(name).with_suffix(''))
        if video not in lengths:
            raise ValueError(
                f'{where} names {name!r}, and {source} has no such recording; expected one of '
                f'{sorted(lengths)[:3]}: correct the name or remove the line'
            )
        if table is not None:
            start, end = to_frames(start, end, None if rates is None else rate_of[video], where)
        if not all(isinstance(n, (int, np.integer)) for n in (start, end)) or not (
            0 <= start < end <= lengths[video]
        ):
            raise ValueError(
                f'{where} has a segment from {start!r} to {end!r}; expected frames with '
                f'0 <= start < end <= {lengths[video]}, the length of {video!r}'
            )
        truths.append(Segment(video, int(start), int(end), find_label(label, names, where)))
    twice = [
        (one, other)
        for one, other in itertools.combinations(truths, 2)
        if (one.video, one.label) == (other.video, other.label)
        and max(one.start, other.start) < min(one.end, other.end)
    ]
    if twice:
        warnings.warn(
            f'{len(twice)} pairs of segments of one class overlap, such as {twice[0][0][1:3]} and '
            f'{twice[0][1][1:3]} of {twice[0][0].video!r}: each counts as an action of its own',
            stacklevel=2,
        )
    if not truths:
        raise ValueError(f'{table or source} has no segment; expected at least one')
    return truths


def check_classes(model: BaseModel, sequences: Sequence[Mapping]) -> None:
    """Compare the class names of recordings whose segments are numbered with a classifier's.

    Args:
        model (BaseModel): The classifier.
        sequences (Sequence[dict]): Recordings with ``segments``, as :func:`read_truths` takes them,
            and ``label_names`` where their files name the classes.

    Raises:
        ValueError: If they differ, unless ``StrictLoadHook`` in the model's config allows it.
    """
    settings = (model.cfg.get('default_hooks') or {}).get('strict_load') or {}
    if 'classes' in settings.get('allow_other', ()):
        return
    own = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    for sequence in sequences:
        names, segments = sequence.get('label_names'), sequence.get('segments')
        numbered = segments is not None and any(is_number(label) for _, _, label in segments)
        if names is None or not numbered:
            continue
        difference = compare_classes(own, list(map(str, names)))
        if difference is not None:
            raise ValueError(
                f'the segments of {sequence["frame_dir"]!r} number their classes differently from '
                f'the model: {difference}. Number label_names and the segments as the checkpoint '
                'does, or write the names of the classes in the segments instead of their numbers. '
                f'{permit("classes")}'
            )


def is_number(label: Any) -> bool:
    """Whether a label is a number rather than a name."""
    return not isinstance(label, str) or label.isdecimal()


def listed(sequence: Mapping, source: Union[str, Path]) -> List[Sequence]:
    """The ``segments`` of a recording."""
    name, segments = sequence['frame_dir'], sequence.get('segments')
    if not isinstance(segments, (list, tuple)) or not all(
        isinstance(segment, (list, tuple)) and len(segment) == 3 for segment in segments
    ):
        found = 'no segments' if segments is None else f'segments {segments!r:.60}'
        raise ValueError(
            f'recording {name!r} of {source} has {found}; expected a list of (start, end, label): '
            'write one, or give a CSV file of file,start,end,label with --truth'
        )
    return list(segments)


def read_table(path: Path) -> List[Tuple[str, str, Any, Any, Any]]:
    """The lines of a CSV file: place, recording, start, end, label."""
    rows = []
    for line, record in read_records(path, COLUMNS)[1]:
        where = f'{path}, line {line}'
        name, start, end, label = fields = [record[column] for column in COLUMNS]
        if not all(fields):
            raise ValueError(f'{where} has {fields}; expected {COLUMNS}: fill in what is missing')
        rows.append((where, name, start, end, label))
    return rows


def to_frames(start: str, end: str, fps: Optional[float], where: str) -> Tuple[int, int]:
    """Times of the CSV file as frames, the end excluded.

    Raises:
        ValueError: If they are no numbers of frames, or of seconds if there is a frame rate.
    """
    try:
        if fps is None:
            return int(start), int(end) + 1
        return round(float(start) * fps), round(float(end) * fps)
    except (ValueError, OverflowError):
        unit = 'numbers of frames' if fps is None else 'seconds (of frames with --in-frames)'
        raise ValueError(f'{where} has the times {start!r} to {end!r}; expected {unit}') from None


def find_label(label: Any, names: Sequence[str], where: str) -> int:
    """A class, given by its number or its name."""
    if isinstance(label, str):
        if label in names and not (label.isdecimal() and int(label) < len(names)):
            return list(names).index(label)
        label = int(label) if label.isdecimal() else label
    if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
        reject_label(label, names, where)
    if not 0 <= label < len(names):
        reject_label(label, names, where)
    return int(label)


def reject_label(label: Any, names: Sequence[str], where: str) -> NoReturn:
    """Raise ``ValueError`` for a label that is no class of the model."""
    raise ValueError(
        f'{where} has label {label!r}; expected 0 to {len(names) - 1} or the name of a class of '
        f'the model, such as {names[0]!r}'
    )
