#!/usr/bin/env python
"""Share of ranking labels that differ between the views other or all and the view self (Fig. 4).

Batches of samples are drawn, and all P(B, 3) triplets of each are counted: 500 batches of 64 give
the paper's 124,992,000 triplets. Memory does not grow with their number. The streams come from
files of extract_features.py, one each, or one file with several. Writes
label_agreement.json and .png.

Example:
    python tools/analysis/label_agreement.py joint.npz bone.npz motion.npz --split xsub_train
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from feature_files import load_all
from tqdm import tqdm

from deeprank_plugin.command_line import exit_with_error, require_writable
from deeprank_plugin.models.utils import pairwise_distances, view_distances
from deeprank_plugin.models.utils.distances import NORMALIZATIONS
from deeprank_plugin.models.utils.label_disagreement import count_disagreement
from deeprank_plugin.visualization.analysis import plot_agreement

VIEWS = ('other', 'all')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='[TITLE=]FILE', help='features of the streams')
    parser.add_argument('--split', help='samples of this split only; default: all')
    parser.add_argument('--batches', type=int, default=500, help='(%(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='(%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the batches (%(default)s)')
    parser.add_argument('--normalize', default='l2', choices=[str(n) for n in NORMALIZATIONS])
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/label_agreement'))
    return parser.parse_args()


def main() -> None:
    """Count, print, write."""
    args = parse_args()
    require_writable(str(args.out_dir), 'folder', '--out-dir')
    try:
        streams = load_all(args.files, args.split)
    except ValueError as error:
        exit_with_error(str(error))
    samples = len(streams[0].names)
    if len(streams) < 2 or args.batches < 1 or not 3 <= args.batch_size <= samples:
        exit_with_error(
            f'{len(streams)} streams, {args.batches} batches of {args.batch_size} from {samples} '
            'samples: expected at least 2 streams, 1 batch, and batches of 3 up to all samples.'
        )
    features = torch.stack([torch.as_tensor(stream.features) for stream in streams])
    normalize = None if args.normalize == 'None' else args.normalize
    rng = np.random.default_rng(args.seed)
    counts = np.zeros((args.batches, len(streams), len(VIEWS), 2), dtype=np.int64)
    for batch in tqdm(range(args.batches), disable=None):
        rows = torch.as_tensor(rng.choice(samples, args.batch_size, replace=False))
        distances = torch.stack([pairwise_distances(part[rows], normalize) for part in features])
        for stream in range(len(streams)):
            for index, view in enumerate(VIEWS):
                seen = view_distances(distances, stream, view)
                counts[batch, stream, index] = count_disagreement(distances[stream], seen)
    running = counts.cumsum(axis=0)
    shares = running[..., 0] / np.maximum(running[..., 1], 1)
    size = args.batch_size
    triplets = np.arange(1, args.batches + 1) * size * (size - 1) * (size - 2)
    result = {
        stream.title: {
            view: dict(
                share=float(shares[-1, i, j]),
                differ=int(running[-1, i, j, 0]),
                counted=int(running[-1, i, j, 1]),
            )
            for j, view in enumerate(VIEWS)
        }
        for i, stream in enumerate(streams)
    }
    for title, views in result.items():
        text = ', '.join(f'{view} {100 * v["share"]:.2f} %' for view, v in views.items())
        print(f'{title}: labels that differ from self: {text}')
    content = dict(
        triplets=int(triplets[-1]), seed=args.seed, normalize=args.normalize, streams=result
    )
    (args.out_dir / 'label_agreement.json').write_text(json.dumps(content, indent=2) + '\n')
    curves = {
        stream.title: {view: shares[:, i, j] for j, view in enumerate(VIEWS)}
        for i, stream in enumerate(streams)
    }
    plot_agreement(triplets, curves).savefig(args.out_dir / 'label_agreement.png')
    print(f'{triplets[-1]:,} triplets; {args.out_dir}: label_agreement.json, label_agreement.png')


if __name__ == '__main__':
    main()
