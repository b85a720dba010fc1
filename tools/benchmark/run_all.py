#!/usr/bin/env python
"""All benchmarks, short, one after the other, and what each was to reach (`make bench`).

Each runs in a process of its own and writes its table to <out-dir>/<benchmark>.txt and its figures
to <out-dir>/<benchmark>.json. A benchmark that fails is named, and the exit code is then 1; an aim
that is missed is no failure. They run on one thread, unless OMP_NUM_THREADS says otherwise.

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
# options by which all take under ten minutes on two quiet cores
OPTIONS = dict(
    ranking_loss='--sizes 64 256 512 --repeats 1 --step-batch 4',
    input_pipeline='--profile',
    absent_bodies='--repeats 2',
    sttformer_speed='--repeats 2',
    relabelling='--width 16 --clusters 8 64',
    growth='',
    stream_memory='--batch-size 3 --frames 60 --steps 1',
    annotation_loading='--number 4000',
)


class Aim(NamedTuple):
    """What a benchmark was to reach.

    Attributes:
        benchmark: Its name.
        what: In words.
        at_least: The bound; of a negative one, its absolute value is the most.
        find: The figure, from the rows of the benchmark.
    """

    benchmark: str
    what: str
    at_least: float
    find: Callable[[List[Dict]], float]


def pick(key: str, **having: object) -> Callable[[List[Dict]], float]:
    """A figure of the first row that has some values."""

    def find(rows: List[Dict]) -> float:
        return next(r[key] for r in rows if all(r.get(k) == v for k, v in having.items()))

    return find


AIMS = [
    Aim('ranking_loss', 'time of gathering / ours', 100, pick('time_ratio', way='gathered')),
    Aim('ranking_loss', 'memory of gathering / ours', 50, pick('memory_ratio', way='gathered')),
    Aim('ranking_loss', '% of a step, B = 64', -2, pick('share_percent', step='scaled')),
    Aim('input_pipeline', 'MMAction2 / ours', 15, pick('ratio_to_ours', pipeline='MMAction2')),
    Aim('input_pipeline', 'PyTorch / ours', 3, pick('ratio_to_ours', pipeline='plain PyTorch')),
    Aim(
        'absent_bodies',
        'all / once, ST-GCN',
        1.6,
        pick('ratio', backbone='ST-GCN', data='one person'),
    ),
    Aim(
        'absent_bodies',
        'all / once, STTFormer',
        1.6,
        pick('ratio', backbone='STTFormer', data='one person'),
    ),
    Aim(
        'absent_bodies',
        'largest difference',
        -1e-6,
        lambda rows: max(row['difference'] for row in rows),
    ),
    Aim('relabelling', 'throughput / bare loop', 0.9, pick('throughput', way='hook')),
]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--only', nargs='+', choices=OPTIONS, default=list(OPTIONS), metavar='NAME')
    parser.add_argument('--options', help='for those that run, in place of the short set')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/benchmark'))
    return parser.parse_args()


def run(name: str, options: str, folder: Path) -> Optional[List[Dict]]:
    """One benchmark; the rows of its table, None if it failed."""
    print(f'{name} {options}'.strip(), end=' ... ', flush=True)
    start = time.perf_counter()
    out = folder / f'{name}.json'
    out.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / f'{name}.py'), *options.split(), '--out', str(out)]
    # several threads wait for each other where anything else runs: the figures then mean nothing
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
    """Run, compare with the aims, write."""
    args = parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    told = conditions()
    print(', '.join(f'{key} {value}' for key, value in told.items()))
    found = {
        name: run(name, OPTIONS[name] if args.options is None else args.options, args.out_dir)
        for name in args.only
    }
    rows = []
    for aim in AIMS:
        if found.get(aim.benchmark):
            value = aim.find(found[aim.benchmark])
            met = value >= aim.at_least if aim.at_least > 0 else value <= -aim.at_least
            sign = '>=' if aim.at_least > 0 else '<='
            bound = f'{sign} {abs(aim.at_least):g}'
            rows.append(
                dict(
                    benchmark=aim.benchmark,
                    figure=aim.what,
                    aim=bound,
                    measured=value,
                    met='yes' if met else 'NO',
                )
            )
    if rows:
        print_table('What was to be reached', list(rows[0]), rows)
    write_json(args.out or args.out_dir / 'aims.json', 'Aims', told, rows)
    failed = [name for name, result in found.items() if result is None]
    if failed:
        sys.exit(f'error: failed: {", ".join(failed)}; see {args.out_dir}')


if __name__ == '__main__':
    main()
