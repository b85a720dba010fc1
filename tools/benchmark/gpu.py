#!/usr/bin/env python
"""A GPU at the paper's size (batch 64, 120 frames, 2 bodies): speed, memory, and projected hours.

steps       a training step of DeepRank: samples a second, utilisation, memory, in each precision
share       share of the ranking loss, labels included, in that step
mv          MV-DeepRank's step and memory: encoders one by one, and all at once
waits       how often the host waits for the GPU in a training step, and where; none is wanted
extraction  extraction by RelabelHook against a bare loop
loader      samples a second that the loader hands over, and how long a training waits for it
hours       projected hours of each row of Table IV, from what was measured before

Data and labels are random. Each part is a table; all of them are meant to fit into 350 s on one
GPU. A part that fails is reported, and the others run. --tiny makes everything small, for a CPU.

Example:
    python tools/benchmark/gpu.py --out work_dirs/gpu.json
    python tools/benchmark/gpu.py --only steps hours --networks stgcn
    python tools/benchmark/gpu.py --device cpu --tiny
"""

import argparse
import logging
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import gpu_hours
import torch
from common import add_device, conditions, make_parser, print_table, synchronize, write_json
from gpu_measuring import Found, Watch, count_waits, free_memory, is_gpu, measure_busy
from growth import write_random
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import FUNCTIONS, init_default_scope
from mmengine.runner import Runner
from relabelling import RandomSequences, bare_loop
from torch import nn
from torch.utils.data import DataLoader

import deeprank_plugin  # noqa: F401
from deeprank_plugin.engine.extraction import extract_split
from deeprank_plugin.engine.hooks.compile_hook import find_encoders
from deeprank_plugin.models.utils import pairwise_distances

TITLE = 'One GPU at the size of the paper'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
METHODS = dict(DeepRank='deeprank/deeprank_{}.py', MVDeepRank='mv_deeprank/mv-deeprank_{}.py')
TINY = dict(
    stgcn=dict(base_channels=4, num_stages=2),
    sttformer=dict(blocks=[[4, 4, 2]]),
)


class Way(NamedTuple):
    """How a step is computed: TF32 in products and convolutions, autocast, compiled encoders."""

    products: bool = False
    convolutions: bool = True
    bf16: bool = False
    compiled: bool = False


WAYS = dict(
    default=Way(),  # PyTorch's own setting: TF32 in convolutions only
    fp32=Way(convolutions=False),
    tf32=Way(products=True),
    bf16=Way(bf16=True),
    bf16_compiled=Way(bf16=True, compiled=True),
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--only', nargs='+', choices=PARTS, default=list(PARTS), metavar='PART')
    parser.add_argument('--networks', nargs='+', choices=TINY, default=list(TINY))
    parser.add_argument('--ways', nargs='+', choices=WAYS, default=list(WAYS))
    parser.add_argument('--workers', type=int, nargs='+', default=[4, 12], help='of the loader')
    parser.add_argument('--seconds', type=float, default=2.0, help='of a measurement (2)')
    add_device(parser)
    parser.add_argument('--tiny', action='store_true', help='small networks and batches')
    args = parser.parse_args()
    args.batch, args.frames, args.sequences = (6, 12, 24) if args.tiny else (64, 120, 4096)
    if args.tiny:
        args.workers, args.seconds = [0], 0.0
    return args


# ------------------------------------------------------------------ models and data


def read(method: str, network: str) -> Config:
    """The config of a method and a network."""
    return Config.fromfile(CONFIGS / METHODS[method].format(network))


def build(args: argparse.Namespace, method: str, network: str, **changes) -> nn.Module:
    """A model of a config in training mode, with a filled bank."""
    cfg = read(method, network).model
    cfg.update(changes)
    if args.tiny:
        cfg.backbone.update(TINY[network])
        cfg.head.update(in_channels=4, hidden_channels=4)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    model.to(args.device).train()
    width = cfg.head.in_channels
    shape = (args.batch, 3, width) if model.several_modalities else (args.batch, width)
    model.relabel(torch.randn(shape, device=args.device), [f's{i}' for i in range(args.batch)])
    return model


def make_batch(args: argparse.Namespace) -> Dict:
    """A batch as the loader of the configs gives it: one body in four of five sequences."""
    samples = []
    for index in range(args.batch):
        keypoint = torch.randn(1, 2, args.frames, 25, 3)
        keypoint[:, 1] *= index % 5 == 0
        sample = ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=f's{index}'))
        sample.set_gt_label(index % 60)
        samples.append(dict(inputs=keypoint, data_samples=sample))
    batch = collate_function(read('DeepRank', 'stgcn').train_dataloader)(samples)
    if is_gpu(args.device):  # from ordinary memory a copy would make each step wait
        batch['inputs'] = batch['inputs'].pin_memory()
    return batch


