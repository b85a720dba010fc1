"""Small runs that fail in some way, and processes that are started at little cost."""

import multiprocessing
import os
import pickle
import runpy
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, free_port
from mmengine.config import Config
from runs import Chain, make_resumable

HERE = Path(__file__).resolve().parent
GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')
BACKBONE = dict(
    type='STGCN',
    graph_cfg=GRAPH,
    base_channels=4,
    num_stages=2,
    inflate_stages=[2],
    down_stages=[2],
)
MODELS = dict(
    DeepRank=dict(type='DeepRank', head=dict(type='RankHead', in_channels=8, hidden_channels=4)),
    MVDeepRank=dict(
        type='MVDeepRank',
        head=dict(type='RankHead', in_channels=8, hidden_channels=4),
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion']),
    ),
    DeepCluster=dict(
        type='DeepCluster', head=dict(type='ClusterHead', num_clusters=4, in_channels=8)
    ),
    SupervisedTriplet=dict(type='SupervisedTriplet', in_channels=8),
    SkeletonMoCo=dict(type='SkeletonMoCo', in_channels=8, dim=4, queue_size=16),
    SkeletonMAE=dict(type='SkeletonMAE', in_channels=8, span=4, hidden_channels=4),
    RecognizerGCN=dict(
        type='RecognizerGCN', cls_head=dict(type='GCNHead', num_classes=12, in_channels=8)
    ),
)


@pytest.fixture
def make_config(tmp_path, write_random_walks):
    """A function that makes the config of a run on 24 random walks, batches of 6."""

    def make(model='DeepRank', extra=(), epochs=2, workers=0, name='run', **relabel):
        """``extra`` transforms come last before the batch is packed."""
        annotations = tmp_path / 'annotations.pkl'
        if not annotations.exists():
            write_random_walks(annotations, 24, 24)
        cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'default_runtime.py')
        crop = dict(type='CropResize', clip_len=8, min_frames=2)
        pipeline = [
            dict(type='CenterSkeleton'),
            dict(type='TwoViews', transforms=[crop]) if model == 'SkeletonMoCo' else crop,
            *extra,
            dict(type='FormatGCNInput', num_person=1),
            dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split')),
        ]
        loader = dict(
            batch_size=6,
            num_workers=workers,
            sampler=dict(type='DefaultSampler', shuffle=True),
            dataset=dict(
                type='SkeletonDataset',
                ann_file=str(annotations),
                split='xsub_train',
                pipeline=pipeline,
            ),
        )
        cfg.merge_from_dict(
            dict(
                model=dict(MODELS[model], backbone=dict(BACKBONE)),
                train_dataloader=loader,
                train_cfg=dict(by_epoch=True, max_epochs=epochs),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
                work_dir=str(tmp_path / name),
                randomness=dict(seed=3),
                log_level='WARNING',
            )
        )
        cfg.env_cfg.dist_cfg.backend = 'gloo'
        cfg.vis_backends = [dict(type='LocalVisBackend')]
        cfg.visualizer.vis_backends = cfg.vis_backends
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
        if model in ('DeepRank', 'MVDeepRank', 'DeepCluster'):
            test = [pipeline[0], dict(crop, p_interval=(0.95,)), *pipeline[2:]]
            settings = dict(dict(interval=1), **relabel)
            cfg.default_hooks.relabel = dict(type='RelabelHook', pipeline=test, **settings)
        return cfg

    return make


def run_train(arguments, environment, folder, log):
    """In a process of its own: tools/train.py with its output in a file, modules in a folder."""
    os.environ.update(environment)
    with open(log, 'wb') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ['train.py', *arguments]
    sys.path[:0] = [str(ROOT / 'tools'), str(folder)]
    runpy.run_path(str(ROOT / 'tools' / 'train.py'), run_name='__main__')


class Run:
    """A run of tools/train.py in one or several processes that no launcher looks after."""

    def __init__(self, config, folder, number=1):
        self.logs = [folder / f'process{rank}.log' for rank in range(number)]
        context = multiprocessing.get_context('forkserver')
        environment = dict(OMP_NUM_THREADS='1')
        arguments = [str(config)]
        if number > 1:
            arguments += ['--launcher', 'pytorch']
            environment.update(
                MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port()), WORLD_SIZE=str(number)
            )
        self.processes = []
        for rank, log in enumerate(self.logs):
            own = dict(environment, RANK=str(rank), LOCAL_RANK=str(rank)) if number > 1 else {}
            process = context.Process(target=run_train, args=(arguments, own, folder, log))
            process.start()
            self.processes.append(process)

    def wait(self, seconds=200):
        """Exit codes of all processes; None for one that had to be killed after some time.

        ``lag`` are then the seconds between the first end and the last.
        """
        began, ends = time.time(), []
        while len(ends) < len(self.processes) and time.time() < began + seconds:
            time.sleep(0.05)
            ended = sum(process.exitcode is not None for process in self.processes)
            ends += [time.time()] * (ended - len(ends))
        codes = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
            process.join()
        self.lag = time.time() - ends[0] if ends else None
        return codes

    def said(self, rank=0):
        return self.logs[rank].read_text()


@pytest.fixture
def start(tmp_path):
    """A function that starts a config in some processes, with a module to import beside it."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['torch', 'mmengine.runner', 'deeprank_plugin'])

    def begin(cfg, module=None, number=1):
        if module is not None:
            (tmp_path / 'failures.py').write_text(module)
            cfg.custom_imports = dict(imports=['deeprank_plugin', 'failures'])
        path = tmp_path / 'config.py'
        cfg.dump(path)
        return Run(path, tmp_path, number)

    return begin


@pytest.fixture(scope='session')
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


@pytest.fixture(scope='session')
def whole(server, data, tmp_path_factory):
    """A function that returns the uninterrupted run of a method."""
    folder, chains = tmp_path_factory.mktemp('whole'), {}

    def get(method='DeepRank', workers=0, processes=1):
        key = (method, workers, processes)
        if key not in chains:
            work_dir = folder / '_'.join(map(str, key))
            chain = Chain(server, make_resumable(data, method, workers), work_dir, processes)
            chains[key] = chain.finish(dict(type='KillAt'))
        return chains[key]

    return get
