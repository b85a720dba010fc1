"""A wheel carries the configs; a project that has nothing but the wheel inherits them."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest
from helpers import ROOT

pytestmark = pytest.mark.slow

PROJECT = """
_base_ = 'deeprank_plugin::deeprank/deeprank_stgcn-w16.py'

model = dict(backbone=dict(base_channels=4), head=dict(in_channels=16))
"""
USE = """
import sys

import deeprank_plugin
from mmaction.registry import MODELS as THEIRS
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, init_default_scope

cfg = Config.fromfile('mine.py')
cfg.dump('dumped.py')
init_default_scope('mmaction')
for config in (cfg, Config.fromfile('dumped.py')):
    for registry in (MODELS, THEIRS):
        model = registry.build(config.model)
        encoder = model.backbone
        print(type(model).__name__, type(encoder).__name__, encoder.data_bn.weight.shape)
    for hook in config.default_hooks.values():
        HOOKS.build(hook)
print(deeprank_plugin.__file__, cfg.train_dataloader.dataset.ann_file)
"""


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel of a copy of the source, unpacked, and its file names."""
    source = tmp_path_factory.mktemp('source')
    for name in ('deeprank_plugin', 'configs'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignore)
    for name in ('pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source / name)
    code = 'from setuptools.build_meta import build_wheel; build_wheel("wheel")'
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    subprocess.run(
        [sys.executable, '-c', code], cwd=source, env=environment, check=True, capture_output=True
    )
    (path,) = (source / 'wheel').glob('*.whl')
    folder = tmp_path_factory.mktemp('installed')
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        return folder, archive.namelist()


def test_every_config_is_in_it(wheel):
    folder, names = wheel
    own = {str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py')}
    prefix = 'deeprank_plugin/.mim/'
    assert {n[len(prefix) :] for n in names if n.startswith(prefix) and n.endswith('.py')} == own
    for name in own:
        assert (folder / prefix / name).read_text() == (ROOT / name).read_text()
    assert f'{prefix}model-index.yml' in names and f'{prefix}configs/README.md' in names


def test_a_project_inherits_from_it(wheel, tmp_path):
    (tmp_path / 'mine.py').write_text(PROJECT)
    (tmp_path / 'use.py').write_text(USE)
    environment = dict(os.environ, PYTHONPATH=str(wheel[0]), DATA='toy_xsub', OMP_NUM_THREADS='1')
    result = subprocess.run(
        [sys.executable, 'use.py'], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert 'WARNING' not in result.stdout + result.stderr
    *models, last = [line for line in result.stdout.splitlines() if ' - INFO - ' not in line]
    assert models == ['DeepRank STGCN torch.Size([75])'] * 4
    assert last == f'{wheel[0]}/deeprank_plugin/__init__.py data/toy.pkl'
