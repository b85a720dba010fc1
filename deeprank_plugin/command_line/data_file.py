"""Config variables derived from an annotation file, and hashes of the files of a config."""

import hashlib
import os
import os.path as osp
import re
from typing import Dict, Iterator, Mapping, Optional, Sequence, Tuple

import numpy as np
from mmengine.config import Config

from deeprank_plugin.datasets.annotations import (
    AnnotationFault,
    check_annotations,
    check_array,
    check_keys,
    check_label,
    open_annotations,
    sample_name,
    split_annotations,
)
from deeprank_plugin.datasets.class_names import check_label_names
from deeprank_plugin.datasets.several_files import require_different, split_or_all
from deeprank_plugin.datasets.subsets import pair_splits
from deeprank_plugin.engine.loaders import leaf_configs
from deeprank_plugin.layouts import LAYOUTS, Layout, find_layout, recognise_layouts

from .failures import exit_with_error

SMALL = 5000
"""A data set with fewer training samples gets short clips and schedules."""
LOOKED_AT = 32
"""Samples of each split whose numbers tell the layout."""


def derive_variables(
    path: str, num_classes: Optional[int] = None, layout: Optional[str] = None
) -> Dict[str, str]:
    """Derive the variables of ``configs/_base_/data/custom.py`` from an annotation file.

    Args:
        path (str): Annotation pickle or ``.npz``.
        num_classes (int, optional): Defaults to None: the ``label_names`` of the file, else its
            highest label plus one.
        layout (str, optional): Name or JSON file of its layout. Defaults to None: the environment
            variable ``LAYOUT``, else the layout that its joints and coordinates fit.

    Raises:
        SystemExit: With one sentence, if the file, its splits, labels or joints cannot be used.
    """
    variables, counts = look_up_file(path, num_classes, layout)
    if is_first_process():
        print(f'{path}: {counts}, {describe_use(variables)}')
    return variables


def look_up_file(
    path: str, num_classes: Optional[int], layout: Optional[str]
) -> Tuple[Dict[str, str], str]:
    """Variables as of :func:`derive_variables`, and a text of the numbers of samples and classes.

    Raises:
        SystemExit: As :func:`derive_variables` does.
    """
    if re.search(r'[\\\'"\n{}]', path):
        exit_with_error(
            f'--data {path!r} contains a quote, a brace or a backslash: rename the file.'
        )
    try:
        content, sequences = open_annotations(path)
        train, val = find_splits(content, path)
        infos = {name: split_annotations(content, path, name) for name in (train, val)}
        both = infos[train] + infos[val]
        classes = count_classes(content, both, path, num_classes)
        check_structure(both, path)
        facts = describe_joints(infos, path, layout or os.environ.get('LAYOUT') or None)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    if sequences is None:
        persons = max(info['keypoint'].shape[0] for info in both)
    else:
        persons = int(sequences.bodies.max())
    small = len(infos[train]) < SMALL
    variables = dict(
        DATA='custom',
        DATA_NAME=name_data(path),
        ANN_FILE=path,
        MORE_FILES='none',
        TRAIN_SPLIT=train,
        VAL_SPLIT=val,
        NUM_CLASSES=str(classes),
        NUM_PERSON=str(persons),
        CLIP_LEN='48' if small else '120',
        SMALL=str(small),
        **facts,
    )
    counts = (
        f'{len(infos[train])} training samples ({train}), {len(infos[val])} to test ({val}), '
        f'{classes} classes'
    )
    return variables, counts


def describe_use(variables: Mapping[str, str]) -> str:
    """What the config makes of the samples: bodies, layout, length of clips, schedule."""
    short = variables['SMALL'] == 'True'
    return (
        f'bodies: {variables["NUM_PERSON"]}, layout {variables["LAYOUT"]}; '
        f'clips of {variables["CLIP_LEN"]} frames, '
        f'{"short schedules (fewer than 5,000 samples)" if short else "long schedules"}'
    )


