#!/usr/bin/env python
"""Nearest neighbours of a sequence, drawn as rows of skeletons; needs no labels.

Neighbours have the smallest cosine distance between features: those in an .npz file by
extract_features.py, or, with --checkpoint, those of the encoder of a pretraining config, computed
here. With --across, neighbours come from other splits than the query (.npz files only). Writes
nearest_neighbors.json and .png: the query in the first row, then its neighbours, each with its
class and whether it matches the query's, or without labels its name and distance.

Example:
    python tools/analysis/nearest_neighbors.py joint.npz data/uiprmd_ntu25.pkl --query m01_s01_e01
    python tools/analysis/nearest_neighbors.py work_dirs/<run>/<config>.py recordings/ \\
        --checkpoint work_dirs/<run> --query new/take_7.npy
"""

import argparse
import json
import textwrap
import warnings
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np
from feature_files import load_all, read_class_lines

from deeprank_plugin.apis import extract_features, init_model, read_sequences
from deeprank_plugin.apis.inputs import find_rules, model_layout
from deeprank_plugin.apis.sequences import SUFFIXES
from deeprank_plugin.command_line import (
    add_parameters,
    exit_with_error,
    find_checkpoint,
    load_config,
    parameters_of,
    print_warnings,
    require_writable,
)
from deeprank_plugin.command_line.data_file import guess_layout
from deeprank_plugin.datasets.reading import suspect_axes, suspect_unit
from deeprank_plugin.engine.identity import compare_classes
from deeprank_plugin.layouts import Layout, find_layout
from deeprank_plugin.visualization import draw_skeletons


class Gallery(NamedTuple):
    """N sequences to search, the query among them.

    Attributes:
        names: Names of the sequences.
        features: Of shape (N, D).
        labels: Their classes, None where unknown.
        keypoints: Coordinates of each, of shape (M, T, V, C).
        query: The query's row.
        allowed: Whether each may be a neighbour, of shape (N,).
        layout: Their joints.
        classes: Names of the classes, None where unknown.
    """

    names: List[str]
    features: np.ndarray
    labels: List[Optional[int]]
    keypoints: List[np.ndarray]
    query: int
    allowed: np.ndarray
    layout: Layout
    classes: Optional[Sequence[str]]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'features',
        metavar='[TITLE=]FILE|CONFIG',
        help='features of one encoder, or with --checkpoint the config of one',
    )
    parser.add_argument(
        'annotations',
        metavar='DATA',
        help='annotation file of the same data; with --checkpoint, a file or folder of sequences',
    )
    parser.add_argument('--checkpoint', help='of the encoder: a file, or a work dir for its latest')
    parser.add_argument(
        '--query',
        default='0',
        help='name or number of a sequence in DATA; with --checkpoint, also the path of a file '
        'with one sequence (%(default)s)',
    )
    parser.add_argument('--number', type=int, default=5, help='neighbours (%(default)s)')
    parser.add_argument('--stream', help='name or number of one of several (the first)')
    parser.add_argument('--across', action='store_true', help='neighbours of other splits only')
    parser.add_argument('--names', type=Path, help='text file with one class name per line')
    parser.add_argument(
        '--device', default='cpu', help='of the encoder, such as cuda:0 (%(default)s)'
    )
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/nearest_neighbors'))
    add_parameters(parser)
    args = parser.parse_args()
    if args.across and args.checkpoint is not None:
        parser.error('--across needs the splits in a file by extract_features.py')
    if args.checkpoint is None and args.features.endswith('.py'):
        parser.error(f'{args.features} is a config; expected --checkpoint with its weights, too')
    return args


def find_query(query: str, names: Sequence[str]) -> int:
    """Row of a sequence, by its name or number.

    Raises:
        ValueError: If there is none.
    """
    if query in names:
        return list(names).index(query)
    if query.isdecimal() and int(query) < len(names):
        return int(query)
    raise ValueError(
        f'--query {query!r}: expected a name, or a number below {len(names)}, or with --checkpoint '
        f'an existing file that ends in one of {SUFFIXES}.'
    )


