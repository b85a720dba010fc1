"""Runs of tools/train.py that are interrupted and resumed, and how two of them are compared."""

from pathlib import Path

import torch
from helpers import ROOT, read_logs, tiny_loaders

from deeprank_plugin.command_line import load_config

METHODS = ('DeepRank', 'MVDeepRank', 'DeepCluster')
TIMES = ('time', 'data_time', 'relabel/seconds', 'memory')
EPOCHS = 4


def make_resumable(data, method='DeepRank', workers=0):
    """A tiny network with dropout, 18 sequences to train on in batches of 5, 2 rounds of 2 epochs.

    The learning rate moves with every iteration, every iteration is logged, every epoch validated.
    """
    cfg = load_config(str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py'), data='toy_xsub')
    for key in ('model', 'val_evaluator', 'test_evaluator', 'test_cfg'):  # its schedule is taken
        cfg.pop(key)
    for part in ('train', 'val', 'test'):
        cfg.pop(f'{part}_dataloader')
    train, holdout = tiny_loaders(data, 5, workers)
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
            train_dataloader=train,
            val_dataloader=holdout,
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
        """Start or resume the run; returns its exit code, the same of all processes."""
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

    def metrics(self):
        """All that was logged, but times."""
        return [
            {key: value for key, value in entry.items() if key not in TIMES}
            for entry in read_logs(self.work_dir)
        ]


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
    """The history of each metric in the checkpoint, but times."""
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
    logged, expected = chain.metrics(), other.metrics()
    assert len(expected) == 4 * EPOCHS + EPOCHS + 3  # batches, validations, labels
    assert sorted(logged, key=str) == sorted(expected, key=str)


def kept(folder):
    return sorted(path.name for path in folder.glob('*.pth*'))


def kill(kind, number, signal='SIGKILL', **kwargs):
    return dict(type='KillAt', kind=kind, number=number, signal=signal, **kwargs)
