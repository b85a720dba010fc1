"""What a config must know of an annotation file, looked up in the file."""

import os
import os.path as osp
import re
from typing import Dict, Mapping, Optional, Sequence, Tuple

from deeprank_plugin.datasets.annotations import open_annotations, split_annotations

from .failures import refuse

SMALL = 5000
"""Fewer training samples than this make a small data set: short clips and schedules."""


def find_facts(path: str, num_classes: Optional[int] = None) -> Dict[str, str]:
    """The variables of ``configs/_base_/data/custom.py`` for an annotation file.

    Args:
        path (str): Annotation pickle or ``.npz``.
        num_classes (int, optional): Defaults to None: the ``label_names`` of the file, else its
            highest label plus one.

    Raises:
        SystemExit: With one sentence, if the file cannot be read or does not say what to take.
    """
    if re.search(r'[\\\'"\n{}]', path):
        refuse(f'--data {path!r} holds a quote, a brace or a backslash: name the file otherwise.')
    try:
        content, sequences = open_annotations(path)
        train, val = find_splits(content, path)
        infos = {name: split_annotations(content, path, name) for name in (train, val)}
    except (ValueError, OSError) as error:
        refuse(str(error))
    both = infos[train] + infos[val]
    if not infos[train] or not infos[val]:
        refuse(f'{path}: split {train if infos[val] else val!r} is empty; expected samples.')
    persons = 1
    if sequences is None:
        persons = max(info['keypoint'].shape[0] for info in both)
    else:
        persons = int(sequences.bodies.max())
    classes = count_classes(content, both, path, num_classes)
    small = len(infos[train]) < SMALL
    facts = dict(
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
            f'({val}), {classes} classes, bodies: {persons}; clips of {facts["CLIP_LEN"]} frames, '
            f'{"short schedules (fewer than 5,000 samples)" if small else "long schedules"}'
        )
    return facts


def find_splits(content: object, path: str) -> Tuple[str, str]:
    """Names of the splits to train on and to test on.

    Raises:
        ValueError: If the file has none, or several pairs.
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
            'NAME_train and NAME_val (or train and val): make a file with one pair, or write a '
            'config in configs/_base_/data'
        )
    return pairs[0]


def count_classes(
    content: Mapping, infos: Sequence[Mapping], path: str, given: Optional[int]
) -> int:
    """Number of classes: as given, as named in the file, or counted."""
    labels = [info['label'] for info in infos if 'label' in info]
    if len(labels) < len(infos) or not all(hasattr(label, '__index__') for label in labels):
        refuse(f'{path} has samples without a label that is a whole number; expected one in each.')
    highest = max(int(label) for label in labels)
    number = given or len(content.get('label_names') or ()) or highest + 1
    if number <= highest:
        source = '--num-classes' if given else 'its label_names'
        refuse(f'{path} has label {highest}, and {source} make {number} classes.')
    return number
