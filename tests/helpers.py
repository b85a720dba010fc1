"""What several test files use: paths, ports, tools as programs, logs, and small runs."""

import json
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple, Union

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from deeprank_plugin.command_line import load_config

ROOT = Path(__file__).resolve().parents[1]

BACKBONE = dict(  # 4 features
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=4,
)
NAMES = [f's{index}' for index in range(6)]
SAMPLES = [
    ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=name)) for i, name in enumerate(NAMES)
]


def free_port() -> int:
    """A TCP port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def run_tool(tool, *arguments, cwd=None, timeout=300, **variables) -> subprocess.CompletedProcess:
    """Run a program, by its path below tools/ or from the root, to its end.

    Args:
        tool (str or Path): Such as 'train.py' or 'data/make_toy.py'.
        arguments: Its arguments, as strings or what makes strings.
        cwd (Path, optional): Folder that it runs in.
        timeout (float): Seconds after which it is ended. Defaults to 300.
        variables: Environment variables, besides those of the tests.
    """
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)],
        cwd=cwd,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def output_of(tool, *arguments, **options) -> str:
    """What :func:`run_tool` prints to stdout; it must end well."""
    result = run_tool(tool, *arguments, **options)
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-3000:]
    return result.stdout


def spawn(function, *args, processes) -> None:
    """``function(rank, *args)`` in several processes, forked from one that has the imports."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['torch', 'mmengine.runner', 'deeprank_plugin'])
    torch.multiprocessing.start_processes(
        function, args=args, nprocs=processes, start_method='forkserver'
    )


def read_logs(work_dir: Union[str, Path]) -> List[Dict]:
    """Log entries of all starts of a run, as if it had never been interrupted.

    Each start writes ``<time>/vis_data/scalars.json``. Steps after the checkpoint that the next
    start resumed from are logged again: the last entry counts. A truncated last line is skipped.

    Returns:
        list[dict]: Of a training step with 'step' its iteration, of a validation or a relabelling
        with 'step' its epoch; in the order in which they were last logged.
    """
    entries: Dict[Tuple, Dict] = {}
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        lines = path.read_text(encoding='utf-8').splitlines()
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                if number == len(lines):
                    continue
                raise
            key = (kind_of(entry), entry.get('step'))
            entries.pop(key, None)
            entries[key] = entry
    return list(entries.values())


def kind_of(entry: Dict) -> str:
    """Which of the three writes such entries: 'train', 'val' or 'relabel'."""
    if any(key.startswith('relabel/') for key in entry):
        return 'relabel'
    return 'train' if 'iter' in entry else 'val'


def write_annotations(path, number=24):
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(number):
        frames = int(rng.integers(5, 20))
        keypoint = rng.normal(size=(1, frames, 25, 3)).astype(np.float32).cumsum(axis=1)
        name = f's{(index * 7) % number:02d}'
        annotations.append(
            dict(frame_dir=name, label=index % 3, total_frames=frames, keypoint=keypoint)
        )
    names = [a['frame_dir'] for a in annotations]
    content = dict(split=dict(train=names), annotations=annotations)
    path.write_bytes(pickle.dumps(content))


def tiny_loaders(data, batch_size, workers):
    """Configs of two loaders: three quarters of split 'train' to train on, the others held out."""
    train = [
        dict(type='CenterSkeleton'),
        dict(type='CropResize', clip_len=8, min_frames=2),
        dict(type='RandomRotate3D'),
        dict(type='FormatGCNInput', num_person=1),
        dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split')),
    ]
    test = [train[0], dict(type='CropResize', p_interval=(0.95,), clip_len=8), *train[3:]]

    def loader(part, pipeline):
        return dict(
            batch_size=batch_size,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='DefaultSampler', shuffle=part == 'train'),
            dataset=dict(
                type='SkeletonDataset',
                ann_file=str(data),
                split='train',
                holdout=dict(share=0.25, part=part),
                pipeline=pipeline,
            ),
        )

    return loader('train', train), loader('holdout', test)


def make_config(folder, workers=0, streams=False, **relabel):
    """A tiny ST-GCN on 24 sequences, 18 to train and 6 held out, batches of 6."""
    annotations = folder.parent / 'annotations.pkl'
    if not annotations.exists():
        write_annotations(annotations)
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    train, holdout = tiny_loaders(annotations, 6, workers)
    graph = dict(layout='nturgb+d', mode='stgcn_spatial')
    cfg.merge_from_dict(
        dict(
            model=dict(
                type='DeepRank',
                backbone=dict(type='STGCN', graph_cfg=graph, base_channels=4, num_stages=4),
                head=dict(type='RankHead', in_channels=4, hidden_channels=4),
            ),
            train_dataloader=train,
            val_dataloader=holdout,
            val_evaluator=dict(type='RankMetric'),
            val_cfg=dict(),
            train_cfg=dict(by_epoch=True, max_epochs=20),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
            work_dir=str(folder),
            randomness=dict(seed=3),
            log_level='WARNING',
        )
    )
    if streams:
        cfg.model.type = 'MVDeepRank'
        cfg.model.data_preprocessor = dict(
            type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion']
        )
    cfg.default_hooks.relabel = dict(type='RelabelHook', **relabel)
    cfg.default_hooks.checkpoint = dict(type='WholeCheckpointHook', interval=1, max_keep_ckpts=-1)
    return cfg


def make_runner(cfg):
    cfg = cfg.copy()
    cfg.experiment_name = f'{Path(cfg.work_dir).name}_{len(DefaultScope._instance_dict)}'
    return Runner.from_cfg(cfg)


def train(cfg):
    runner = make_runner(cfg)
    runner.train()
    # Workers of a loader that the garbage collector finds never hear that they may go: PyTorch then
    # waits for each of them, in whatever test it is.
    for loop in (runner.train_loop, runner.val_loop):
        if loop is not None:
            loop.dataloader._iterator = None
    return runner


def load(folder, epoch):
    return torch.load(Path(folder) / f'epoch_{epoch}.pth')


def evaluate(metric, samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def refusal(capsys, path, **parameters):
    with pytest.raises(SystemExit) as ended:
        load_config(path, **parameters)
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    return sentence