def derive_from_several(
    paths: Sequence[str], num_classes: Optional[int] = None, layout: Optional[str] = None
) -> Dict[str, str]:
    """Like :func:`derive_variables`, for pretraining on several files of one layout.

    Splits, classes and layout are those of the first. The others need no splits; of those that have
    the training split only this is counted.

    Raises:
        SystemExit: With one sentence, if a file cannot be used, or has other joints than the first.
    """
    try:
        require_different(paths)
    except ValueError as error:
        exit_with_error(str(error))
    variables, counts = look_up_file(paths[0], num_classes, layout)
    split, sizes, persons = variables['TRAIN_SPLIT'], [], [int(variables['NUM_PERSON'])]
    for path in paths:
        if ':' in path:
            exit_with_error(f'--data {path!r} contains a colon: rename the file.')
        try:
            content, sequences = open_annotations(path)
            infos = split_or_all(content, path, split)
            check_structure(infos, path)
            facts = describe_joints({'': infos}, path, variables['LAYOUT'])
        except (ValueError, OSError) as error:
            exit_with_error(str(error))
        if facts['IN_CHANNELS'] != variables['IN_CHANNELS']:
            exit_with_error(
                f'{path} has {facts["IN_CHANNELS"]} channels per joint and {paths[0]} '
                f'{variables["IN_CHANNELS"]}; expected the same in all files.'
            )
        if 'IMG_SHAPE' in facts and path != paths[0]:
            exit_with_error(
                f'{path} holds 2D poses without the size of their images, which may differ from '
                f'that of {paths[0]}; expected img_shape=(height, width) in each annotation.'
            )
        sizes.append(len(infos))
        bodies = sequences.bodies if sequences else [i['keypoint'].shape[0] for i in infos]
        persons.append(int(max(bodies)))
    small = sum(sizes) < SMALL
    variables.update(
        DATA_NAME='+'.join(name_data(path) for path in paths),
        MORE_FILES=':'.join(paths[1:]),
        NUM_PERSON=str(max(persons)),
        CLIP_LEN='48' if small else '120',
        SMALL=str(small),
    )
    if is_first_process():
        print(f'{paths[0]}: {counts}')
        print(
            f'pretraining on {len(paths)} files: {" + ".join(map(str, sizes))} samples, '
            f'{describe_use(variables)}'
        )
    return variables


def name_data(path: str) -> str:
    """Name of a file in those of work dirs."""
    return re.sub(r'[^\w.-]+', '-', osp.splitext(osp.basename(path))[0])


def is_first_process() -> bool:
    """Whether this is the process of a launch that prints."""
    return os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'


def find_splits(content: object, path: str) -> Tuple[str, str]:
    """Names of the training and test splits.

    Raises:
        ValueError: If the file has no such pair, or several.
    """
    split = content.get('split') if isinstance(content, dict) else None
    names = list(map(str, split)) if isinstance(split, dict) else []
    pairs = pair_splits(names)
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
    """Number of classes: as given, as named in the file, or counted from the labels.

    Raises:
        ValueError: If ``label_names`` of the file cannot be used.
    """
    odd = [info for info in infos if not has_label(info)]
    if odd:
        name = odd[0].get('frame_dir', odd[0].get('filename'))
        exit_with_error(
            f'{len(odd)} of {len(infos)} samples of {path} have no integer label, such as {name!r} '
            f'({odd[0].get("label", "none")!r:.40}); expected one from 0 for each, and names of '
            'the classes in label_names.'
        )
    labels = [int(info['label']) for info in infos]
    names = check_label_names(content, labels, path)
    highest = max(labels)
    if given and given <= highest:
        exit_with_error(
            f'{path} has label {highest}, but --num-classes gives only {given} classes.'
        )
    return given or len(names or ()) or highest + 1


def has_label(info: Mapping) -> bool:
    """Whether a sample has an integer from 0 as label."""
    try:
        check_label(info.get('label'), '', None)
    except AnnotationFault:
        return False
    return True


def check_structure(infos: Sequence[Dict], path: str) -> None:
    """Check each sample for what is derived from it: label and coordinates, but not their values.

    Raises:
        ValueError: If a sample lacks a key, its label is no integer from 0, or its coordinates are
            not of shape (M, T, V, C).
    """
    for row, info in enumerate(infos):
        where = f'sample {sample_name(info, path, row)!r} of {path}'
        check_keys(info, where)
        check_array(info['keypoint'], where)
        check_label(info['label'], where, None)


def describe_joints(infos: Mapping[str, Sequence], path: str, layout: Optional[str]) -> Dict:
    """Variables for the joints: layout, channels and, for 2D without ``img_shape``, image size.

    Args:
        infos (Mapping): Samples of each split in use.
        path (str): The annotation file.
        layout (str, optional): Name or JSON file. None: looked up by the joints.

    Raises:
        FileNotFoundError: If the JSON file does not exist.
        ValueError: If the layout is unknown, the joints do not fit it, or they fit none.
    """
    parts = list(infos.values())
    first = parts[0][0]
    check_annotations([first], path)
    if layout is None:
        layout = guess_layout([info for part in parts for info in part[:LOOKED_AT]], path)
    skeleton = find_layout(layout)
    joints = first['keypoint'].shape[2]
    if joints != skeleton.num_joints:
        raise ValueError(
            f'annotation file {path} has {joints} joints and layout {layout} has '
            f'{skeleton.num_joints}; expected the same: give another --layout'
        )
    check_annotations(
        [part[0] for part in parts], path, layout=skeleton
    )  # the data sets check the others
    channels = first['keypoint'].shape[-1]
    plain = channels == 2 and 'keypoint_score' not in first
    facts = dict(LAYOUT=str(layout), IN_CHANNELS='2' if plain else '3')
    if skeleton.planar or plain:
        unknown = [info for part in parts for info in part if 'img_shape' not in info]
        if unknown:
            facts['IMG_SHAPE'] = measure_image(unknown, path)
    return facts


