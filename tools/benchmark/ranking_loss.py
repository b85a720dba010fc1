#!/usr/bin/env python
"""The ranking loss: all P(B, 3) triplets from pair scores, against gathering their features.

1. Time and extra memory of loss and gradients, against a plain implementation that gathers the
   features of every triplet and applies the two layers; both give the same results.
2. The loss alone at growing batch sizes, next to the memory for all pairs and all triplets.
3. Its share of a training step of DeepRank with ST-GCN of width 64: labels from the bank, their
   distances, head, loss and gradients. On a CPU, the step is measured at --step-batch samples and
   scaled linearly to 64; the ranking part is measured at both. On a GPU, which a few samples do
   not keep busy, the step is measured at 64.

Example:
    python tools/benchmark/ranking_loss.py --sizes 64 128 256 --out work_dirs/ranking_loss.json
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Dict, List

import torch
from common import (
    add_device,
    conditions,
    make_parser,
    measure,
    peak_memory,
    print_table,
    write_json,
)
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from torch import Tensor
from torch.nn.functional import cross_entropy

from deeprank_plugin.models import RankHead
from deeprank_plugin.models.utils import pairwise_distances

CONFIG = 'configs/deeprank/deeprank_stgcn.py'
PAPER_BATCH = 64
TITLE = 'Ranking loss'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--batch-size', type=int, default=64, help='of part 1 (%(default)s)')
    parser.add_argument('--channels', type=int, default=256, help='D (%(default)s)')
    parser.add_argument('--hidden', type=int, default=256, help='outputs of FC0 (%(default)s)')
    parser.add_argument('--sizes', type=int, nargs='*', default=[64, 128, 256, 512, 1024])
    parser.add_argument('--repeats', type=int, default=3, help='calls of part 1 (%(default)s)')
    parser.add_argument(
        '--step-batch', type=int, default=8, help='samples of part 3 on a CPU; 0: leave it out (8)'
    )
    parser.add_argument('--frames', type=int, help='of part 3; default: the config (120)')
    add_device(parser)
    args = parser.parse_args()
    if args.step_batch and torch.device(args.device).type != 'cpu':
        args.step_batch = PAPER_BATCH
    if min([args.batch_size, *args.sizes]) < 3 or args.step_batch in (1, 2):
        parser.error('expected batches of at least 3 samples, which make a triplet')
    return args


def gathered_loss(head: RankHead, feats: Tensor, distances: Tensor) -> Tensor:
    """Eqs. 2, 7, 8 and 9 literally, on the features of every triplet; no ties."""
    number = len(feats)
    grid = torch.cartesian_prod(*[torch.arange(number, device=feats.device)] * 3)
    a, c1, c2 = grid.T
    a, c1, c2 = grid[(a != c1) & (a != c2) & (c1 != c2)].T
    hidden = [head.act(head.fc0(torch.cat([feats[a], feats[c]], dim=1))) for c in (c1, c2)]
    logits = head.fc1(hidden[0] - hidden[1])
    return cross_entropy(logits, (distances[a, c1] >= distances[a, c2]).long())


def make_inputs(number: int, args: argparse.Namespace):
    """Make a head, features (B, D) with gradients, and label distances (B, B)."""
    torch.manual_seed(0)
    head = RankHead(args.channels, args.hidden).to(args.device)
    feats = torch.randn(number, args.channels, device=args.device, requires_grad=True)
    labels = torch.randn(number, args.channels, device=args.device)
    return head, feats, pairwise_distances(labels)


def against_gathering(args: argparse.Namespace) -> List[Dict]:
    """Part 1: pair scores against gathering."""
    head, feats, distances = make_inputs(args.batch_size, args)
    inputs = [feats, *head.parameters()]

    def ours():
        loss = head.loss(feats, distances)['loss_rank']
        return loss.detach(), torch.autograd.grad(loss, inputs)

    def plain():
        loss = gathered_loss(head, feats, distances)
        return loss.detach(), torch.autograd.grad(loss, inputs)

    (loss, gradients), (expected, others) = ours(), plain()
    largest = max(float((g - o).abs().max() / o.abs().max()) for g, o in zip(gradients, others))
    difference = max(abs(float(loss / expected) - 1), largest)
    if not difference < 1e-3:  # float32
        raise RuntimeError(f'the two losses or their gradients differ by {difference:.2g}')
    del gradients, others
    ways = dict(pairs=ours, gathered=plain)
    memory = {name: peak_memory(way, args.device, warm_up=False) for name, way in ways.items()}
    seconds = measure(ways, args.repeats)
    return [
        dict(
            part='against gathering',
            way=name,
            batch=args.batch_size,
            ms=1000 * seconds[name],
            time_ratio=seconds[name] / seconds['pairs'],
            mib=memory[name],
            memory_ratio=memory[name] / memory['pairs'] if memory['pairs'] else None,
            relative_difference=difference,
        )
        for name in ways
    ]


def backward(head: RankHead, feats: Tensor, distances: Tensor) -> None:
    """The loss and its gradients."""
    head.loss(feats, distances)['loss_rank'].backward()


def growing(args: argparse.Namespace) -> List[Dict]:
    """Part 2: growing batch sizes."""
    rows = []
    for number in args.sizes:
        run = partial(backward, *make_inputs(number, args))
        seconds = measure(dict(run=run), 1 if number > 256 else args.repeats)['run']
        rows.append(
            dict(
                part='batch sizes',
                batch=number,
                triplets=number * (number - 1) * (number - 2),
                ms=1000 * seconds,
                mib=peak_memory(run, args.device, warm_up=False),
                hidden_of_all_pairs_mib=number**2 * args.hidden * 4 / 2**20,
                all_triplets_mib=number**3 * 4 / 2**20,
            )
        )
    return rows


def share_of_step(args: argparse.Namespace) -> List[Dict]:
    """Part 3: share of a training step."""
    cfg = Config.fromfile(Path(__file__).resolve().parents[2] / CONFIG)
    frames = args.frames or cfg.train_pipeline[1]['clip_len']
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(args.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    names = [str(index) for index in range(PAPER_BATCH)]
    model.relabel(torch.randn(PAPER_BATCH, model.head.in_channels), names)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=name))
        for index, name in enumerate(names)
    ]
    inputs = torch.randn(args.step_batch, 1, cfg.num_person, frames, 25, 3, device=args.device)

    def step():
        optimizer.zero_grad()
        model.loss(inputs, samples[: args.step_batch])['loss_rank'].backward()
        optimizer.step()

    def ranking(number):
        feats = torch.randn(number, model.head.in_channels, device=args.device)
        feats.requires_grad_()

        def run():
            distances = pairwise_distances(model.label_features(samples[:number]))
            model.head.loss(feats, distances)['loss_rank'].backward()

        return run

    batches = sorted({args.step_batch, PAPER_BATCH})
    seconds = measure({number: ranking(number) for number in batches}, max(5, args.repeats))
    whole = measure(dict(step=step), min(2, args.repeats))['step']
    return [
        dict(
            part='share of a step',
            batch=number,
            frames=frames,
            step_s=whole * number / args.step_batch,
            step='measured' if number == args.step_batch else 'scaled',
            ranking_ms=1000 * seconds[number],
            share_percent=100 * seconds[number] / (whole * number / args.step_batch),
        )
        for number in batches
    ]


def main() -> None:
    """Measure the three parts, print their tables and write them."""
    args = parse_args()
    found = dict(
        conditions(), device=args.device, channels=args.channels, hidden_channels=args.hidden
    )
    print(', '.join(f'{key} {value}' for key, value in found.items()))
    rows = against_gathering(args)
    columns = ['way', 'batch', 'ms', 'time_ratio', 'mib', 'memory_ratio']
    print_table('Loss and gradients of all triplets, through pairs and gathered', columns, rows)
    print(f'Largest relative difference of the two: {rows[0]["relative_difference"]:.2g}')
    more = growing(args)
    if more:
        columns = ['batch', 'triplets', 'ms', 'mib', 'hidden_of_all_pairs_mib', 'all_triplets_mib']
        print_table('Growing batches', columns, more)
        rows += more
    if args.step_batch:
        more = share_of_step(args)
        columns = ['batch', 'frames', 'step_s', 'step', 'ranking_ms', 'share_percent']
        print_table('Share of a training step, ST-GCN of width 64, 2 bodies', columns, more)
        rows += more
    if not torch.cuda.is_available():
        print('\nNo GPU here: the share of a step on one is not measured.')
    write_json(args.out, TITLE, found, rows)


if __name__ == '__main__':
    main()
