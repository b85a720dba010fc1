"""Convert a folder of pose recordings, with or without a list, to annotations."""

from collections import Counter
from pathlib import Path
from typing import Counter as CounterType
from typing import Dict, List, Optional, Sequence, Tuple, Union

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.converters.generic.convert import (
    MEASURED,
    suspect_image,
    suspect_unit,
)
from deeprank_plugin.converters.generic.sequence_file import Reading
from deeprank_plugin.converters.generic.sequence_list import (
    UNKNOWN,
    Row,
    number_labels,
    read_list,
    split_rows,
    suspect_labels,
)
from deeprank_plugin.datasets.reading import TURNS, suspect_axes
from deeprank_plugin.datasets.subsets import draw_holdout
from deeprank_plugin.layouts import Layout

from .formats import find_recordings
from .samples import Converted, Settings, convert_recording

ALL = 'all'
"""The only split of a file that is not split to train on."""

ODD = dict(
    missing='frames are missing from the numbering; nobody is in them',
    empty='frames show nobody',
    broken='joints are NaN, infinite or beyond 1e9; they count as absent',
    step='recordings keep only every k-th frame; --fps is taken as the rate of all frames',
    unnumbered='recordings have images whose names tell no frame number; they are numbered in the '
    'order of their names, and missing frames are not noticed',
    body='recordings have more joints than those of the body; the 17 of COCO are kept',
    ids='recordings have track ids that are missing or occur twice in a frame; persons are linked '
    'by distance',
    swaps='times two track ids seem to swap persons; --link distance ignores the ids',
    beyond='parts of the list reach far beyond their recording, and are cut: see the unit of start '
    'and end',
    persons='persons beyond --max-persons are left out; those seen longest are kept',
    blank='pieces of --cut show nobody; they are left out',
)
"""What is counted and warned of, by kind."""


def convert_recordings(
    source: Union[str, Path],
    settings: Settings,
    path: Optional[Union[str, Path]] = None,
    train_subjects: Optional[Sequence[str]] = None,
    split_column: Optional[str] = None,
    val_share: Optional[float] = None,
    skip_bad: bool = False,
    workers: Optional[int] = None,
    classes: Optional[Sequence[str]] = None,
) -> Tuple[Dict, Layout, List[str], List[str]]:
    """Convert a recording, or a folder of them, to annotations.

    Args:
        source (str): File or folder; see :func:`~.formats.find_recordings`.
        settings (Settings): How to read and change the recordings.
        path (str, optional): List of recordings or parts; see ``generic.sequence_list``. Defaults
            to None: all recordings, without labels.
        train_subjects (Sequence[str], optional): Subjects of 'xsub_train'; the others make
            'xsub_val'.
        split_column (str, optional): Column of the list that names the split.
        val_share (float, optional): Share of the recordings, drawn by seed 0, that makes 'val'; the
            others make 'train'. With none of the three, the only split is 'all'.
        skip_bad (bool): Whether to leave out broken recordings and parts. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one per core.
        classes (Sequence[str], optional): Names by class, as of another file. Defaults to None: the
            sorted names of the list.

    Returns:
        tuple: The content of an annotation pickle; the layout of its joints; a sentence for each
        recording or part left out; and warnings. Where there are no labels, samples have the class
        'unknown' if they are split to train on, else none.

    Raises:
        BrokenFile: If the list is invalid, a recording is broken and not to be skipped, recordings
            have different joints, or a split has no sample left.
        ValueError: If an argument is invalid.
    """
    settings.validate()
    if path is None and (train_subjects or split_column or classes):
        raise ValueError(
            'subjects, splits or classes are named, and no list; expected one of the recordings '
            'and their labels: --labels LIST'
        )
    rows, files, remarks = find_rows(Path(source), path, split_column, train_subjects is not None)
    unlabelled = all(row.label == UNKNOWN for row in rows)
    labels, label_names = number_labels(rows, path or source, None if unlabelled else classes)
    splits = divide(rows, path or source, train_subjects, split_column, val_share)
    keep_label = not unlabelled or ALL not in splits
    parts: Dict[str, List[Tuple[Row, Optional[int]]]] = {}
    for row, label in zip(rows, labels):
        parts.setdefault(row.file, []).append((row, label if keep_label else None))
    jobs = [(files[file], parts[file], settings) for file in parts]
    converted, faults = convert_all(convert_recording, jobs, skip_bad, workers, 'recording')
    annotations = [annotation for made in converted for annotation in made.annotations]
    row_of = {annotation['frame_dir']: annotation.pop('row') for annotation in annotations}
    belongs = {split: {row.name for row in members} for split, members in splits.items()}
    split = fill_splits(annotations, belongs, row_of.__getitem__, faults)
    content = dict(split=split, annotations=annotations)
    if label_names is not None and keep_label:
        content['label_names'] = label_names
    layout = same_layout(converted)
    doubts = [suspect_labels([a['label'] for a in annotations])] if keep_label else []
    doubts += [*find_doubts(annotations, layout, settings.up), suspect_overlap(rows), *remarks]
    said = [*describe_odd(converted), *(doubt for doubt in doubts if doubt is not None)]
    return content, layout, faults, said


def find_doubts(annotations: List[Dict], layout: Layout, up: Optional[str]) -> List[Optional[str]]:
    """Sentences on units, axes and image sizes that look wrong; None for each that does not."""
    return [
        suspect_unit(annotations, layout),
        suspect_up(annotations, layout, up),
        suspect_shapes(annotations, layout),
    ]