def collate_function(loader: Dict) -> Callable:
    """The collate function that a loader's config names."""
    return FUNCTIONS.get(loader.get('collate_fn', dict(type='pseudo_collate'))['type'])


def make_step(args: argparse.Namespace, model: nn.Module, way: Way) -> Callable[[Dict], None]:
    """A training step on a batch of the loader, in one of the ways."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    torch.backends.cuda.matmul.allow_tf32 = way.products
    torch.backends.cudnn.allow_tf32 = way.convolutions
    if way.compiled:
        torch._dynamo.reset()
        for encoder in find_encoders(model):
            encoder.compile(backend='aot_eager' if args.tiny else 'inductor')

    def step(batch: Dict) -> None:
        with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=way.bf16):
            losses = model(**model.data_preprocessor(batch, True), mode='loss')
        model.parse_losses(losses)[0].backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


# ------------------------------------------------------------------ parts


def measurer(args: argparse.Namespace) -> Callable[[Callable], Found]:
    """:func:`measure_busy` with the settings of the command line."""
    return partial(measure_busy, device=args.device, seconds=args.seconds)


def steps(args: argparse.Namespace) -> List[Dict]:
    """A training step of DeepRank."""
    rows, batch, measure = [], make_batch(args), measurer(args)
    for network in args.networks:
        for way in args.ways:
            model = build(args, 'DeepRank', network)
            step = make_step(args, model, WAYS[way])
            whole = measure(lambda step=step: step(batch))
            moved = measure(lambda model=model: model.data_preprocessor(batch, True))
            row = dict(part='steps', network=network, way=way, step_ms=whole.ms)
            row.update(samples_s=1000 * args.batch / whole.ms, to_device_ms=moved.ms)
            row.update(busy_percent=whole.busy, peak_mib=whole.mib)
            slowest = next(
                (r for r in rows if r['network'] == network and r['way'] == 'fp32'), None
            )
            if slowest is not None:
                row['to_fp32'] = slowest['step_ms'] / whole.ms
            rows.append(row)
            del model, step
            free_memory(args.device)
    return rows


def share(args: argparse.Namespace) -> List[Dict]:
    """The ranking loss in a step, with PyTorch's default precision."""
    rows, batch, measure = [], make_batch(args), measurer(args)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=f's{index}'))
        for index in range(args.batch)
    ]
    for network in args.networks:
        model = build(args, 'DeepRank', network)
        features = torch.randn(args.batch, model.head.in_channels, device=args.device)
        features.requires_grad_()

        def rank(model=model, features=features) -> None:
            distances = pairwise_distances(model.label_features(samples))
            model.head.loss(features, distances)['loss_rank'].backward()

        step = make_step(args, model, WAYS['default'])
        whole = measure(lambda step=step: step(batch)).ms
        alone = measure(rank).ms
        row = dict(part='share', network=network, step_ms=whole, ranking_ms=alone)
        rows.append(dict(row, share_percent=100 * alone / whole))
    return rows


def mv(args: argparse.Namespace) -> List[Dict]:
    """A training step of MV-DeepRank."""
    rows, batch, measure = [], make_batch(args), measurer(args)
    for network in args.networks:
        for one_by_one in (True, False):
            name = 'one by one' if one_by_one else 'at once'
            row = dict(part='mv', network=network, encoders=name)
            try:
                model = build(args, 'MVDeepRank', network, one_by_one=one_by_one)
                step = make_step(args, model, WAYS['default'])
                whole = measure(lambda step=step: step(batch))
                row.update(step_ms=whole.ms, samples_s=1000 * args.batch / whole.ms)
                row.update(peak_mib=whole.mib)
            except torch.cuda.OutOfMemoryError:
                row['problem'] = 'out of memory'
            rows.append(row)
            model = step = None
            free_memory(args.device)
    return rows


def waits(args: argparse.Namespace) -> List[Dict]:
    """How often the host waits for the GPU in a training step, and where."""
    rows, batch, network = [], make_batch(args), args.networks[0]
    for method in METHODS:
        step = make_step(args, build(args, method, network), WAYS['default'])
        found = count_waits(lambda step=step: step(batch), args.device)
        number = None if found is None else sum(found.values())
        row = dict(part='waits', method=method, network=network, waits=number)
        rows.append(dict(row, places=', '.join(found or ()) or None))
    return rows


