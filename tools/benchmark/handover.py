#!/usr/bin/env python
"""What it costs the main process to take batches from a loader's workers.

Workers send packed clips that take no time to make. 'list' collates with MMEngine's pseudo_collate
and copies each tensor to the device by itself, as MMAction2 does; 'stacked' is stack_samples with
SkeletonPreprocessor. Counted is the processor time of the main process, from the socket to the
model's input, so other processes on the machine matter little. With --frames 64 120 sequences
differ in length, as for data_preprocessor.augment.

Example:
    python tools/benchmark/handover.py --batches 60
"""

import argparse
import time
from typing import Dict, List

import torch
from common import add_device, conditions, make_parser, print_table, write_json
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

import deeprank_plugin  # noqa: F401
from deeprank_plugin.datasets import stack_samples

TITLE = 'Hand-over of batches'


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--batch-size', type=int, default=64, help='B (%(default)s)')
    parser.add_argument('--batches', type=int, default=40, help='of each round (%(default)s)')
    parser.add_argument('--rounds', type=int, default=3, help='of each way (%(default)s)')
    parser.add_argument('--frames', type=int, nargs='+', default=[120], help='T, in turn (120)')
    parser.add_argument('--workers', type=int, default=1, help='(%(default)s)')
    add_device(parser)
    parser.add_argument('--tiny', action='store_true', help='to see that it runs, in seconds')
    args = parser.parse_args()
    if args.tiny:
        args.batch_size, args.batches, args.rounds = 3, 2, 1
        args.frames = [min(frames, 4 + index) for index, frames in enumerate(args.frames)]
    return args


class Clips(Dataset):
    """Packed clips of two bodies that exist already."""

    def __init__(self, number: int, frames: List[int]) -> None:
        self.number = number
        self.clips = [torch.randn(1, 2, length, 25, 3) for length in frames]

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> Dict:
        sample = ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=f's{index}', split='t'))
        sample.set_gt_label(index % 60)
        return dict(inputs=self.clips[index % len(self.clips)].clone(), data_samples=sample)


def move_one_by_one(batch: Dict, device: str) -> None:
    """Each tensor of the batch to the device, then one tensor of all where they are equal."""
    inputs = [sequence.to(device) for sequence in batch['inputs']]
    for sample in batch['data_samples']:
        sample.to(device)
    if len({sequence.shape for sequence in inputs}) == 1:
        torch.stack(inputs)


def measure_round(way: str, args: argparse.Namespace) -> float:
    """Milliseconds of the main process for a batch, without the workers' start."""
    preprocessor = MODELS.build(dict(type='SkeletonPreprocessor')).to(args.device)
    loader = DataLoader(
        Clips((args.batches + 1) * args.batch_size, args.frames),
        batch_size=args.batch_size,
        num_workers=args.workers,
        collate_fn=stack_samples if way == 'stacked' else pseudo_collate,
        pin_memory=way == 'stacked',
    )
    batches = iter(loader)
    next(batches)
    start = time.process_time()
    for batch in batches:
        if way == 'stacked':
            preprocessor.cast_data(batch)
        else:
            move_one_by_one(batch, args.device)
    return 1000 * (time.process_time() - start) / args.batches


def main() -> None:
    """Measure both ways in turn, print and write."""
    args = parse_args()
    init_default_scope('mmaction')
    times: Dict[str, List[float]] = {'list': [], 'stacked': []}
    for _ in range(args.rounds):
        for way, found in times.items():
            found.append(measure_round(way, args))
    rows = [
        dict(way=way, ms_per_batch=min(found), samples_s=1000 * args.batch_size / min(found))
        for way, found in times.items()
    ]
    for row in rows:
        row['ratio'] = rows[0]['ms_per_batch'] / row['ms_per_batch']
    print_table(TITLE, ['way', 'ms_per_batch', 'samples_s', 'ratio'], rows)
    options = {name: value for name, value in vars(args).items() if name != 'out'}
    write_json(args.out, TITLE, dict(conditions(), **options), rows)


if __name__ == '__main__':
    main()
