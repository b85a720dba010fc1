"""Convert a folder of sequences and its list to annotations."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.converters.statistics import measure_sizes
from deeprank_plugin.layouts import BODY_SIZE, Layout

from .sequence_file import ENDINGS, Reading, read_sequence
from .sequence_list import Row, number_labels, read_list, split_rows, suspect_labels

MEASURED = 200  # number of sequences measured to check the unit
OUTSIDE = 0.05  # share of joints beyond the image
LARGEST_SHARE = 2  # of an image's side, at which a joint beyond it may be guessed
SMALLEST_IMAGE = 20  # pixels


def convert_folder(
    folder: Union[str, Path],
    path: Union[str, Path],
    reading: Reading,
    train_subjects: Optional[Sequence[str]] = None,
    split_column: Optional[str] = None,
    skip_bad: bool = False,
    workers: Optional[int] = None,
    classes: Optional[Sequence[str]] = None,
) -> Tuple[Dict, List[str], List[str]]:
    """Convert a folder of sequences to annotations.

    Args:
        folder (str): Folder of the files.
        path (str): The list.
        reading (Reading): How to read the files.
        train_subjects (Sequence[str], optional): Subjects of 'xsub_train'; the others make
            'xsub_val'.
        split_column (str, optional): Alternatively, the column of the list that names the split.
        skip_bad (bool): Whether to leave out broken files. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one per core.
        classes (Sequence[str], optional): Names by class, as of another file. Defaults to None: the
            sorted names of the list.

    Returns:
        tuple: The content of an annotation pickle, with ``label_names`` (by class) if the labels
        are names; a sentence for each file left out; and warnings.

    Raises:
        BrokenFile: If the list is invalid, a file is broken and not to be skipped, or a split has
            no sample left.
        ValueError: If an argument is invalid.
    """
    reading.validate()
    if (train_subjects is None) == (split_column is None):
        raise ValueError('expected either train_subjects or split_column')
    if not Path(folder).is_dir():
        raise BrokenFile(f'folder {folder} does not exist; expected a folder of sequence files')
    rows, unused = read_list(path, split_column, train_subjects is not None)
    labels, label_names = number_labels(rows, path, classes)
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
        suspect_labels([annotation['label'] for annotation in annotations]),
        suspect_unit(annotations, reading.layout),
        suspect_image(annotations, reading),
        f'{spare} sequences of {folder} are not in {path}' if spare else None,
        f'ignored columns: {", ".join(unused)}' if unused else None,
    ]
    channels = {annotation['keypoint'].shape[-1] for annotation in annotations}
    if len(channels) > 1:
        raise BrokenFile(
            f'{folder} has sequences of both 2 and 3 channels; expected one kind: split the list'
        )
    return content, faults, [doubt for doubt in doubts if doubt is not None]


def convert_row(
    row: Row, label: int, folder: Union[str, Path], reading: Reading
) -> Tuple[List[Dict], List[str]]:
    """Convert one line to a sample, or return a sentence on why that failed.

    Args:
        row (Row): The line.
        label (int): Its class, from 0.
        folder (str): Folder of the files.
        reading (Reading): How to read them.

    Returns:
        tuple: One annotation in MMAction2's format and no sentence, or no annotation and one
        sentence.
    """
    try:
        sample = read_sequence(Path(folder) / row.file, reading)
    except BrokenFile as error:
        return [], [str(error)]
    subject = {} if row.subject is None else dict(subject=row.subject)
    frames, image = sample['keypoint'].shape[1], {}
    if reading.img_shape is not None:
        image = dict(img_shape=reading.img_shape, original_shape=reading.img_shape)
    facts = dict(frame_dir=row.name, label=label, total_frames=frames, **subject, **image)
    return [dict(facts, **sample)], []


def suspect_unit(annotations: Sequence[Dict], layout: Layout) -> Optional[str]:
    """A warning if bodies of 3D data do not appear to be in metres, else None."""
    if layout.planar or annotations[0]['keypoint'].shape[-1] != 3:
        return None
    step = max(1, len(annotations) // MEASURED)
    sizes = measure_sizes(annotations[::step])
    if sizes['unit'] == 'metres':
        return None
    median = sizes['size']['median']
    remedy = '--scale 0.001 converts millimetres to metres'
    if BODY_SIZE[0] <= 1000 * median <= BODY_SIZE[1]:
        remedy = '--scale has to be 1000 times as large, 1 for files in metres'
    return (
        f'a body measures {median:.4g} (median of the longest side), which looks like '
        f'{sizes["unit"]}; expected {BODY_SIZE[0]} to {BODY_SIZE[1]} metres: {remedy}'
    )


def suspect_image(annotations: Sequence[Dict], reading: Reading) -> Optional[str]:
    """A warning if 2D poses do not come with the size of their image, or do not fit it.

    Such as shares of an image whose sides are given in pixels.
    """
    if not reading.is_planar(annotations[0]['keypoint']):
        return None
    if reading.img_shape is None:
        return (
            'the poses are 2D and the size of the images is not known: training will take their '
            'largest coordinates for it; --img-shape HEIGHT WIDTH writes it into the file'
        )
    height, width = reading.img_shape
    largest = max(float(np.abs(a['keypoint'][..., :2]).max()) for a in annotations)
    if largest <= LARGEST_SHARE and min(height, width) > SMALLEST_IMAGE:
        return (
            f'the largest coordinate of all poses is {largest:.3g} in images {width} wide and '
            f'{height} high; expected pixels, and these look like shares of the image: leave '
            '--img-shape out, or scale x by the width and y by the height'
        )
    size = np.array([width, height])
    outside = [
        annotation['frame_dir']
        for annotation in annotations
        if (annotation['keypoint'][..., :2] > size).any(axis=-1).mean() > OUTSIDE
    ]
    if not outside:
        return None
    return (
        f'{len(outside)} sequences, such as {outside[0]!r}, have more than {OUTSIDE:.0%} of their '
        f'joints beyond an image {width} wide and {height} high; expected --img-shape HEIGHT WIDTH '
        'in the unit of the coordinates'
    )
