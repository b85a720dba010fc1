#!/usr/bin/env python
"""Growth of start-up time, memory, bank and relabelling with the number of sequences.

Random one-person sequences are written as .npz; each number is measured in a separate process:
seconds to build the data set, resident memory beyond the imports, MiB of the feature bank, seconds
to fill it, and milliseconds to read the labels of a batch of 64 from it.

Example:
    python tools/benchmark/growth.py --numbers 1000 10000 100000
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict

import numpy as np
import torch
from common import conditions, make_parser, measure, print_table, resident, write_json

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.models.utils import FeatureBank, pairwise_distances

TITLE = 'Growth with the number of sequences'
BATCH = 64


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--numbers', type=int, nargs='+', default=[1000, 10000, 100000])
    parser.add_argument('--frames', type=int, default=30, help='of a sequence (%(default)s)')
    parser.add_argument('--channels', type=int, default=256, help='D of the bank (%(default)s)')
    parser.add_argument('--measure', type=Path, metavar='FILE', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if min(args.numbers) < BATCH:
        parser.error(f'expected --numbers from {BATCH}, a batch')
    return args


def write_random(path: Path, number: int, frames: int) -> None:
    """Write a file of random sequences."""
    rng = np.random.default_rng(0)
    names = [f's{index:06d}' for index in range(number)]
    annotations = [
        dict(
            frame_dir=name,
            label=index % 10,
            total_frames=frames,
            keypoint=rng.standard_normal((1, frames, 25, 3), dtype=np.float32),
        )
        for index, name in enumerate(names)
    ]
    write_npz(dict(split=dict(train=names), annotations=annotations), path)


def measure_number(path: Path, channels: int) -> Dict[str, float]:
    """Measure one number of sequences in this process."""
    before = resident()
    start = time.perf_counter()
    dataset = SkeletonDataset(str(path), pipeline=[], split='train')
    built = time.perf_counter() - start
    memory = resident() - before
    names = list(dataset.sample_names)
    features = torch.randn(len(names), channels)
    start = time.perf_counter()
    bank = FeatureBank(names)
    bank.write(features)
    filled = time.perf_counter() - start
    rows = torch.randperm(len(names))[:BATCH].tolist()
    own = [names[row] for row in rows]
    seconds = measure(dict(read=lambda: pairwise_distances(bank.read(rows, own))), 20)
    return dict(
        number=len(names),
        start_s=built,
        memory_mib=memory,
        file_mib=path.stat().st_size / 2**20,
        bank_mib=bank.features.numel() * 4 / 2**20,
        relabel_s=filled,
        batch_ms=1000 * seconds['read'],
    )


def main() -> None:
    """Measure each number, print the table and write it."""
    args = parse_args()
    if args.measure:
        print(json.dumps(measure_number(args.measure, args.channels)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number in args.numbers:
            path = Path(folder) / f'{number}.npz'
            write_random(path, number, args.frames)
            command = [sys.executable, __file__, '--measure', str(path)]
            command += ['--channels', str(args.channels)]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                sys.exit(result.stderr)
            rows.append(json.loads(result.stdout.strip().splitlines()[-1]))
            path.unlink()
    print_table(TITLE, list(rows[0]), rows)
    write_json(args.out, TITLE, dict(conditions(), frames=args.frames), rows)


if __name__ == '__main__':
    main()
