#!/usr/bin/env python
"""t-SNE of features, several encoders side by side (Figs. 5 and 7).

Writes tsne.csv (name, class, and two coordinates for each encoder) and tsne.png.

Example:
    python tools/analysis/tsne.py none=none.npz L2=l2.npz --split xsub_val --classes 0 1 2 3 4
"""

import argparse
import csv
from pathlib import Path
from typing import Sequence

import numpy as np
from feature_files import Features, load_all, load_clusters, read_class_lines
from sklearn.manifold import TSNE

from deeprank_plugin.command_line import exit_with_error, find_checkpoint, require_writable
from deeprank_plugin.visualization import plot_embeddings


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='[TITLE=]FILE', help='features of encoders')
    parser.add_argument('--split', help='samples of this split only; default: all')
    parser.add_argument('--classes', nargs='+', type=int, help='these only; default: all')
    parser.add_argument(
        '--cluster-of',
        metavar='FILE',
        help='only the two most frequent classes in a random cluster (by --seed) of this '
        'DeepCluster checkpoint (Fig. 7)',
    )
    parser.add_argument('--perplexity', type=float, default=30, help='(%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='(%(default)s)')
    parser.add_argument('--names', type=Path, help='text file with one class name per line')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/tsne'))
    return parser.parse_args()


def choose_cluster(
    names: Sequence[str], clusters: np.ndarray, features: Features, seed: int
) -> np.ndarray:
    """Rows of the features that belong to one cluster and its two most frequent classes.

    Args:
        names (Sequence[str]): Names of the clustered samples.
        clusters (np.ndarray): Their clusters, of shape (N,).
        features (Features): The features to select from.
        seed (int): Seed to choose among clusters with at least two classes.

    Raises:
        ValueError: If no cluster has two classes.
    """
    cluster_of = dict(zip(names, clusters.tolist()))
    own = np.array([cluster_of.get(name, -1) for name in features.names.tolist()])
    mixed = [c for c in np.unique(clusters) if len(np.unique(features.labels[own == c])) > 1]
    if not mixed:
        raise ValueError(
            'no cluster of the checkpoint holds features of two classes; expected features of the '
            'training split that it clustered'
        )
    chosen = np.random.default_rng(seed).choice(mixed)
    labels, counts = np.unique(features.labels[own == chosen], return_counts=True)
    classes = labels[np.argsort(-counts, kind='stable')[:2]]
    rows = (own == chosen) & np.isin(features.labels, classes)
    texts = [f'{np.sum(rows & (features.labels == label))} of class {label}' for label in classes]
    print(f'cluster {chosen}: {counts.sum()} samples, including {" and ".join(texts)}')
    return np.flatnonzero(rows)


def main() -> None:
    """Embed, plot and write."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    try:
        given = read_class_lines(args.names)
        encoders = load_all(args.files, args.split)
        if args.cluster_of is not None:
            clusters = load_clusters(find_checkpoint(args.cluster_of))
            rows = choose_cluster(*clusters, encoders[0], args.seed)
            encoders = [encoder.select(rows) for encoder in encoders]
    except ValueError as error:
        exit_with_error(str(error))
    if args.classes is not None:
        chosen = np.isin(encoders[0].labels, args.classes)
        encoders = [encoder.select(chosen) for encoder in encoders]
    labels = encoders[0].labels
    if len(labels) <= args.perplexity:
        exit_with_error(
            f'{len(labels)} samples for a perplexity of {args.perplexity:g}: expected more '
            'samples, or a lower --perplexity.'
        )
    names = [str(label) for label in range(labels.max() + 1)] if given is None else given
    if len(names) <= labels.max():
        exit_with_error(
            f'{args.names} has {len(names)} lines: expected {labels.max() + 1}, one per class.'
        )
    points = {}
    for encoder in encoders:
        norms = np.linalg.norm(encoder.features, axis=1, keepdims=True)
        unit = encoder.features / np.maximum(norms, 1e-12)
        tsne = TSNE(perplexity=args.perplexity, init='pca', random_state=args.seed)
        points[encoder.title] = tsne.fit_transform(unit)
    with open(args.out_dir / 'tsne.csv', 'w', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['name', 'class', *(f'{t} {axis}' for t in points for axis in 'xy')])
        for row, (name, label) in enumerate(zip(encoders[0].names, labels)):
            places = [f'{v:.4f}' for found in points.values() for v in found[row]]
            writer.writerow([name, label, *places])
    plot_embeddings(points, labels, names).savefig(args.out_dir / 'tsne.png')
    print(f'{args.out_dir}: tsne.csv, tsne.png ({len(labels)} samples)')


if __name__ == '__main__':
    main()
