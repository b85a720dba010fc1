#!/usr/bin/env python
"""Mean cosine distances between class features, for several encoders side by side (Fig. 6).

Writes class_similarity.json (mean distance within and between classes), a .csv matrix for each
encoder, and class_similarity.png.

Example:
    python tools/analysis/class_similarity.py random=random.npz DeepRank=deeprank.npz
"""

import argparse
import json
from pathlib import Path

import numpy as np
from feature_files import load_all, read_class_lines

from deeprank_plugin.command_line import exit_with_error, require_writable
from deeprank_plugin.evaluation.functional.similarity import class_distances, summarise_distances
from deeprank_plugin.visualization.analysis import plot_class_distances
from deeprank_plugin.visualization.figure import file_names


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='[TITLE=]FILE', help='features of encoders')
    parser.add_argument('--split', help='samples of this split only; default: all')
    parser.add_argument('--names', type=Path, help='text file with one class name per line')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/class_similarity'))
    return parser.parse_args()


def main() -> None:
    """Compute, print, write."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    try:
        names = read_class_lines(args.names)
        encoders = load_all(args.files, args.split)
    except ValueError as error:
        exit_with_error(str(error))
    labels = encoders[0].labels
    if labels.min() < 0 or len(np.unique(labels)) < 2:
        exit_with_error('the samples have no known classes, or only one: expected at least two.')
    if names is not None and len(names) != labels.max() + 1:
        exit_with_error(
            f'{args.names} has {len(names)} lines: expected {labels.max() + 1}, one per class.'
        )
    matrices = {e.title: class_distances(e.features, labels) for e in encoders}
    result = {title: summarise_distances(matrix) for title, matrix in matrices.items()}
    print(f'{"":<24}{"within":>9}{"between":>9}{"ratio":>9}   mean cosine distance')
    for title, distances in result.items():
        print(f'{title:<24}' + ''.join(f'{value:>9.4f}' for value in distances.values()))
    for title, plain in zip(matrices, file_names(matrices)):
        np.savetxt(args.out_dir / f'{plain}.csv', matrices[title], delimiter=',', fmt='%.6f')
    (args.out_dir / 'class_similarity.json').write_text(json.dumps(result, indent=2) + '\n')
    plot_class_distances(matrices, names).savefig(args.out_dir / 'class_similarity.png')
    print(f'{args.out_dir}: class_similarity.json, class_similarity.png, {len(result)} .csv')


if __name__ == '__main__':
    main()
