#!/usr/bin/env python
"""Long recordings and live streams on one core: windows per second, and latency of a frame.

'batch N' names a recording offline, N windows at once. 'push' takes frames one by one; most only
enter the buffer (store), every stride one also classifies the last window of all persons (classify:
median and 99th percentile). Networks have random weights, on which speed does not depend; windows
of 2 seconds at 30 frames per second become the clip of the config.

Example:
    python tools/benchmark/streaming.py --networks stgcn sttformer --persons 1 2
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Dict, List

import numpy as np
import torch
from common import conditions, make_parser, measure, print_table, write_json
from mmengine.model import BaseModel

from deeprank_plugin.apis import StreamRecognizer, init_model
from deeprank_plugin.apis.inputs import pack_recordings
from deeprank_plugin.apis.windows import Place, Windows, place_windows, score_windows, size_windows
from deeprank_plugin.engine.memory import keep_freed_memory

TITLE = 'Windows and frames of a stream, one core'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'finetune'
NETWORKS = ('stgcn-w16', 'sttformer-s', 'stgcn', 'sttformer')
TINY = {'model.backbone.base_channels': 4, 'model.cls_head.in_channels': 16}
WINDOW, STRIDE, FPS = 2.0, 0.5, 30


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument('--batch-sizes', type=int, nargs='+', default=[1, 8, 32], help='(1 8 32)')
    parser.add_argument('--persons', type=int, nargs='+', default=[1, 2], help='(1 2)')
    parser.add_argument('--repeats', type=int, default=3, help='of each recording (%(default)s)')
    parser.add_argument(
        '--ticks', type=int, default=100, help='frames timed that classify (%(default)s)'
    )
    parser.add_argument('--tiny', action='store_true', help='a narrow network, to try the program')
    args = parser.parse_args()
    if args.tiny:
        args.networks, args.batch_sizes, args.persons = ['stgcn-w16'], [1, 2], [1, 2]
        args.repeats, args.ticks = 1, 3
    return args


def build(network: str, tiny: bool) -> BaseModel:
    """A finetuning config's network for NTU RGB+D 60, with random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # no checkpoint
        config = CONFIGS / f'{network}_scratch.py'
        return init_model(config, cfg_options=TINY if tiny else None)


def make_recording(persons: int, frames: int) -> np.ndarray:
    """Persons of human size, three metres apart, who shake: (M, T, 25, 3)."""
    keypoint = np.random.default_rng(0).normal(scale=0.02, size=(persons, frames, 25, 3))
    keypoint[..., 1] += np.linspace(-0.85, 0.85, 25)
    keypoint[..., (3, 15, 19), 1] = 0.8, -0.8, -0.8  # head above the feet
    keypoint[..., 0] += 3 * np.arange(persons)[:, None, None]
    return keypoint.astype(np.float32)


def measure_windows(model: BaseModel, sizes: List[int], repeats: int) -> List[Dict]:
    """Windows per second of a recording, in batches of each size."""
    size = size_windows(WINDOW, STRIDE, FPS, None)
    number = max(sizes)
    infos, _, rules = pack_recordings(
        model, make_recording(1, size.frames + (number - 1) * size.step)
    )
    bounds = place_windows(infos[0]['keypoint'].shape[1], size)
    windows = Windows(infos, [Place(0, (0,), *each) for each in bounds], rules.num_person)
    ways = {f'batch {n}': lambda n=n: score_windows([model], windows, n) for n in sizes}
    seconds, busy = measure(ways, repeats), {}
    for way, function in ways.items():
        start = time.process_time()
        function()
        busy[way] = time.process_time() - start
    return [
        dict(way=way, windows_s=number / value, windows_cpu_s=number / busy[way])
        for way, value in seconds.items()
    ]


def measure_push(model: BaseModel, persons: int, ticks: int) -> Dict:
    """Milliseconds of ``push``: of frames that are stored, and of those that also classify."""
    recognizer = StreamRecognizer(model, WINDOW, STRIDE, FPS)
    size = recognizer.size
    frames = make_recording(persons, size.frames + ticks * size.step).swapaxes(0, 1)
    stored, classified, busy = [], [], []
    for number, frame in enumerate(frames):
        start, start_busy = time.perf_counter(), time.process_time()
        recognizer.push(frame)
        spent = 1000 * (time.perf_counter() - start)
        due = number + 1 - size.frames
        if due > 0 and due % size.step == 0:
            classified.append(spent)
            busy.append(1000 * (time.process_time() - start_busy))
        elif due != 0:  # the first window is a warm-up
            stored.append(spent)
    return dict(
        way=f'push, {persons} persons' if persons > 1 else 'push, 1 person',
        windows_s=1000 * persons / float(np.median(classified)),
        windows_cpu_s=1000 * persons / float(np.median(busy)),
        store_ms=float(np.median(stored)),
        classify_ms=float(np.median(classified)),
        classify_p99_ms=float(np.percentile(classified, 99)),
        classify_cpu_ms=float(np.median(busy)),
    )


def main() -> None:
    """Measure and print."""
    args = parse_args()
    torch.set_num_threads(1)
    kept = keep_freed_memory()
    rows = []
    for network in args.networks:
        model = build(network, args.tiny)
        found = measure_windows(model, args.batch_sizes, args.repeats)
        found += [measure_push(model, persons, args.ticks) for persons in args.persons]
        rows += [dict(network=network, **row) for row in found]
    print_table(TITLE, list(rows[-1]), rows)
    print('cpu: by processor time, which other processes do not lengthen')
    print(f'A stream of one person needs {1 / STRIDE:g} windows per second.')
    context = dict(conditions(), window=WINDOW, stride=STRIDE, fps=FPS, memory_kept=kept)
    write_json(args.out, TITLE, context, rows)


if __name__ == '__main__':
    main()
