"""Runs that are killed, told to end, left without disk or work dir; and their resumption.

``DEEPRANK_KILLS=20 pytest tests/engine/test_accidents.py -k random`` kills each method 20 times
with 0 and with 2 workers, at random moments; the seed is DEEPRANK_KILL_SEED, 0 by default.
"""

import json
import os
import pickle
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from deeprank_plugin.command_line import load_config
from deeprank_plugin.engine.logs import read_logs

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
METHODS = ('DeepRank', 'MVDeepRank', 'DeepCluster')
KILLS = int(os.environ.get('DEEPRANK_KILLS', 0))
TIMES = ('time', 'data_time', 'relabel/seconds', 'memory')
EPOCHS = 4


@pytest.fixture(scope='module')
def server():
    """A function that runs train.py in processes of its own and returns their exit codes."""
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

    def run(*arguments, log, delay=None, processes=1):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        request = dict(arguments=[str(a) for a in arguments], log=str(log), delay=delay)
        request.update(processes=processes, port=port)
        process.stdin.write(json.dumps(request) + '\n')
        process.stdin.flush()
        return json.loads(process.stdout.readline())

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
    """A tiny network with dropout, 18 sequences to train on in batches of 5, 2 rounds of 2 epochs.

    The learning rate moves with every iteration, every iteration is logged, every epoch validated.
    """
    cfg = load_config(str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py'), data='toy_xsub')
    for key in ('model', 'val_evaluator', 'test_evaluator', 'test_cfg'):  # its schedule is taken
        cfg.pop(key)
    for part in ('train', 'val', 'test'):
        cfg.pop(f'{part}_dataloader')
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
    cfg.param_scheduler[0].update(periods=[2] * 2, restart_weights=[1] * 2)
    hooks = cfg.default_hooks
    hooks.relabel.update(interval=2, max_rounds=2)
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

    def __init__(self, server, cfg, work_dir, processes=1):
        self.server, self.cfg, self.work_dir = server, cfg, work_dir
        self.processes = processes
        self.log = Path(f'{work_dir}.log')
        self.starts = 0

    def start(self, *hooks, delay=None):
        """Start, or go on with, the run; returns its exit code, the same of all processes."""
        cfg = self.cfg.copy()
        cfg.custom_hooks = list(hooks)
        path = Path(f'{self.work_dir}_{self.starts}.py')
        cfg.dump(path)
        self.starts += 1
        arguments = [path, '--work-dir', self.work_dir, '--resume']
        if self.processes > 1:
            arguments += ['--launcher', 'pytorch']
        codes = self.server(*arguments, log=self.log, delay=delay, processes=self.processes)
        assert len(set(codes)) == 1, (codes, self.printed[-3000:])
        return codes[0]

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

    def get(method='DeepRank', workers=0, processes=1):
        key = (method, workers, processes)
        if key not in chains:
            work_dir = folder / '_'.join(map(str, key))
            chain = Chain(server, make_config(data, method, workers), work_dir, processes)
            chains[key] = chain.finish(dict(type='KillAt'))
        return chains[key]

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
    assert len(expected) == 4 * EPOCHS + EPOCHS + 3  # batches, validations, labels
    assert sorted(logged, key=str) == sorted(expected, key=str)


def kept(folder):
    return sorted(path.name for path in folder.glob('*.pth*'))


def kill(kind, number, signal='SIGKILL', **kwargs):
    return dict(type='KillAt', kind=kind, number=number, signal=signal, **kwargs)


def test_killed_five_times_equals_uninterrupted(server, data, whole, tmp_path):
    chain = Chain(server, make_config(data, workers=2), tmp_path / 'killed')
    for kind, number in (
        ('extract', 3),  # the first labels: nothing is saved yet
        ('write', 3),  # half of epoch_2.pth
        ('replaced', 3),  # epoch_3.pth has its name, last_checkpoint still that of epoch_2.pth
        ('val', 1),
        ('extract', 2),  # the second labels
    ):
        assert chain.start(kill(kind, number)) == -9, chain.printed[-3000:]
    assert_equal_ends(chain.finish(), whole(workers=2))
    assert kept(chain.work_dir) == ['epoch_3.pth', 'epoch_4.pth']
    assert 'Nothing to resume from' in chain.printed and 'is torn' not in chain.printed


@pytest.mark.parametrize(
    ('method', 'first'), [('MVDeepRank', ('labelled', 2)), ('DeepCluster', ('save', 3))]
)
def test_killed_then_stopped_equals_uninterrupted(server, data, whole, tmp_path, method, first):
    chain = Chain(server, make_config(data, method), tmp_path / 'killed')
    assert chain.start(kill(*first)) == -9, chain.printed[-3000:]
    assert chain.start(kill('train', 2, 'SIGTERM')) == 143, chain.printed[-3000:]
    assert_equal_ends(chain.finish(), whole(method))


def test_torn_checkpoint_is_passed_over(server, data, whole, tmp_path):
    chain = Chain(server, make_config(data), tmp_path / 'torn')
    assert chain.start(kill('val', 6)) == -9  # in the validation of epoch 3
    newest = chain.work_dir / 'epoch_3.pth'
    newest.write_bytes(newest.read_bytes()[:-1000])
    assert_equal_ends(chain.finish(), whole())
    (line,) = [line for line in chain.printed.splitlines() if 'is torn' in line]
    assert 'WARNING' in line
    assert 'epoch_3.pth' in line and line.index('is torn') < line.index('epoch_2.pth')


def test_stopped_by_sigterm_equals_uninterrupted(server, data, whole, tmp_path):
    chain = Chain(server, make_config(data, workers=2), tmp_path / 'stopped')
    for kind, number, epoch in (
        ('train', 6, 2),  # the second of four batches of epoch 2
        ('val', 1, 3),  # after epoch 2
        ('extract', 2, 3),  # the second labels
        ('train', 4, 3),  # the last batch of epoch 3
    ):
        assert chain.start(kill(kind, number, 'SIGTERM')) == 143, chain.printed[-3000:]
        assert chain.printed.count(f'Stopped by SIGTERM in epoch {epoch}.') >= 1
        latest = chain.work_dir / 'interrupted.pth'
        assert (chain.work_dir / 'last_checkpoint').read_text() == str(latest)
    assert_equal_ends(chain.finish(), whole(workers=2))
    assert 'Epoch 2 goes on after batch 2 of 4.' in chain.printed
    assert 'Epoch 3 goes on after batch 4 of 4.' in chain.printed
    assert 'Traceback' not in chain.printed


def test_sigterm_before_anything_is_saved(server, data, tmp_path):
    chain = Chain(server, make_config(data, workers=2), tmp_path / 'early')
    assert chain.start(kill('extract', 2, 'SIGTERM')) == 143
    assert 'Saved is nothing yet' in chain.printed
    assert kept(chain.work_dir) == []


def test_sigterm_with_a_loop_that_cannot_go_on_within_an_epoch(server, data, whole, tmp_path):
    cfg = make_config(data)
    cfg.train_cfg.type = 'EpochBasedTrainLoop'
    chain = Chain(server, cfg, tmp_path / 'plain')
    assert chain.start(kill('train', 6, 'SIGTERM')) == 143
    assert kept(chain.work_dir) == ['epoch_1.pth']
    assert "epoch_1.pth'; the same command with --resume" in chain.printed
    assert_equal_ends(chain.finish(), whole())


def test_processes_stop_together(server, data, whole, tmp_path):
    """The signal reaches one of two; their BatchNorm statistics differ within an epoch."""
    chain = Chain(server, make_config(data), tmp_path / 'two', processes=2)
    assert chain.start(kill('train', 3, 'SIGTERM', rank=1)) == 143, chain.printed[-3000:]
    saved = torch.load(chain.work_dir / 'interrupted.pth', weights_only=True)['unfinished']
    first, second = (state['buffers'] for state in saved['processes'])
    assert any(not torch.equal(first[name], second[name]) for name in first)
    chain.finish()
    first, second = chain.checkpoint(), whole(processes=2).checkpoint()
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'relabel'):
        assert_same(first[key], second[key], key)
    chain = Chain(server, chain.cfg, tmp_path / 'two')
    (chain.work_dir / 'last_checkpoint').write_text(str(chain.work_dir / 'interrupted.pth'))
    assert chain.start() == 1
    assert 'on 2 process(es); this run has 4 batches on 1' in chain.printed


