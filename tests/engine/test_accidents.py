"""Runs that are killed, told to end, left without disk or work dir; and their resumption.

``DEEPRANK_KILLS=20 pytest tests/engine/test_accidents.py -k random`` kills each method 20 times
with 0 and with 2 workers, at random moments; the seed is DEEPRANK_KILL_SEED, 0 by default.
"""

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from deeprank_plugin.engine.logs import read_logs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
METHODS = ('DeepRank', 'MVDeepRank', 'DeepCluster')
KILLS = int(os.environ.get('DEEPRANK_KILLS', 0))
TIMES = ('time', 'data_time', 'relabel/seconds', 'memory')
EPOCHS = 6


@pytest.fixture(scope='module')
def server():
    """A function that runs train.py in a process of its own and returns its exit code."""
    paths = os.pathsep.join([str(ROOT), str(HERE / 'accidents')])
    environment = dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    process = subprocess.Popen(
        [sys.executable, str(HERE / 'accidents' / 'fork_server.py')],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'ready\n'

    def run(*arguments, log, delay=None):
        request = dict(arguments=[str(a) for a in arguments], log=str(log), delay=delay)
        process.stdin.write(json.dumps(request) + '\n')
        process.stdin.flush()
        return int(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait(10)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Annotations of 24 random walks of 3 classes."""
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(24):
        frames = int(rng.integers(5, 20))
        keypoint = rng.normal(size=(1, frames, 25, 3)).astype(np.float32).cumsum(axis=1)
        annotations.append(
            dict(frame_dir=f's{index:02d}', label=index % 3, total_frames=frames, keypoint=keypoint)
        )
    names = [a['frame_dir'] for a in annotations]
    path = tmp_path_factory.mktemp('data') / 'annotations.pkl'
    path.write_bytes(pickle.dumps(dict(split=dict(train=names), annotations=annotations)))
    return path


def make_config(data, method='DeepRank', workers=0):
    """A tiny network with dropout, 18 sequences to train on in batches of 5, 3 rounds of 2 epochs.

    The learning rate moves with every iteration, every iteration is logged, every epoch validated.
    """
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'schedules' / 'deeprank_5x20e.py')
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
            batch_size=5,
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

    backbone = dict(
        type='STGCN',
        graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
        base_channels=4,
        num_stages=3,
        inflate_stages=[],
        down_stages=[],
        tcn_dropout=0.2,
    )
    head = dict(type='RankHead', in_channels=4, hidden_channels=4)
    cfg.merge_from_dict(
        dict(
            custom_imports=dict(imports=['deeprank_plugin', 'kill_at']),
            model=dict(type=method, backbone=backbone, head=head),
            train_dataloader=loader('train', train),
            val_dataloader=loader('holdout', test),
            val_evaluator=dict(type='RankMetric'),
            val_cfg=dict(type='ValLoop'),
            train_cfg=dict(max_epochs=EPOCHS, val_interval=1),
            randomness=dict(seed=3),
            custom_hooks=[],
        )
    )
    cfg.param_scheduler[0].update(periods=[2] * 3, restart_weights=[1] * 3)
    hooks = cfg.default_hooks
    hooks.relabel.update(interval=2, max_rounds=3)
    hooks.checkpoint.update(interval=1, max_keep_ckpts=2)
    hooks.logger.interval = 1
    if method == 'MVDeepRank':
        cfg.model.data_preprocessor = dict(
            type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion']
        )
    if method == 'DeepCluster':
        cfg.model.head = dict(type='ClusterHead', in_channels=4, num_clusters=3)
        cfg.train_dataloader.sampler = dict(type='ClusterSampler')
        cfg.val_evaluator = dict(type='ClusterMetric')
    return cfg


class Chain:
    """Starts of one run in one work dir."""

    def __init__(self, server, cfg, work_dir):
        self.server, self.cfg, self.work_dir = server, cfg, work_dir
        self.log = Path(f'{work_dir}.log')
        self.starts = 0

    def start(self, *hooks, delay=None, resume=True):
        """Start, or go on with, the run; returns its exit code."""
        cfg = self.cfg.copy()
        cfg.custom_hooks = list(hooks)
        path = Path(f'{self.work_dir}_{self.starts}.py')
        cfg.dump(path)
        self.starts += 1
        arguments = [path, '--work-dir', self.work_dir, *(['--resume'] if resume else [])]
        return self.server(*arguments, log=self.log, delay=delay)

    def finish(self, *hooks):
        code = self.start(*hooks)
        assert code == 0, self.log.read_text()[-3000:]
        return self

    @property
    def printed(self):
        return self.log.read_text()

    def checkpoint(self, epoch=EPOCHS):
        return torch.load(self.work_dir / f'epoch_{epoch}.pth', weights_only=True)

    def figures(self):
        """All that was logged, but times."""
        return [
            {key: value for key, value in entry.items() if key not in TIMES}
            for entry in read_logs(self.work_dir)
        ]


@pytest.fixture(scope='module')
def whole(server, data, tmp_path_factory):
    """A function that returns the uninterrupted run of a method."""
    folder, chains = tmp_path_factory.mktemp('whole'), {}

    def get(method='DeepRank', workers=0):
        if (method, workers) not in chains:
            name = f'{method}_{workers}'
            chain = Chain(server, make_config(data, method, workers), folder / name)
            chains[method, workers] = chain.finish(dict(type='KillAt'))
        return chains[method, workers]

    return get


def assert_same(first, second, name='checkpoint'):
    """Two nests of dictionaries, lists, tensors, arrays and numbers are equal bit for bit."""
    assert type(first) is type(second), name
    if isinstance(first, dict):
        assert first.keys() == second.keys(), name
        for key in first:
            assert_same(first[key], second[key], f'{name}/{key}')
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), name
        for index, pair in enumerate(zip(first, second)):
            assert_same(*pair, f'{name}/{index}')
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), name
    else:
        assert first == second, name


def histories(checkpoint):
    """The history of each figure in the checkpoint, but times."""
    return {
        key: [part.tolist() for part in history.data]
        for key, history in checkpoint['message_hub']['log_scalars'].items()
        if not key.endswith('time')
    }


def assert_equal_ends(chain, other):
    """Weights, optimiser, schedule, bank, labels, rounds, histories and logs are the same."""
    first, second = chain.checkpoint(), other.checkpoint()
    assert set(first) - {'meta', 'message_hub'} == {
        *('state_dict', 'optimizer', 'param_schedulers', 'relabel')
    }
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'relabel'):
        assert_same(first[key], second[key], key)
    for key in ('epoch', 'iter', 'seed'):
        assert first['meta'][key] == second['meta'][key]
    assert_same(histories(first), histories(second), 'histories')
    logged, expected = chain.figures(), other.figures()
    assert len(expected) == 4 * EPOCHS + EPOCHS + 4  # batches, validations, labels
    assert sorted(logged, key=str) == sorted(expected, key=str)


def kept(folder):
    return sorted(path.name for path in folder.glob('*.pth*'))


@pytest.mark.parametrize(
    ('method', 'workers', 'kills'),
    [
        (
            'DeepRank',
            2,
            [
                ('extract', 3),  # the first labels: nothing is saved yet
                ('write', 3),  # half of epoch_2.pth
                ('replaced', 3),  # epoch_3.pth, before last_checkpoint names it
                ('val', 1),
                ('extract', 2),  # labels of the second renewal
            ],
        ),
        ('MVDeepRank', 0, [('labelled', 2)]),
        ('DeepCluster', 0, [('save', 3)]),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    server, data, whole, tmp_path, method, workers, kills
):
    chain = Chain(server, make_config(data, method, workers), tmp_path / 'killed')
    for kind, number in kills:
        assert chain.start(dict(type='KillAt', kind=kind, number=number)) == -9, chain.printed
    assert_equal_ends(chain.finish(), whole(method, workers))
    assert kept(chain.work_dir) == ['epoch_5.pth', 'epoch_6.pth']


@pytest.mark.skipif(not KILLS, reason='set DEEPRANK_KILLS=20: takes minutes')
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('method', METHODS)
def test_random_kills(server, data, whole, tmp_path, method, workers):
    expected = whole(method, workers)
    events = (expected.work_dir / 'events.txt').read_text().split()
    rng = random.Random(f'{os.environ.get("DEEPRANK_KILL_SEED", 0)} {method} {workers}')
    killed, done, chains = [], 0, 0
    while done < KILLS:
        chain = Chain(server, make_config(data, method, workers), tmp_path / f'killed_{chains}')
        chains += 1
        while done < KILLS:
            if rng.random() < 0.4:
                kind, delay, hooks = 'moment', rng.uniform(0.2, 2.5), []
            else:
                kind = rng.choice(['train', 'val', 'extract', 'labelled', 'save', 'write'])
                number = rng.randint(1, max(1, events.count(kind) // 3))
                delay, hooks = None, [dict(type='KillAt', kind=kind, number=number)]
            code = chain.start(*hooks, delay=delay)
            if code == 0:  # the run came to its end first
                break
            assert code == -9, chain.printed[-3000:]
            killed.append(kind)
            done += 1
        assert_equal_ends(chain.finish(), expected)
    print(f'{method}, {workers} workers: {chains} runs, killed in {killed}')
    assert {'extract', 'write'} <= set(killed) or KILLS < 20