def choose_stream(stream: Optional[str], streams: Sequence[str]) -> int:
    """The number of a stream.

    Args:
        stream (str, optional): Its name or number; None is the first.
        streams (Sequence[str]): Names of all.

    Raises:
        ValueError: If there is no such stream.
    """
    names = [*streams, *map(str, range(len(streams)))]
    if stream is not None and stream not in names:
        raise ValueError(f'--stream {stream!r}: expected one of {", ".join(names)}.')
    return 0 if stream is None else names.index(stream) % len(streams)


def from_file(args: argparse.Namespace) -> Gallery:
    """The gallery of a file of features and the annotations of the same data."""
    streams = load_all([args.features])
    sequences = {s['frame_dir']: s for s in read_sequences(args.annotations)}
    titles = [s.title.rpartition(' ')[2] for s in streams]
    encoder = streams[choose_stream(args.stream, titles)]
    names = encoder.names.tolist()
    absent = [name for name in names if name not in sequences]
    if absent:
        raise ValueError(
            f'{args.annotations} lacks {len(absent)} of the samples, such as {absent[0]!r}.'
        )
    query = find_query(args.query, names)
    allowed = np.arange(len(names)) != query
    if args.across:
        allowed &= encoder.splits != encoder.splits[query]
    labels = [int(label) if label >= 0 else None for label in encoder.labels]
    keypoints = [sequences[name]['keypoint'] for name in names]
    layout = choose_layout(args, [sequences[names[query]]])
    classes = read_class_lines(args.names) or names_of_files([sequences[name] for name in names])
    return Gallery(names, encoder.features, labels, keypoints, query, allowed, layout, classes)


def names_of_files(sequences: Sequence[Dict]) -> Optional[List[str]]:
    """The names that the files of labelled sequences give their classes; None if none does.

    Raises:
        ValueError: If two files name a class differently: then their labels cannot be compared.
    """
    shared: List[str] = []
    for sequence in sequences:
        names = sequence.get('label_names')
        if names is None or label_of(sequence) is None or names == shared:
            continue
        places = f'the file of {sequence["frame_dir"]!r}', 'that of other sequences'
        difference = compare_classes(names, shared, places)
        if difference is not None:
            raise ValueError(
                f'{difference}; expected one numbering: convert the files with the same names '
                '(tools/data/prepare_generic.py or prepare_poses.py, --classes FILE), or reorder '
                'label_names and the labels of one.'
            )
        shared = max(shared, names, key=len)
    return shared or None


def choose_layout(args: argparse.Namespace, sequences: Sequence[Dict]) -> Layout:
    """The layout that is named, else the one that joints and numbers of the sequences fit.

    Raises:
        ValueError: If none fits.
    """
    if args.layout is None:
        return find_layout(guess_layout(sequences, args.annotations))
    layout, joints = find_layout(args.layout), sequences[0]['keypoint'].shape[2]
    if layout.num_joints != joints:
        raise ValueError(
            f'{args.annotations} has {joints} joints and --layout {args.layout} '
            f'{layout.num_joints}; expected the same.'
        )
    return layout