def guess_layout(infos: Sequence[Mapping], path: str) -> str:
    """Name of the layout that the joints and the numbers of samples fit.

    Where they fit several, the first is taken, and the others are printed.

    Args:
        infos (Sequence[Mapping]): Samples, the first of them checked; the others are compared with
            it later, and those that differ are not looked at here.
        path (str): The annotation file.

    Raises:
        ValueError: If they fit no layout.
    """
    first = infos[0]['keypoint']
    joints, channels = first.shape[-2:]
    scored = 'keypoint_score' in infos[0]
    arrays = [info['keypoint'] for info in infos if isinstance(info.get('keypoint'), np.ndarray)]
    alike = [array for array in arrays if array.size and array.shape[2:] == first.shape[2:]]
    fit = recognise_layouts(alike, scored)
    if not fit:
        raise ValueError(
            f'annotation file {path} has {joints} joints of {channels} coordinates'
            f'{" and a score" if scored else ""}, which fit no known layout; expected '
            f'{", ".join(map(describe, LAYOUTS.values()))}: give its name with --layout NAME, or '
            'a description with --layout FILE.json, {"num_node": V, "edges": [[joint, joint], '
            '...], "center": joint}'
        )
    if len(fit) > 1 and is_first_process():
        print(
            f'{path}: {joints} joints of {channels} numbers fit '
            f'{" and ".join(map(describe, fit))}; taken as {fit[0].name}: '
            f'{", ".join(f"--layout {other.name}" for other in fit[1:])} if it is not'
        )
    return fit[0].name


def describe(layout: Layout) -> str:
    """Name, joints and coordinates of a layout."""
    return f'{layout.name} ({layout.num_joints}, {"2D and score" if layout.planar else "3D"})'


def measure_image(infos: Sequence[Mapping], path: str) -> str:
    """Height and width that the coordinates of 2D samples without ``img_shape`` lie in, 'HxW'.

    Raises:
        ValueError: If no coordinate is positive.
    """
    sizes = [np.max(info['keypoint'][..., :2], axis=(0, 1, 2), initial=0) for info in infos]
    width, height = np.max(sizes, axis=0).astype(float)
    if min(width, height) <= 0:
        raise ValueError(
            f'annotation file {path} has 2D samples without img_shape whose largest x and y are '
            f'{width:g} and {height:g}; expected positions in the image: add img_shape=(height, '
            'width) to each annotation'
        )
    return f'{height:g}x{width:g}'


def hash_data(cfg: Config) -> Dict[str, str]:
    """SHA-256 of the annotation files and label lists that a config's loaders read, by path.

    A file that does not exist is left to the data set, which says so.
    """
    loaders = [cfg.get(f'{name}_dataloader') for name in ('train', 'val', 'test')]
    leaves = [leaf for loader in loaders if loader for leaf in leaf_configs(loader.dataset)]
    paths = [leaf.get(key) for leaf in leaves for key in ('ann_file', 'labels')]
    files = {path for path in paths if isinstance(path, str) and osp.isfile(path)}
    return {path: hash_file(path) for path in sorted(files)}


def find_labelled_shares(cfg: Config) -> Dict[str, float]:
    """Shares of labels that a config draws by a seed, by the keys of their ``labels``.

    They are those of the training set or, where nothing is trained, of the bank of a k-NN.
    """

    def search(node: object, key: str) -> Iterator[Tuple[str, float]]:
        if isinstance(node, Mapping):
            if key.endswith('.labels') and 'share' in node:
                yield key, node['share']
            for name, value in node.items():
                yield from search(value, f'{key}.{name}')
        elif isinstance(node, (list, tuple)):
            for index, value in enumerate(node):
                yield from search(value, f'{key}.{index}')

    place = 'test_evaluator' if cfg.get('train_dataloader') is None else 'train_dataloader'
    return dict(search(cfg.get(place), place))


def hash_file(path: str) -> str:
    """SHA-256 of a file, read in parts."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()