def extraction(args: argparse.Namespace) -> List[Dict]:
    """A pass over sequences that take no time to load, whose number is a few dozen batches."""
    rows = []
    for network in args.networks:
        model = build(args, 'DeepRank', network)
        data = RandomSequences(args.sequences, args.frames, bodies=2)
        collate = collate_function(read('DeepRank', network).val_dataloader)
        options = dict(num_workers=args.workers[-1], pin_memory=is_gpu(args.device))
        loader = DataLoader(data, args.batch, collate_fn=collate, **options)
        runner = SimpleNamespace(model=model, call_hook=lambda name: None)
        bare_loop(model, loader)  # cuDNN's choices, and the first start of the workers
        seconds = {}
        for name, way in dict(
            bare=lambda m=model, x=loader: bare_loop(m, x),
            hook=lambda r=runner, x=loader: extract_split(r, x),
        ).items():
            synchronize()
            start = time.perf_counter()
            way()
            synchronize()
            seconds[name] = time.perf_counter() - start
        row = dict(part='extraction', network=network, samples_s=args.sequences / seconds['hook'])
        rows.append(dict(row, to_bare_loop=seconds['bare'] / seconds['hook']))
        del model
        free_memory(args.device)
    return rows


def loader(args: argparse.Namespace) -> List[Dict]:
    """The training loader of the config on an annotation file of random sequences."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'random.npz'
        write_random(path, args.sequences, frames=100)
        for workers in args.workers:
            cfg = read('DeepRank', 'stgcn').train_dataloader
            cfg.update(batch_size=args.batch, num_workers=workers)
            cfg.update(persistent_workers=workers > 0, drop_last=True)
            cfg.dataset.update(ann_file=str(path), split='train', holdout=None, metainfo=None)
            cfg.dataset.pipeline[1].clip_len = args.frames
            for name, way in dict(alone=None, training=WAYS['default']).items():
                batches, step = Runner.build_dataloader(cfg), None
                if way is not None:
                    model = build(args, 'DeepRank', 'stgcn')
                    bank = torch.rand(args.sequences, model.head.in_channels, device=args.device)
                    model.relabel(bank, list(batches.dataset.sample_names))
                    step = make_step(args, model, way)
                row = dict(part='loader', workers=workers, what=name)
                rows.append(dict(row, **follow(args, batches, step)))
    return rows


def follow(args: argparse.Namespace, batches: DataLoader, step: Optional[Callable]) -> Dict:
    """Two epochs of a loader; the first batch, which starts the workers, is not counted."""
    waited, number, watch = 0.0, -1, None
    for _ in range(2):
        iterator = iter(batches)
        for _ in range(len(batches)):
            asked = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - asked
            if step is not None:
                step(batch)
            number += 1
            if number == 0:
                synchronize()
                watch = Watch(step is not None and is_gpu(args.device))
                waited, start, busy = 0.0, time.perf_counter(), time.process_time()
    synchronize()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return dict(
        samples_s=number * args.batch / seconds,
        main_process_ms=1000 * busy / number,
        data_time_percent=None if step is None else 100 * waited / seconds,
        busy_percent=watch.stop(),
    )


PARTS: Dict[str, Tuple[Optional[Callable], str]] = dict(
    steps=(steps, 'A training step of DeepRank'),
    share=(share, 'The ranking loss in a step'),
    mv=(mv, 'A training step of MV-DeepRank'),
    waits=(waits, 'Waits of the host in a training step'),
    extraction=(extraction, 'Extraction by RelabelHook'),
    loader=(loader, 'The loader, alone and in a training'),
    hours=(None, 'Projected hours of Table IV, one seed, NTU RGB+D 60'),
)


def main() -> None:
    """Measure the chosen parts, print their tables and write them."""
    args = parse_args()
    init_default_scope('mmaction')
    logging.disable(logging.WARNING)  # what models and data sets say about themselves
    context = dict(conditions(), device=args.device, tiny=args.tiny)
    context.update(batch=args.batch, frames=args.frames)
    print(', '.join(f'{key} {value}' for key, value in context.items()))
    found: Dict[str, List[Dict]] = {}
    failed = []
    for name in args.only:
        function, title = PARTS[name]
        start = time.perf_counter()
        try:
            rows = gpu_hours.project(found, CONFIGS) if function is None else function(args)
        except Exception as error:  # the others are still worth their time
            failed.append(name)
            print(f'\n{title}: failed, {type(error).__name__}: {error}', flush=True)
            continue
        found[name] = rows
        columns = [key for row in rows for key in row if key != 'part']
        print_table(title, list(dict.fromkeys(columns)), rows)
        print(f'{time.perf_counter() - start:.0f} s', flush=True)
        write_json(args.out, TITLE, context, [row for part in found.values() for row in part])
    aims = [] if args.tiny else gpu_hours.compare_with_aims(found)
    if aims:
        print_table('Aims', list(aims[0]), aims)
    rows = [row for part in found.values() for row in part]
    write_json(args.out, TITLE, context, [*rows, *aims])
    if failed:
        sys.exit(f'error: failed: {", ".join(failed)}')


if __name__ == '__main__':
    main()
