#!/usr/bin/env python
"""Encode absent bodies once per batch, against encoding all of them, in eval mode.

Sequences have two body slots, as in NTU RGB+D, with one person in all or most of them.

Example:
    python tools/benchmark/absent_bodies.py --batch-size 16 --frames 120 --out absent.json
"""

import argparse
from functools import partial
from typing import Sequence

import torch
from common import add_device, conditions, make_parser, measure, print_table, write_json
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import deeprank_plugin  # noqa: F401
from deeprank_plugin.models.utils import encode_bodies

GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')
BACKBONES = {
    'ST-GCN': dict(type='STGCN', graph_cfg=GRAPH),
    'STTFormer': dict(type='STTFormer', num_joints=25),
}
PERSONS = {'one person': 0.0, 'a fifth with two': 0.2, 'two persons': 1.0}
TITLE = 'Absent bodies: features of a batch with two body slots'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--batch-size', type=int, default=5, help='(%(default)s)')
    parser.add_argument('--frames', type=int, default=60, help='(%(default)s)')
    parser.add_argument('--repeats', type=int, default=3, help='(%(default)s)')
    add_device(parser)
    return parser.parse_args()


def sequences(share: float, shape: Sequence[int], device: str) -> Tensor:
    """Random sequences (N, 2, T, V, C); a share of them has a second body."""
    x = torch.randn(shape, device=device)
    x[round(share * shape[0]) :, 1] = 0
    return x


def calibrate(backbone: nn.Module, x: Tensor) -> None:
    """Set BatchNorm statistics from a batch, and switch to eval mode.

    With initial statistics, features and rounding errors grow a millionfold from block to block,
    unlike in any trained network.
    """
    backbone.train()
    for module in backbone.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = 1.0
    backbone(x)
    backbone.eval()


@torch.no_grad()
def main() -> None:
    """Measure and print."""
    args = parse_args()
    init_default_scope('mmaction')
    torch.manual_seed(0)
    rows = []
    for name, config in BACKBONES.items():
        backbone = MODELS.build(config).to(args.device)
        shape = (args.batch_size, 2, args.frames, 25, 3)
        calibrate(backbone, sequences(0.2, shape, args.device))
        for case, share in PERSONS.items():
            x = sequences(share, shape, args.device)
            whole, once = backbone(x), encode_bodies(backbone, x)
            ways = {'all': partial(backbone, x), 'once': partial(encode_bodies, backbone, x)}
            seconds = measure(ways, args.repeats)
            error = float((whole - once).abs().max() / whole.abs().max())
            rows.append(
                dict(
                    backbone=name,
                    data=case,
                    all_s=seconds['all'],
                    once_s=seconds['once'],
                    ratio=seconds['all'] / seconds['once'],
                    difference=error,
                )
            )
    print_table(TITLE, list(rows[0]), rows)
    print('ratio: speed-up; difference: largest, relative to the largest feature')
    context = dict(conditions(), batch_size=args.batch_size, frames=args.frames, device=args.device)
    write_json(args.out, TITLE, context, rows)


if __name__ == '__main__':
    main()
