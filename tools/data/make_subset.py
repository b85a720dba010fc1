#!/usr/bin/env python
"""Write the list of labelled samples for semi-supervised learning."""

import argparse
import hashlib
from collections import Counter
from pathlib import Path

from deeprank_plugin.command_line import require_writable, run_or_exit
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.subsets import labelled_subset


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('annotations', help='annotation pickle')
    parser.add_argument('out', type=Path, help='text file to write, one sample name per line')
    parser.add_argument('--split', default='xsub_train', help='split to draw from (%(default)s)')
    parser.add_argument(
        '--share', type=float, default=0.1, help='share of each class (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the draw (%(default)s)')
    return parser.parse_args()


def main() -> None:
    """Draw the list."""
    args = parse_args()
    require_writable(str(args.out.parent), 'folder', 'OUT')
    run_or_exit(lambda: write_subset(args))


def write_subset(args: argparse.Namespace) -> None:
    """Draw, write, and print counts and a hash to compare lists."""
    dataset = SkeletonDataset(args.annotations, pipeline=[], split=args.split)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    label_of = {info['frame_dir']: int(info['label']) for info in infos}
    names = labelled_subset(list(label_of), list(label_of.values()), args.share, args.seed)
    text = '\n'.join(names) + '\n'
    args.out.write_text(text, encoding='utf-8')
    counts = Counter(label_of[name] for name in names)
    print(f'{args.out}: {len(names)} of {len(dataset)} samples of {args.split}, seed {args.seed}')
    print('per class: ' + ', '.join(f'{label}: {counts[label]}' for label in sorted(counts)))
    print('sha256: ' + hashlib.sha256(text.encode()).hexdigest())


if __name__ == '__main__':
    main()
