#!/usr/bin/env python
"""Write the toy data set of skeleton actions as an annotation pickle."""

import argparse
import os
import pickle
from collections import Counter
from pathlib import Path

from deeprank_plugin.datasets.toy.actions import CLASS_NAMES, make_toy_actions
from deeprank_plugin.visualization import draw_skeletons


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='pickle to write')
    parser.add_argument('--seed', type=int, default=0, help='(%(default)s)')
    parser.add_argument('--subjects', type=int, default=16, help='(%(default)s)')
    parser.add_argument(
        '--repetitions', type=int, default=2, help='of each action by each subject (%(default)s)'
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    parser.add_argument(
        '--plot', type=Path, help='also draw one sequence per class to this picture'
    )
    return parser.parse_args()


def write_file(content: bytes, path: Path, force: bool) -> None:
    """Write a file, whole or not at all.

    Raises:
        SystemExit: If it cannot be written, or a different file exists and ``force`` is not set.
    """
    if path.exists() and not force and path.read_bytes() != content:
        raise SystemExit(
            f'error: {path} exists with different content; choose another name, or replace it '
            'with --force'
        )
    temporary = path.with_name(path.name + '.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise SystemExit(
            f'error: {path} cannot be written ({error}); choose another place'
        ) from None


def main() -> None:
    """Make, write, and print a summary."""
    args = parse_args()
    try:
        toy = make_toy_actions(args.subjects, args.repetitions, args.seed)
    except ValueError as error:
        raise SystemExit(f'error: {error}') from None
    content = pickle.dumps(toy, protocol=4)
    write_file(content, args.out, args.force)
    annotations = toy['annotations']
    print(f'{args.out}: {len(annotations)} toy sequences, {len(content) / 1e6:.1f} MB')
    print('splits: ' + ', '.join(f'{name} {len(names)}' for name, names in toy['split'].items()))
    counts = Counter(annotation['label'] for annotation in annotations)
    print('classes: ' + ', '.join(f'{CLASS_NAMES[k]} {n}' for k, n in sorted(counts.items())))
    if args.plot:
        chosen = [
            next(a for a in annotations if a['label'] == label and a['camera'] == 2)
            for label in range(len(CLASS_NAMES))
        ]
        figure = draw_skeletons([a['keypoint'] for a in chosen], CLASS_NAMES)
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.plot, dpi=80)
        print(f'{args.plot}: one sequence per class')


if __name__ == '__main__':
    main()