def from_encoder(args: argparse.Namespace) -> Gallery:
    """The gallery of sequences that an encoder encodes."""
    sequences = read_sequences(args.annotations)
    if Path(args.query).suffix.lower() in SUFFIXES and Path(args.query).is_file():
        found = read_sequences(args.query)
        if len(found) != 1:
            raise ValueError(f'{args.query} holds {len(found)} sequences; expected one, the query.')
        others = [s for s in sequences if not same_sequence(s, found[0])]
        sequences, query = [*others, *found], len(others)
    else:
        query = find_query(args.query, [str(s['frame_dir']) for s in sequences])
    config = load_config(args.features, **parameters_of(args))
    model = init_model(config, find_checkpoint(args.checkpoint), args.device)
    features = extract_features(model, sequences)
    modality = model.data_preprocessor.modality
    streams = [modality] if isinstance(modality, str) else modality
    chosen = choose_stream(args.stream, streams)
    features = features[:, chosen] if features.ndim == 3 else features
    keypoints = [s['keypoint'] for s in sequences]
    rules = find_rules(model)
    for doubt in (
        suspect_unit([keypoints[query]], rules.layout, 'the query', rules.scale),
        suspect_axes([keypoints[query]], rules.layout, 'the query'),
    ):
        if doubt is not None:
            warnings.warn(doubt, stacklevel=1)
    layout = model_layout(model) or choose_layout(args, [sequences[query]])
    return Gallery(
        [str(s['frame_dir']) for s in sequences],
        features,
        [label_of(s) for s in sequences],
        keypoints,
        query,
        np.arange(len(sequences)) != query,
        layout,
        read_class_lines(args.names) or names_of_files(sequences) or model.dataset_meta['classes'],
    )


def same_sequence(one: Dict, other: Dict) -> bool:
    """Whether two sequences hold the same coordinates: a recording is no neighbour of itself."""
    return np.array_equal(one['keypoint'], other['keypoint'])


def label_of(sequence: Dict) -> Optional[int]:
    """The class of a sequence, None if it has none."""
    label = sequence.get('label')
    return int(label) if isinstance(label, (int, np.integer)) and label >= 0 else None


def describe(gallery: Gallery, row: int) -> str:
    """The class of a sequence, or its name, in short lines."""
    label, classes = gallery.labels[row], gallery.classes
    if label is None:
        return textwrap.fill(gallery.names[row], 28)
    known = classes is not None and label < len(classes)
    return textwrap.fill(classes[label], 28) if known else f'class {label}'


def search(args: argparse.Namespace) -> None:
    """Find, print, draw."""
    gallery = from_file(args) if args.checkpoint is None else from_encoder(args)
    names, labels, query = gallery.names, gallery.labels, gallery.query
    features = gallery.features.astype(float)  # neighbours may be nearer than float32 resolves
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    distances = 1 - unit @ unit[query]
    rows = np.flatnonzero(gallery.allowed)
    if not 1 <= args.number <= len(rows):
        raise ValueError(
            f'--number {args.number}: expected 1 to {len(rows)}, the samples to choose from.'
        )
    found = rows[np.argsort(distances[rows], kind='stable')[: args.number]]
    neighbours, titles = [], [f'query\n{describe(gallery, query)}']
    for rank, row in enumerate(found, start=1):
        distance, text = float(distances[row]), describe(gallery, row)
        known = labels[row] is not None and labels[query] is not None
        same = labels[row] == labels[query] if known else None
        neighbours.append(
            dict(name=names[row], label=labels[row], same_class=same, distance=distance)
        )
        verdict = {True: 'same class', False: 'OTHER class', None: f'{distance:.4f}'}[same]
        titles.append(f'{rank}: {verdict}\n{text}')
        parts = [text] * (labels[row] is not None) + [verdict] * known + [f'{distance:.4f}']
        print(f'{rank}. {names[row]}: {", ".join(parts)}')
    content = dict(query=names[query], label=labels[query], neighbours=neighbours)
    (args.out_dir / 'nearest_neighbors.json').write_text(json.dumps(content, indent=2) + '\n')
    sequences = [gallery.keypoints[row] for row in (query, *found)]
    picture = draw_skeletons(sequences, titles, layout=gallery.layout)
    picture.savefig(args.out_dir / 'nearest_neighbors.png')
    print(f'{args.out_dir}: nearest_neighbors.json, nearest_neighbors.png')


def main() -> None:
    """Check the paths, then search."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    try:
        with print_warnings():
            search(args)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))


if __name__ == '__main__':
    main()
