#!/usr/bin/env python
"""Short versions of all benchmarks, compared with their targets (`make bench`).

Each runs in a separate process and writes its table to <out-dir>/<benchmark>.txt and its results to
<out-dir>/<benchmark>.json. If a benchmark fails, it is named and the exit code is 1; a missed
target is not a failure. They use one thread unless OMP_NUM_THREADS is set.

Example:
    python tools/benchmark/run_all.py --only input_pipeline ranking_loss
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional

from common import conditions, make_parser, print_table, write_json

HERE = Path(__file__).resolve().parent
# with these options, all take under ten minutes on two idle cores
OPTIONS = dict(
    ranking_loss='--sizes 64 256 512 --repeats 1 --step-batch 4',
    input_pipeline='--profile',
    handover='',
    absent_bodies='--repeats 2',
    sttformer_speed='--repeats 2',
    relabelling='--width 16 --clusters 8 64',
    growth='',
    stream_memory='--batch-size 3 --frames 60 --steps 1',
    annotation_loading='--number 4000',
    streaming='--networks stgcn-w16 sttformer-s --repeats 1 --ticks 20',
)


class Target(NamedTuple):
    """A target for a benchmark.

    Attributes:
        benchmark: Its name.
        what: The measured quantity, in words.
        at_least: Lower bound; if negative, its absolute value is an upper bound.
        find: Function from the rows of the benchmark to the measured value.
    """

    benchmark: str
    what: str
    at_least: float
    find: Callable[[List[Dict]], float]


def pick(key: str, **having: object) -> Callable[[List[Dict]], float]:
    """A function that returns a value of the first row that matches."""

    def find(rows: List[Dict]) -> float:
        return next(r[key] for r in rows if all(r.get(k) == v for k, v in having.items()))

    return find


SHARE = pick('share_percent', part='share of a step', batch=64)
TARGETS = [
    Target('ranking_loss', 'time of gathering / ours', 100, pick('time_ratio', way='gathered')),
    Target('ranking_loss', 'memory of gathering / ours', 50, pick('memory_ratio', way='gathered')),
    Target('ranking_loss', '% of a step, B = 64', -2, SHARE),
    Target('input_pipeline', 'MMAction2 / ours', 15, pick('ratio_to_ours', pipeline='MMAction2')),
    Target('input_pipeline', 'PyTorch / ours', 3, pick('ratio_to_ours', pipeline='plain PyTorch')),
    Target('handover', 'list / stacked, main process', 8, pick('ratio', way='stacked')),
    Target(
        'absent_bodies',
        'all / once, ST-GCN',
        1.6,
        pick('ratio', backbone='ST-GCN', data='one person'),
    ),
    Target(
        'absent_bodies',
        'all / once, STTFormer',
        1.6,
        pick('ratio', backbone='STTFormer', data='one person'),
    ),
    Target(
        'absent_bodies',
        'largest difference',
        -1e-6,
        lambda rows: max(row['difference'] for row in rows),
    ),
    Target('relabelling', 'throughput / bare loop', 0.9, pick('throughput', way='hook')),
]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--only', nargs='+', choices=OPTIONS, default=list(OPTIONS), metavar='NAME')
    parser.add_argument('--options', help='options for the chosen benchmarks, not the short ones')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/benchmark'))
    return parser.parse_args()


def run_benchmark(name: str, options: str, folder: Path) -> Optional[List[Dict]]:
    """Run one benchmark; returns the rows of its table, None if it failed."""
    print(f'{name} {options}'.strip(), end=' ... ', flush=True)
    start = time.perf_counter()
    out = folder / f'{name}.json'
    out.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / f'{name}.py'), *options.split(), '--out', str(out)]
    # with other load, threads wait for each other, which makes timings meaningless
    environment = dict(os.environ)
    environment.setdefault('OMP_NUM_THREADS', '1')
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    (folder / f'{name}.txt').write_text(result.stdout + result.stderr)
    print(f'{time.perf_counter() - start:.0f} s', flush=True)
    if result.returncode:
        print(result.stderr.strip()[-2000:])
        return None
    print(result.stdout)
    content = json.loads(out.read_text())
    return content['rows'] if 'rows' in content else []


def main() -> None:
    """Run, compare with the targets, write."""
    args = parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    context = conditions()
    print(', '.join(f'{key} {value}' for key, value in context.items()))
    found = {
        name: run_benchmark(
            name, OPTIONS[name] if args.options is None else args.options, args.out_dir
        )
        for name in args.only
    }
    rows = []
    for target in TARGETS:
        if found.get(target.benchmark):
            value = target.find(found[target.benchmark])
            met = value >= target.at_least if target.at_least > 0 else value <= -target.at_least
            sign = '>=' if target.at_least > 0 else '<='
            bound = f'{sign} {abs(target.at_least):g}'
            rows.append(
                dict(
                    benchmark=target.benchmark,
                    quantity=target.what,
                    target=bound,
                    measured=value,
                    met='yes' if met else 'NO',
                )
            )
    if rows:
        print_table('Targets', list(rows[0]), rows)
    write_json(args.out or args.out_dir / 'targets.json', 'Targets', context, rows)
    failed = [name for name, result in found.items() if result is None]
    if failed:
        sys.exit(f'error: failed: {", ".join(failed)}; see {args.out_dir}')


if __name__ == '__main__':
    main()
