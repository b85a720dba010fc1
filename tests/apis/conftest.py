"""For the tests of this folder: a tiny recogniser, trained for one epoch, and one that counts."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmengine.config import Config
from mmengine.model import BaseModel
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


class Counter(BaseModel):
    """A classifier whose score of a class is the share of frames that are of this class.

    A frame is of class k if the x of all joints is k + 1; ``sizes`` are those of its batches.
    """

    def __init__(self, num_person=1, classes=3, layout='nturgb+d'):
        super().__init__()
        formatting = [dict(type='FormatGCNInput', num_person=num_person)]
        pack = dict(type='PackActionInputs', meta_keys=())
        dataset = dict(type='SkeletonDataset', layout=layout, pipeline=[*formatting, pack])
        loader = dict(batch_size=4, dataset=dataset)
        self.cfg = Config(dict(model=dict(), test_dataloader=loader))
        self.cls_head = SimpleNamespace(num_classes=classes)
        self.dataset_meta = dict(classes=['sit', 'stand', 'walk'][:classes])
        self.sizes, self.bodies = [], []

    def forward(self, inputs, data_samples=None, mode='tensor'):
        raise NotImplementedError

    def test_step(self, data):
        self.sizes.append(len(data['inputs']))
        for clip, sample in zip(data['inputs'], data['data_samples']):
            self.bodies.append(int(clip[0].any(dim=(1, 2, 3)).sum()))  # clip: (1, M, T, V, C)
            frames = clip[0].flatten(0, 1)[:, 0, 0].round().long()
            counts = torch.bincount(frames, minlength=self.cls_head.num_classes + 1)[1:].float()
            sample.set_pred_score(counts / counts.sum())
            sample.set_pred_label(int(counts.argmax()))
        return data['data_samples']


@pytest.fixture(name='Counter')
def counter_class():
    """The class of that name."""
    return Counter


@pytest.fixture
def standing():
    """A function from a class or None (absent) in each frame to one body (T, 25, 3)."""

    def make(classes, z=0.0):
        body = np.zeros((len(classes), 25, 3), np.float32)
        for frame, label in zip(body, classes):
            if label is not None:
                frame[:, 0] = label + 1
                frame[:, 1] = np.linspace(0.85, -0.85, 25)
                frame[:, 2] = z
        return body

    return make


@pytest.fixture(scope='session', name='tiny_config')
def tiny_config_fixture():
    """The function of that name."""
    return tiny_config