def find_rows(
    source: Path,
    path: Optional[Union[str, Path]],
    split_column: Optional[str],
    need_subject: bool,
) -> Tuple[List[Row], Dict[str, Path], List[str]]:
    """The rows of the list, or one for each recording where there is none.

    Args:
        source (Path): Recording, or folder of recordings.
        path (str, optional): The list.
        split_column (str, optional): Its column that names the split.
        need_subject (bool): Whether every line needs a subject.

    Returns:
        tuple: The rows, the recording by the ``file`` of a row, and warnings.

    Raises:
        BrokenFile: If the list is invalid, there is no recording, or two have one name.
    """
    found = find_recordings(source)
    if path is None:
        rows = [Row(0, name, UNKNOWN, None, None) for name in found]
        twice = [name for name, number in Counter(row.name for row in rows).items() if number > 1]
        if twice:
            raise BrokenFile(
                f'{source} has {twice[0]!r} more than once, without endings; expected different '
                'names: rename one, or list the recordings with --labels'
            )
        return rows, found, []
    rows, unused = read_list(path, split_column, need_subject, parts=True)
    whole = source in found.values()  # a single recording
    folder = source.parent if whole else source
    files = {row.file: folder / row.file for row in rows}
    spare = {file.resolve() for file in found.values()} - {f.resolve() for f in files.values()}
    remarks = [f'{len(spare)} recordings of {source} are not in {path}'] if spare else []
    return rows, files, remarks + ([f'ignored columns: {", ".join(unused)}'] if unused else [])


def divide(
    rows: Sequence[Row],
    path: Union[str, Path],
    train_subjects: Optional[Sequence[str]],
    split_column: Optional[str],
    val_share: Optional[float],
) -> Dict[str, List[Row]]:
    """Group the rows by split; parts of a recording stay together where they are drawn.

    Raises:
        ValueError: If more than one way is given, or no recording would remain to train on.
    """
    ways = dict(train_subjects=train_subjects, split_column=split_column, val_share=val_share)
    given = [name for name, value in ways.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f'{" and ".join(given)} are given; expected one way to split')
    if val_share is not None:
        if not 0 < val_share < 1:
            raise ValueError(f'val_share={val_share}; expected a share between 0 and 1')
        drawn = draw_holdout(sorted({row.file for row in rows}), val_share, seed=0)
        return dict(
            train=[row for row in rows if row.file not in drawn],
            val=[row for row in rows if row.file in drawn],
        )
    return split_rows(rows, path, train_subjects) if given else {ALL: list(rows)}


def same_layout(converted: Sequence[Converted]) -> Layout:
    """The layout of all recordings.

    Raises:
        BrokenFile: If there are several.
    """
    first = converted[0]
    for made in converted:
        if made.layout != first.layout:
            raise BrokenFile(
                f'{first.name} has the joints of {first.layout.name!r} and {made.name} those of '
                f'{made.layout.name!r}; expected one layout: convert them apart, or with '
                '--to-layout'
            )
    return first.layout


def describe_odd(converted: Sequence[Converted]) -> List[str]:
    """A sentence for each kind of :data:`ODD` that occurred, with the first recording."""
    total: CounterType[str] = Counter()
    for made in converted:
        total.update(made.counts)
    sentences = []
    for kind, text in ODD.items():
        if total[kind]:
            names = [made.name for made in converted if made.counts[kind]]
            where = names[0] if len(names) == 1 else f'{len(names)} recordings, such as {names[0]}'
            sentences.append(f'{total[kind]:,} {text} ({where})')
    return sentences


def suspect_up(
    annotations: Sequence[Dict], layout: Layout, up: Optional[str] = None
) -> Optional[str]:
    """A warning if bodies do not stand along y, with the option that mends it, else None."""
    if annotations[0]['keypoint'].shape[-1] != 3:
        return None
    part = annotations[:: max(1, len(annotations) // MEASURED)]
    doubt = suspect_axes([a['keypoint'] for a in part], layout, 'the samples')
    if doubt is None:
        return None
    found = 'by default' if up is None else f'with --up={up}'
    return f'{doubt.partition(";")[0]} {found}, expected y: correct --up ({", ".join(TURNS)})'


def suspect_overlap(rows: Sequence[Row]) -> Optional[str]:
    """A warning if lines of the list take the same frames of a recording, else None."""
    ordered = sorted(rows, key=lambda row: (row.file, row.start or 0))
    pairs = []
    for row, after in zip(ordered, ordered[1:]):
        whole = row.end is None or after.end is None
        if row.file == after.file and (whole or (after.start or 0) < (row.end or 0)):
            pairs.append(sorted((row.line, after.line)))
    if not pairs:
        return None
    first, second = pairs[0]
    return (
        f'{len(pairs)} pairs of lines, such as {first} and {second} of the list, take parts of a '
        'recording that overlap: the frames in both count twice'
    )


def suspect_shapes(annotations: Sequence[Dict], layout: Layout) -> Optional[str]:
    """A warning if the size of the images is not known, or poses do not fit it, else None."""
    shapes = {annotation.get('img_shape') for annotation in annotations}
    if len(shapes) > 1 and None not in shapes:
        return None
    shape = shapes.pop() if len(shapes) == 1 else None
    return suspect_image(annotations, Reading(layout, img_shape=shape))
