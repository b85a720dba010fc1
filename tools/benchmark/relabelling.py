#!/usr/bin/env python
"""Cost of relabelling: extraction, and DeepRank's labels next to DeepCluster's.

1. RelabelHook's extraction against a bare loop over the same loader and network in eval mode.
2. Seconds of a round beyond extraction, for N features: DeepCluster's clusters (PCA-whitening and
   k-means, as the model makes them) at growing numbers of clusters n; DeepRank's bank.
3. Milliseconds of labelling a batch: DeepRank's distances from its bank, at growing lengths N of it
   and growing batches B. The paper's O(1) refers to n and the length of a queue, not to B.

Example:
    python tools/benchmark/relabelling.py --numbers 10000 100000 --picture relabelling.png
"""

import argparse
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Dict, List

import torch
from common import add_device, conditions, make_parser, measure, print_table, write_json
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

import deeprank_plugin  # noqa: F401
from deeprank_plugin.engine.extraction import extract_split
from deeprank_plugin.models.utils import FeatureBank, pairwise_distances
from deeprank_plugin.models.utils.clustering import cluster_features

TITLE = 'Relabelling'
GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--sequences', type=int, default=64, help='of part 1 (%(default)s)')
    parser.add_argument('--frames', type=int, default=60, help='of part 1 (%(default)s)')
    parser.add_argument('--width', type=int, default=64, help='of ST-GCN (%(default)s)')
    parser.add_argument('--numbers', type=int, nargs='+', default=[10000], help='N (10000)')
    parser.add_argument('--clusters', type=int, nargs='+', default=[8, 32, 128, 512])
    parser.add_argument('--batches', type=int, nargs='+', default=[16, 64, 256])
    parser.add_argument('--channels', type=int, default=256, help='D (%(default)s)')
    parser.add_argument('--repeats', type=int, default=3, help='(%(default)s)')
    add_device(parser)
    parser.add_argument('--picture', type=Path, help='plot parts 2 and 3 to this PNG file')
    return parser.parse_args()


class RandomSequences(Dataset):
    """N labelled one-person sequences that take no time to load."""

    def __init__(self, number: int, frames: int, bodies: int = 1) -> None:
        self.num_split_samples = number
        self.keypoint = torch.randn(1, bodies, frames, 25, 3)
        self.keypoint[:, 1:] = 0  # absent

    def __len__(self) -> int:
        return self.num_split_samples

    def __getitem__(self, index: int) -> Dict:
        sample = ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=str(index)))
        sample.set_gt_label(index % 60)
        return dict(inputs=self.keypoint, data_samples=sample)


@torch.no_grad()
def bare_loop(model: torch.nn.Module, loader: DataLoader) -> None:
    """Features of all batches, and nothing else."""
    model.eval()
    for batch in loader:
        model(model.data_preprocessor(batch, False)['inputs'], mode='tensor')


def extraction(args: argparse.Namespace) -> List[Dict]:
    """Part 1: extraction."""
    backbone = dict(type='STGCN', graph_cfg=GRAPH, base_channels=args.width)
    head = dict(type='RankHead', in_channels=4 * args.width)
    model = MODELS.build(dict(type='DeepRank', backbone=backbone, head=head)).to(args.device)
    data = RandomSequences(args.sequences, args.frames)
    loader = DataLoader(data, batch_size=16, collate_fn=pseudo_collate)
    runner = SimpleNamespace(model=model, call_hook=lambda name: None)
    ways = dict(bare=partial(bare_loop, model, loader), hook=partial(extract_split, runner, loader))
    seconds = measure(ways, args.repeats)
    return [
        dict(
            part='extraction',
            way=way,
            sequences_s=args.sequences / value,
            throughput=seconds['bare'] / value,
        )
        for way, value in seconds.items()
    ]


def rounds(args: argparse.Namespace) -> List[Dict]:
    """Part 2: one round each, since k-means is slow."""
    rows = []
    for number in args.numbers:
        features = torch.randn(number, args.channels).abs()
        names = [str(index) for index in range(number)]

        start = time.perf_counter()
        FeatureBank(names).write(features)
        seconds = time.perf_counter() - start
        rows.append(dict(part='round', way='DeepRank', number=number, seconds=seconds))
        for clusters in args.clusters:
            start = time.perf_counter()
            cluster_features(features.numpy(), clusters)
            seconds = time.perf_counter() - start
            rows.append(
                dict(
                    part='round',
                    way='DeepCluster',
                    number=number,
                    clusters=clusters,
                    seconds=seconds,
                )
            )
    return rows


def batches(args: argparse.Namespace) -> List[Dict]:
    """Part 3: labels of a batch."""
    rows = []
    for number in args.numbers:
        names = [str(index) for index in range(number)]
        bank = FeatureBank(names)
        bank.write(torch.randn(number, args.channels, device=args.device))
        for size in args.batches:
            chosen = torch.randperm(number)[:size].tolist()
            own = [names[row] for row in chosen]

            def label(bank=bank, chosen=chosen, own=own):
                pairwise_distances(bank.read(chosen, own))

            seconds = measure(dict(label=label), max(20, args.repeats))['label']
            rows.append(
                dict(part='batch', way='DeepRank', number=number, batch=size, ms=1000 * seconds)
            )
    return rows


def plot_costs(rows: List[Dict], path: Path) -> None:
    """Plot seconds per round against n, and per batch against the length of the bank."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout='constrained')
    colors = ['#0072B2', '#D55E00', '#009E73', '#CC79A7']
    found = [row for row in rows if row['part'] == 'round']
    numbers = sorted({row['number'] for row in found})
    for number, color, marker in zip(numbers, colors, 'osD^'):
        mine = [row for row in found if row['number'] == number]
        curve = [row for row in mine if row['way'] == 'DeepCluster']
        left.plot(
            [row['clusters'] for row in curve],
            [row['seconds'] for row in curve],
            color=color,
            marker=marker,
            label=f'DeepCluster, N = {number:,}',
        )
        bank = next(row['seconds'] for row in mine if row['way'] == 'DeepRank')
        left.axhline(bank, color=color, linestyle='--', label=f'DeepRank, N = {number:,}')
    left.set(
        xscale='log',
        yscale='log',
        xlabel='clusters n',
        ylabel='seconds per round, without extraction',
    )
    found = [row for row in rows if row['part'] == 'batch']
    sizes = sorted({row['batch'] for row in found})
    for size, color, marker in zip(sizes, colors, 'osD^'):
        mine = [row for row in found if row['batch'] == size]
        right.plot(
            [row['number'] for row in mine],
            [row['ms'] for row in mine],
            color=color,
            marker=marker,
            label=f'DeepRank, B = {size}',
        )
    right.set(xscale='log', yscale='log', xlabel='length of the bank N', ylabel='ms per batch')
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, ncols=2, loc='upper center', bbox_to_anchor=(0.5, -0.18))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Measure the three parts, print their tables and write them."""
    args = parse_args()
    init_default_scope('mmaction')
    torch.manual_seed(0)
    context = dict(conditions(), device=args.device, channels=args.channels, frames=args.frames)
    first, second, third = extraction(args), rounds(args), batches(args)
    print_table('Extraction', ['way', 'sequences_s', 'throughput'], first)
    columns = ['way', 'number', 'clusters', 'seconds']
    print_table('A round beyond extraction', columns, second)
    print_table('Labels of a batch', ['way', 'number', 'batch', 'ms'], third)
    rows = [*first, *second, *third]
    if args.picture:
        plot_costs(rows, args.picture)
    write_json(args.out, TITLE, context, rows)


if __name__ == '__main__':
    main()
