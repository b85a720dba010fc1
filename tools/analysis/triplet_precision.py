#!/usr/bin/env python
"""Share of pseudo-labels that agree with the true classes (Fig. 8).

For features (DeepRank), over all triplets of randomly drawn batches: the share whose closer
candidate has the anchor's class, and the share expected from a random ranking; and the same among
decisive triplets, where exactly one candidate has the anchor's class (chance: 50 %), which the plot
shows. For DeepCluster checkpoints (--clusters): the share of samples whose class is the most
frequent in their cluster. These measures differ, but the paper compares them, and so does this
tool. Writes triplet_precision.json and .png.

Example:
    python tools/analysis/triplet_precision.py random=random.npz DeepRank=deeprank.npz \
        --clusters DeepCluster=work_dirs/<deepcluster>/epoch_60.pth --split xsub_train
"""

import argparse
import json
from pathlib import Path
from typing import Dict

import numpy as np
import torch
from feature_files import load_all, load_clusters, require_titles, split_spec
from tqdm import tqdm

from deeprank_plugin.command_line import exit_with_error, find_checkpoint, require_writable
from deeprank_plugin.evaluation.functional.precision import (
    Precision,
    cluster_purity,
    count_precision,
)
from deeprank_plugin.models.utils import pairwise_distances
from deeprank_plugin.visualization.analysis import plot_precision


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='[TITLE=]FILE', help='features of encoders')
    parser.add_argument(
        '--clusters', nargs='+', default=[], metavar='TITLE=FILE', help='DeepCluster checkpoints'
    )
    parser.add_argument('--split', help='samples of this split only; default: all')
    parser.add_argument('--batches', type=int, default=100, help='(%(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='(%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the batches (%(default)s)')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/triplet_precision'))
    return parser.parse_args()


def measure_purity(path: str, label_of: Dict[str, int]) -> float:
    """Purity of the clusters in a checkpoint.

    Raises:
        ValueError: If it has no clusters, or classes are unknown.
    """
    names, clusters = load_clusters(path)
    unknown = [name for name in names if name not in label_of]
    if unknown:
        raise ValueError(
            f'{len(unknown)} samples of {path}, such as {unknown[0]!r}, are not among the '
            'features; expected those of the training split: leave --split out, or name it'
        )
    return cluster_purity(clusters, np.array([label_of[name] for name in names]))


def main() -> None:
    """Count, print, write."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    purity = {}
    try:
        encoders = load_all(args.files, args.split)
        labels = torch.as_tensor(encoders[0].labels)
        label_of = dict(zip(encoders[0].names.tolist(), encoders[0].labels.tolist()))
        clusters = [split_spec(spec) for spec in args.clusters]
        clusters = [(title or Path(path).stem, path) for title, path in clusters]
        require_titles([encoder.title for encoder in encoders] + [title for title, _ in clusters])
        for title, path in clusters:
            purity[title] = measure_purity(find_checkpoint(path), label_of)
    except ValueError as error:
        exit_with_error(str(error))
    if int(labels.min()) < 0 or args.batches < 1 or not 3 <= args.batch_size <= len(labels):
        exit_with_error(
            f'{args.batches} batches of {args.batch_size} from {len(labels)} samples: expected at '
            'least 1 batch of at least 3 samples, and a class for each sample.'
        )
    rng = np.random.default_rng(args.seed)
    batches = [rng.choice(len(labels), args.batch_size, replace=False) for _ in range(args.batches)]
    triplets = {}
    for encoder in encoders:
        counts = np.zeros(len(Precision._fields))
        features = torch.as_tensor(encoder.features)
        for rows in tqdm(batches, desc=encoder.title, disable=None):
            counts += count_precision(pairwise_distances(features[rows]), labels[rows])
        sums = Precision(*counts)
        if not sums.decisive:
            exit_with_error(
                f'{encoder.title}: no triplet of the batches has exactly one candidate of the '
                "anchor's class, at another distance than the other: expected at least two "
                'classes, two samples of one, and features that differ.'
            )
        triplets[encoder.title] = dict(
            all=sums.right / sums.total,
            all_chance=sums.chance / sums.total,
            decisive=sums.decided / sums.decisive,
        )
    for title, share in purity.items():
        print(f'{title}: {100 * share:.2f} % of the samples have the class of their cluster')
    for title, shares in triplets.items():
        print(
            f'{title}: {100 * shares["decisive"]:.2f} % of the decisive triplets (chance 50 %), '
            f'{100 * shares["all"]:.2f} % of all (chance {100 * shares["all_chance"]:.2f} %)'
        )
    content = dict(triplets=triplets, purity=purity, seed=args.seed)
    (args.out_dir / 'triplet_precision.json').write_text(json.dumps(content, indent=2) + '\n')
    bars = dict(purity, **{title: shares['decisive'] for title, shares in triplets.items()})
    picture = plot_precision(bars, dict.fromkeys(triplets, 0.5))
    picture.savefig(args.out_dir / 'triplet_precision.png')
    print(f'{args.out_dir}: triplet_precision.json, triplet_precision.png')


if __name__ == '__main__':
    main()
