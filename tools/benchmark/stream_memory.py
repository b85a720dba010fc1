#!/usr/bin/env python
"""Memory and time of a training step of MV-DeepRank: streams one by one against all at once.

Each variant runs in a separate process, with one warm-up step and then --steps measured ones. On a
GPU, memory is the allocator's peak; on a CPU, the peak resident memory of the process; both above
that held before the first step. They include inputs and parameter gradients.

Example:
    python tools/benchmark/stream_memory.py --backbone sttformer --batch-size 8
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import torch
from common import add_device, make_parser, synchronize
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

import deeprank_plugin  # noqa: F401

BACKBONES = {
    'stgcn': dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    'stgcn-slim': dict(type='STGCNSlim', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    'sttformer': dict(type='STTFormer'),
}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--backbone', choices=BACKBONES, default='stgcn')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--frames', type=int, default=120)
    parser.add_argument('--bodies', type=int, default=2)
    parser.add_argument('--steps', type=int, default=2)
    add_device(parser)
    parser.add_argument('--way', choices=['one by one', 'at once', 'one stream'], help='internal')
    return parser.parse_args()


def peak(device: str) -> float:
    """Peak memory of this process so far, in MiB."""
    if device == 'cpu':
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return torch.cuda.max_memory_allocated(device) / 2**20


def measure_way(args: argparse.Namespace) -> dict:
    """Peak memory above the start in MiB, and seconds per step, of one variant."""
    torch.manual_seed(0)
    modalities = ['joint', 'bone', 'motion'] if args.way != 'one stream' else ['joint']
    model = MODELS.build(
        dict(
            type='MVDeepRank',
            backbone=BACKBONES[args.backbone],
            head=dict(type='RankHead', in_channels=256),
            data_preprocessor=dict(type='SkeletonPreprocessor', modality=modalities),
            views=['self', 'other', 'all'] if len(modalities) > 1 else ['self'],
            one_by_one=args.way == 'one by one',
        )
    ).to(args.device)
    number = args.batch_size
    names = [str(index) for index in range(number)]
    model.relabel(torch.randn(number, len(modalities), 256), names)
    batch = dict(
        inputs=[torch.randn(1, args.bodies, args.frames, 25, 3) for _ in names],
        data_samples=[
            ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=name))
            for i, name in enumerate(names)
        ],
    )
    before, times = peak(args.device), []
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        model.zero_grad()
        data = model.data_preprocessor(batch, True)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        loss.backward()
        synchronize()
        times.append(time.perf_counter() - start)
    return dict(mib=peak(args.device) - before, seconds=min(times[1:]), loss=float(loss))


def main() -> None:
    """Measure every variant in its own process and print the ratios."""
    args = parse_args()
    if args.way:
        print(json.dumps(measure_way(args)))
        return
    found = {}
    for way in ('one stream', 'one by one', 'at once'):
        command = [sys.executable, __file__, *sys.argv[1:], '--way', way]
        # freed tensors return to the system at once, so the peak counts live ones only
        environment = dict(os.environ, MALLOC_MMAP_THRESHOLD_='65536')
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode:
            sys.exit(result.stderr)
        found[way] = json.loads(result.stdout.strip().splitlines()[-1])
    print(
        f'{args.backbone}, batch {args.batch_size}, {args.frames} frames, {args.bodies} bodies, '
        f'{args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}'
    )
    base = found['one stream']
    print(f'{"":<12} {"MiB":>9} {"ratio":>6} {"s/step":>8} {"ratio":>6}')
    for way, measured in found.items():
        print(
            f'{way:<12} {measured["mib"]:9.0f} {measured["mib"] / base["mib"]:6.2f} '
            f'{measured["seconds"]:8.2f} {measured["seconds"] / base["seconds"]:6.2f}'
        )
    if args.out:
        args.out.write_text(json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
    main()
