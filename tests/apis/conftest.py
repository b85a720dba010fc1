"""A tiny recogniser, trained for one epoch by MMEngine's runner, for the tests of this folder."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from deeprank_plugin.command_line import load_config

CONFIGS = ROOT / 'configs'


def write_sequences(path):
    """24 random walks of 12 classes, of 5 to 74 frames, every other one with a second body."""
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(24):
        frames, bodies = 5 + 3 * index, 1 + index % 2
        steps = rng.normal(scale=0.1, size=(bodies, frames, 25, 3))
        keypoint = (rng.normal(size=(bodies, 1, 25, 3)) + steps.cumsum(axis=1)).astype(np.float32)
        if bodies == 2:
            keypoint[1, frames // 2 :] = 0  # it leaves
        annotations.append(
            dict(frame_dir=f's{index:02d}', label=index % 12, total_frames=frames,
                 keypoint=keypoint)
        )  # yapf: disable
    names = [annotation['frame_dir'] for annotation in annotations]
    content = dict(split=dict(xsub_train=names[:16], xsub_val=names[16:]), annotations=annotations)
    path.write_bytes(pickle.dumps(content))
    return annotations


def tiny_config(name, data, work_dir, batch_size=3):
    """A project's config, narrowed and pointed to small data."""
    cfg = load_config(str(CONFIGS / name), data='toy_xsub')
    cfg.model.backbone.base_channels = 4
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[name].update(batch_size=batch_size, num_workers=0, persistent_workers=False)
        cfg[name].dataset.ann_file = str(data)
    if 'cls_head' in cfg.model:
        cfg.model.cls_head.in_channels = 16
    else:
        cfg.model.head.in_channels = 16
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = f'tests_apis_{work_dir.name}_{batch_size}'
    cfg.visualizer = None
    cfg.log_level = 'ERROR'
    return cfg


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """The config, the checkpoint's path, the sequences and the folder of a tiny recogniser."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('tiny')
    annotations = write_sequences(folder / 'data.pkl')
    cfg = tiny_config('finetune/stgcn-w16_scratch.py', folder / 'data.pkl', folder / 'work')
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.randomness = dict(seed=0)
    runner = Runner.from_cfg(cfg)
    runner.train()
    checkpoint = folder / 'work' / 'epoch_1.pth'
    if not checkpoint.exists():
        runner.save_checkpoint(str(folder / 'work'), 'epoch_1.pth')
    return SimpleNamespace(
        config=cfg,
        checkpoint=str(checkpoint),
        annotations=annotations,
        test=annotations[16:],
        data=folder / 'data.pkl',
        folder=folder,
    )


@pytest.fixture(scope='session', name='tiny_config')
def tiny_config_fixture():
    """The function of that name."""
    return tiny_config
