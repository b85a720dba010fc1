"""Config variables derived from an annotation file."""

import os
import os.path as osp
import re
from typing import Dict, Mapping, Optional, Sequence, Tuple

from deeprank_plugin.datasets.annotations import open_annotations, split_annotations

from .failures import exit_with_error

SMALL = 5000
"""A data set with fewer training samples gets short clips and schedules."""


def derive_variables(path: str, num_classes: Optional[int] = None) -> Dict[str, str]:
    """Derive the variables of ``configs/_base_/data/custom.py`` from an annotation file.

    Args:
        path (str): Annotation pickle or ``.npz``.
        num_classes (int, optional): Defaults to None: the ``label_names`` of the file, else its
            highest label plus one.

    Raises:
        SystemExit: With one sentence, if the file, its splits or its labels cannot be used.
    """
    if re.search(r'[\\\'"\n{}]', path):
        exit_with_error(
            f'--data {path!r} contains a quote, a brace or a backslash: rename the file.'
        )
    try:
        content, sequences = open_annotations(path)
        train, val = find_splits(content, path)
        infos = {name: split_annotations(content, path, name) for name in (train, val)}
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    both = infos[train] + infos[val]
    if not infos[train] or not infos[val]:
        exit_with_error(
            f'{path}: split {train if infos[val] else val!r} is empty; expected samples.'
        )
    persons = 1
    if sequences is None:
        persons = max(info['keypoint'].shape[0] for info in both)
    else:
        persons = int(sequences.bodies.max())
    classes = count_classes(content, both, path, num_classes)
    small = len(infos[train]) < SMALL
    variables = dict(
        DATA='custom',
        DATA_NAME=re.sub(r'[^\w.-]+', '-', osp.splitext(osp.basename(path))[0]),
        ANN_FILE=path,
        TRAIN_SPLIT=train,
        VAL_SPLIT=val,
        NUM_CLASSES=str(classes),
        NUM_PERSON=str(persons),
        CLIP_LEN='48' if small else '120',
        SMALL=str(small),
    )
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0':
        print(
            f'{path}: {len(infos[train])} training samples ({train}), {len(infos[val])} to test '
            f'({val}), {classes} classes, bodies: {persons}; clips of {variables["CLIP_LEN"]} '
            f'frames, {"short schedules (fewer than 5,000 samples)" if small else "long schedules"}'
        )
    return variables


def find_splits(content: object, path: str) -> Tuple[str, str]:
    """Names of the training and test splits.

    Raises:
        ValueError: If the file has no such pair, or several.
    """
    split = content.get('split') if isinstance(content, dict) else None
    names = list(map(str, split)) if isinstance(split, dict) else []
    pairs = [
        (name, name[: -len('train')] + 'val')
        for name in names
        if re.fullmatch(r'(.*_)?train', name) and name[: -len('train')] + 'val' in names
    ]
    if ('xsub_train', 'xsub_val') in pairs:
        return 'xsub_train', 'xsub_val'
    if len(pairs) != 1:
        found = ', '.join(names) or 'no split'
        raise ValueError(
            f'annotation file {path} has {found}; expected xsub_train and xsub_val, or one pair '
            'NAME_train and NAME_val (or train and val): write a file with one pair, or add a '
            'config in configs/_base_/data'
        )
    return pairs[0]


def count_classes(
    content: Mapping, infos: Sequence[Mapping], path: str, given: Optional[int]
) -> int:
    """Number of classes: as given, as named in the file, or counted from the labels."""
    labels = [info['label'] for info in infos if 'label' in info]
    if len(labels) < len(infos) or not all(hasattr(label, '__index__') for label in labels):
        exit_with_error(f'{path} has samples without an integer label; expected one for each.')
    highest = max(int(label) for label in labels)
    number = given or len(content.get('label_names') or ()) or highest + 1
    if number <= highest:
        source = '--num-classes gives' if given else 'its label_names give'
        exit_with_error(f'{path} has label {highest}, but {source} only {number} classes.')
    return number
