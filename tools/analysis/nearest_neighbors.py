#!/usr/bin/env python
"""Nearest neighbours of a sequence, drawn as rows of skeletons.

Neighbours have the smallest cosine distance between features; with --across, they come from other
splits than the query. Writes nearest_neighbors.json and .png: the query in the first row, then its
neighbours, each with its class and whether it matches the query's. Needs NTU's 25 joints.

Example:
    python tools/analysis/nearest_neighbors.py joint.npz data/uiprmd_ntu25.pkl --query m01_s01_e01
"""

import argparse
import json
from pathlib import Path

import numpy as np
from feature_files import load_all

from deeprank_plugin.apis.sequences import read_sequences
from deeprank_plugin.command_line import exit_with_error, require_writable
from deeprank_plugin.visualization import draw_skeletons


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('features', metavar='[TITLE=]FILE', help='features of one encoder')
    parser.add_argument('annotations', help='annotation file of the same data')
    parser.add_argument('--query', default='0', help='name or number of a sample (%(default)s)')
    parser.add_argument('--number', type=int, default=5, help='neighbours (%(default)s)')
    parser.add_argument('--stream', type=int, default=0, help='of several streams (%(default)s)')
    parser.add_argument('--across', action='store_true', help='neighbours of other splits only')
    parser.add_argument('--names', type=Path, help='text file with one class name per line')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/nearest_neighbors'))
    return parser.parse_args()


def main() -> None:
    """Find, print, draw."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    try:
        streams = load_all([args.features])
        keypoints = {s['frame_dir']: s['keypoint'] for s in read_sequences(args.annotations)}
    except (ValueError, FileNotFoundError) as error:
        exit_with_error(str(error))
    if not 0 <= args.stream < len(streams):
        exit_with_error(
            f'--stream {args.stream} of {len(streams)}: expected 0 to {len(streams) - 1}.'
        )
    encoder = streams[args.stream]
    names = encoder.names.tolist()
    absent = [name for name in names if name not in keypoints]
    if absent:
        exit_with_error(
            f'{args.annotations} lacks {len(absent)} of the samples, such as {absent[0]!r}.'
        )
    if args.query in names:
        query = names.index(args.query)
    elif args.query.isdigit() and int(args.query) < len(names):
        query = int(args.query)
    else:
        exit_with_error(f'--query {args.query!r}: expected a name, or a number below {len(names)}.')
    norms = np.linalg.norm(encoder.features, axis=1, keepdims=True)
    unit = encoder.features / np.maximum(norms, 1e-12)
    distances = 1 - unit @ unit[query]
    allowed = np.arange(len(names)) != query
    if args.across:
        allowed &= encoder.splits != encoder.splits[query]
    rows = np.flatnonzero(allowed)
    if not 1 <= args.number <= len(rows):
        exit_with_error(
            f'--number {args.number}: expected 1 to {len(rows)}, the samples to choose from.'
        )
    found = rows[np.argsort(distances[rows], kind='stable')[: args.number]]
    sequences = [keypoints[names[row]] for row in (query, *found)]
    if sequences[0].shape[2:] != (25, 3):
        exit_with_error(
            f'{args.annotations} has joints of shape {sequences[0].shape[2:]}: expected 25 x 3.'
        )
    classes = None if args.names is None else args.names.read_text().splitlines()
    texts = []
    for row in (query, *found):
        label = int(encoder.labels[row])
        texts.append(classes[label] if classes is not None else f'class {label}')
    neighbours = [
        dict(
            name=names[row],
            label=int(encoder.labels[row]),
            same_class=bool(encoder.labels[row] == encoder.labels[query]),
            distance=float(distances[row]),
        )
        for row in found
    ]
    titles = [f'query\n{texts[0]}']
    for rank, (neighbour, text) in enumerate(zip(neighbours, texts[1:]), start=1):
        verdict = 'same class' if neighbour['same_class'] else 'OTHER class'
        titles.append(f'{rank}: {verdict}\n{text}')
        print(f'{rank}. {neighbour["name"]}: {text}, {verdict}, {neighbour["distance"]:.4f}')
    content = dict(query=names[query], label=int(encoder.labels[query]), neighbours=neighbours)
    (args.out_dir / 'nearest_neighbors.json').write_text(json.dumps(content, indent=2) + '\n')
    draw_skeletons(sequences, titles).savefig(args.out_dir / 'nearest_neighbors.png')
    print(f'{args.out_dir}: nearest_neighbors.json, nearest_neighbors.png')


if __name__ == '__main__':
    main()
