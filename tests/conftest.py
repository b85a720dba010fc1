"""What tests share. DEEPRANK_GPU=1 lets them use the GPU; DEEPRANK_DATA names the real data."""

import os
import pickle
import random
import re
from pathlib import Path

if os.environ.get('DEEPRANK_GPU') != '1':
    os.environ['CUDA_VISIBLE_DEVICES'] = ''  # before torch is imported; programs inherit it

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmengine.registry import init_default_scope

# Imported before any test asks MMAction2 for its models: it works around what is broken there.
import deeprank_plugin  # noqa: F401

torch.set_num_threads(1)  # for networks as small as those of the tests more threads only wait

for _folder in ('configs', 'projects'):
    for _path in (ROOT / _folder).rglob('*.py'):  # the parameters of a shell must not change tests
        for _name in re.findall(r'{{\$(\w+)', _path.read_text(encoding='utf-8')):
            os.environ.pop(_name, None)

REAL_DATA = Path(os.environ.get('DEEPRANK_DATA') or ROOT.parent / 'shared' / 'data').resolve()


def pytest_collectstart():
    """Random numbers that a module draws are the same in any order of modules."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Random numbers of a test and its fixtures are the same in any order of tests."""
    pytest_collectstart()


@pytest.fixture(autouse=True)
def _mmaction_scope():
    """Registries find MMAction2's parts by name, as in a run."""
    init_default_scope('mmaction')


@pytest.fixture(scope='session')
def shared_data():
    """Folder with real skeletons: uiprmd_ntu25.pkl, hdm05_ntu25.pkl, ..."""
    if not REAL_DATA.is_dir():
        pytest.skip(f'no real skeletons in {REAL_DATA}: set DEEPRANK_DATA to their folder')
    return REAL_DATA


@pytest.fixture
def make_annotations(tmp_path):
    """A function that writes random annotations in MMAction2's format and returns the path.

    Its arguments: ``number`` of samples, the first three quarters in split 'xsub_train' and the
    others in 'xsub_val'; ``shape`` (V, C); ``bodies``; ``change``, a function that is given the
    content before it is written.
    """

    def write(number=20, shape=(25, 3), bodies=1, change=None, name='annotations.pkl'):
        rng = np.random.default_rng(0)
        annotations = []
        for index in range(number):
            frames = 4 + (5 * index) % 17
            keypoint = rng.normal(size=(bodies, frames, *shape)).astype(np.float32)
            annotations.append(
                dict(
                    frame_dir=f's{(7 * index) % number:02d}',
                    label=index % 3,
                    total_frames=frames,
                    keypoint=keypoint,
                )
            )
        names = [annotation['frame_dir'] for annotation in annotations]
        cut = 3 * number // 4
        content = dict(
            split=dict(xsub_train=names[:cut], xsub_val=names[cut:]), annotations=annotations
        )
        if change is not None:
            content = change(content) or content
        path = tmp_path / name
        path.write_bytes(pickle.dumps(content))
        return str(path)

    return write


@pytest.fixture(scope='session')
def write_random_walks():
    """A function that writes one-person random walks of 12 classes, named s00, s01, ..."""

    def write(path, number, train):
        """``train`` of ``number`` samples are split 'xsub_train', the others 'xsub_val'."""
        rng = np.random.default_rng(0)
        annotations = [
            dict(
                frame_dir=f's{index:02d}',
                label=index % 12,
                total_frames=20,
                keypoint=rng.normal(size=(1, 20, 25, 3)).cumsum(axis=1).astype(np.float32),
            )
            for index in range(number)
        ]
        names = [annotation['frame_dir'] for annotation in annotations]
        split = dict(xsub_train=names[:train], xsub_val=names[train:])
        path.write_bytes(pickle.dumps(dict(split=split, annotations=annotations)))

    return write