def test_full_disk(server, data, whole, tmp_path):
    chain = Chain(server, make_config(data), tmp_path / 'full')
    assert chain.start(dict(type='FullDisk', number=2)) == 1, chain.printed[-3000:]
    last = chain.printed.splitlines()[-1]
    assert last.startswith('error: the disk takes no more: ') and 'epoch_2.pth' in last
    assert 'No space left on device' in last and 'Traceback' not in chain.printed
    assert kept(chain.work_dir) == ['epoch_1.pth']
    assert_equal_ends(chain.finish(), whole())


def test_work_dir_removed(server, data, tmp_path):
    chain = Chain(server, make_config(data), tmp_path / 'removed')
    assert chain.start(dict(type='RemoveWorkDir', iteration=6)) == 1, chain.printed[-3000:]
    last = chain.printed.splitlines()[-1]
    assert last.startswith('error: the work dir') and 'was removed during the run' in last
    assert 'Traceback' not in chain.printed
    assert not chain.work_dir.exists()


def test_an_error_ends_the_run_although_workers_ignore_sigterm(server, data, tmp_path):
    chain = Chain(server, make_config(data, workers=2), tmp_path / 'error')
    assert chain.start(kill('train', 2, 'error')) == 1
    assert 'RuntimeError: an error of the test' in chain.printed


@pytest.mark.skipif(not KILLS, reason='set DEEPRANK_KILLS=20: takes minutes')
@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('method', METHODS)
def test_random_kills(server, data, whole, tmp_path, method, workers):
    expected = whole(method, workers)
    events = (expected.work_dir / 'events.txt').read_text().split()
    rng = random.Random(f'{os.environ.get("DEEPRANK_KILL_SEED", 0)} {method} {workers}')
    killed, done, chains = [], 0, 0
    wanted = ['train', 'val', 'extract', 'labelled', 'save', 'write']  # each once, then any
    kinds = tuple(wanted)
    while done < KILLS:
        chain = Chain(server, make_config(data, method, workers), tmp_path / f'killed_{chains}')
        chains += 1
        while done < KILLS:
            if rng.random() < 0.4:
                kind, delay, hooks = 'moment', rng.uniform(0.2, 2.5), []
            else:
                kind = rng.choice(wanted or kinds)
                number = 1 if wanted else rng.randint(1, max(1, events.count(kind) // 3))
                delay, hooks = None, [kill(kind, number)]
            code = chain.start(*hooks, delay=delay)
            if code == 0:  # the run came to its end first
                break
            assert code == -9, chain.printed[-3000:]
            killed.append(kind)
            wanted = [other for other in wanted if other != kind]
            done += 1
        assert_equal_ends(chain.finish(), expected)
    print(f'{method}, {workers} workers: {chains} runs, killed in {killed}')
    assert not wanted or KILLS < 20
