#!/usr/bin/env python
"""Start-up time and memory of a data loader: annotation pickle against .npz.

Toy sequences are written in both formats. Each variant then runs in its own process: it builds
SkeletonDataset (timed), starts a DataLoader and runs one epoch (timed), with all workers still
alive afterwards. Memory is the proportional set size (PSS): a page shared by k processes counts 1/k
in each, so the values of all processes add up to the total use. 'anon' is the processes' own
memory, and 'file' are file pages, which the kernel may drop and read again, such as
the .npz's coordinates. Needs Linux.

Example:
    python tools/benchmark/annotation_loading.py --number 40000 --workers 4
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz, write_pickle
from deeprank_plugin.datasets.toy.actions import CLASS_NAMES, make_toy_actions

ROLLUP = '/proc/{}/smaps_rollup'
CAMERAS = 3
FORMATS = ('pickle', 'npz')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--number', type=int, default=40000, help='toy sequences (%(default)s)')
    parser.add_argument('--workers', type=int, default=2, help='of the data loader (%(default)s)')
    parser.add_argument(
        '--start',
        nargs='+',
        choices=['fork', 'spawn'],
        default=['fork', 'spawn'],
        help='of workers',
    )
    parser.add_argument('--dir', help='folder for the two files; default: the temporary one')
    parser.add_argument('--out', type=Path, help='write the results to this file')
    parser.add_argument('--write', type=Path, metavar='FILE', help=argparse.SUPPRESS)
    parser.add_argument('--measure', nargs=2, metavar=('FILE', 'START'), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.number < 2 * len(CLASS_NAMES) * CAMERAS or args.workers < 1:
        parser.error(f'expected --number from {2 * len(CLASS_NAMES) * CAMERAS}, --workers from 1')
    return args


def write_toy(args: argparse.Namespace) -> None:
    """Make the toy data once and write them in both formats."""
    performances = -(-args.number // (len(CLASS_NAMES) * CAMERAS))
    subjects = min(performances, 999)
    toy = make_toy_actions(subjects, -(-performances // subjects))
    annotations = toy['annotations'][: args.number]
    names = {annotation['frame_dir'] for annotation in annotations}
    split = {
        key: [name for name in members if name in names] for key, members in toy['split'].items()
    }
    content = dict(split=split, annotations=annotations)
    write_pickle(content, args.write.with_suffix('.pkl'))
    write_npz(content, args.write.with_suffix('.npz'))


def memory(process: object = 'self') -> dict:
    """Proportional set size of a process in MB: total, own memory, and file pages."""
    text = Path(ROLLUP.format(process)).read_text()
    fields = dict(line.split(':') for line in text.splitlines()[1:])
    names = dict(pss='Pss', anon='Pss_Anon', file='Pss_File')
    return {key: int(fields[name].split()[0]) * 1024 / 1e6 for key, name in names.items()}


def measure_loading(path: str, start: str, workers: int) -> dict:
    """Measure one variant in this process."""
    before = memory()
    began = time.perf_counter()
    dataset = SkeletonDataset(path, pipeline=[])
    built = time.perf_counter()
    loader = DataLoader(
        dataset,
        batch_size=16,
        num_workers=workers,
        multiprocessing_context=start,
        persistent_workers=True,
        collate_fn=pseudo_collate,
    )
    iterator = iter(loader)
    next(iterator)
    first = time.perf_counter()
    number = 16 + sum(len(batch['label']) for batch in iterator)
    ended = time.perf_counter()
    assert number >= len(dataset)
    each = [memory(worker.pid) for worker in loader._iterator._workers]
    main = memory()
    return dict(
        build_s=built - began,
        first_batch_s=first - built,
        epoch_s=ended - first,
        before=before,
        main=main,
        worker={key: sum(memories[key] for memories in each) / workers for key in main},
        total={key: main[key] + sum(memories[key] for memories in each) for key in main},
    )


def run_self(*arguments: object) -> str:
    """Run this program in a separate process."""
    command = [sys.executable, __file__, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return result.stdout


def main() -> None:
    """Write the files, measure every variant and print a table."""
    args = parse_args()
    if not Path(ROLLUP.format('self')).exists():
        exit_with_error('this system has no /proc/self/smaps_rollup (Linux from 4.14 has it).')
    if args.write:
        return write_toy(args)
    if args.measure:
        print(json.dumps(measure_loading(*args.measure, args.workers)))
        return None
    found = {}
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        toy = Path(folder) / 'toy'
        run_self('--number', args.number, '--write', toy)
        paths = dict(zip(FORMATS, (toy.with_suffix('.pkl'), toy.with_suffix('.npz'))))
        sizes = ', '.join(f'{name} {p.stat().st_size / 1e6:.0f} MB' for name, p in paths.items())
        print(f'{args.number} toy sequences, {args.workers} workers; {sizes}')
        for start in args.start:
            for name, path in paths.items():
                printed = run_self('--workers', args.workers, '--measure', path, start)
                found[f'{name}, {start}'] = json.loads(printed.strip().splitlines()[-1])
    print(f'{"":<15}{"time (s)":^30}{"PSS (MB): main":^23}{"a worker":^23}{"all processes":^23}')
    columns = ('build', '1st batch', 'epoch') + 3 * ('all', 'anon', 'file')
    print(f'{"":<15}' + ''.join(f'{c:>10}' if i < 3 else f'{c:>7} ' for i, c in enumerate(columns)))
    for name, measured in found.items():
        times = [measured[key] for key in ('build_s', 'first_batch_s', 'epoch_s')]
        sizes = [
            measured[part][key] for part in ('main', 'worker', 'total') for key in measured['main']
        ]
        print(
            f'{name:<15}'
            + ''.join(f'{value:10.2f}' for value in times)
            + ''.join(f'{value:7.0f} ' for value in sizes)
        )
    before = next(iter(found.values()))['before']['pss']
    print(f'A process with only the imports: {before:.0f} MB.')
    if args.out:
        args.out.write_text(json.dumps(found, indent=2) + '\n')


if __name__ == '__main__':
    main()
