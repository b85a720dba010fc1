"""docs/howto/add_method.md as it stands: its method and its config are run."""

import os
import pickle
import re
import subprocess
import sys

import pytest
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmengine.config import Config

from deeprank_plugin.datasets.toy.actions import make_toy_actions

PAGE = ROOT / 'docs' / 'howto' / 'add_method.md'
CONFIG = 'time-direction_stgcn-w16.py'


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with the page's files, found by Python as the page says."""
    blocks = re.findall(
        r'^```python title="([^"]+)"\n(.*?)^```', PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    for title, text in blocks:
        (tmp_path / title).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv('DATA', 'toy_xsub')
    yield tmp_path
    sys.modules.pop('time_direction', None)
    MODELS.module_dict.pop('TimeDirection', None)


def test_method_is_about_forty_lines(mine):
    assert len((mine / 'time_direction.py').read_text().splitlines()) <= 42


@pytest.mark.slow
def test_method_learns_the_direction_of_time(mine):
    """Joints that only ever rise: the encoder finds out which half of the batch sinks."""
    cfg = Config.fromfile(mine / CONFIG)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    start = torch.randn(8, 1, 1, 1, 25, 3)
    speed = torch.rand(8, 1, 1, 1, 25, 3) + 1
    inputs = start + speed * torch.linspace(0, 1, 12).view(1, 1, 1, 12, 1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    found = []
    for _ in range(15):
        losses = model(inputs, mode='loss')
        optimizer.zero_grad()
        losses['loss_direction'].backward()
        optimizer.step()
        found.append({key: value.item() for key, value in losses.items()})
    assert 0.5 < found[0]['loss_direction'] < 1.1
    assert found[-1]['loss_direction'] < 0.2 and found[-1]['acc_direction'] == 1


def test_wrong_number_of_features_is_an_error(mine):
    cfg = Config.fromfile(mine / CONFIG)
    cfg.model.in_channels = 63
    with pytest.raises(ValueError, match='in_channels=64'):
        MODELS.build(cfg.model)


@pytest.mark.slow
def test_tools_train_it_and_finetune_its_encoder(mine):
    """The page's commands, on a small file and for one epoch each."""
    data = mine / 'small.pkl'
    data.write_bytes(pickle.dumps(make_toy_actions(subjects=4, repetitions=1)))
    path = os.pathsep.join([str(mine), str(ROOT)])
    env = {k: v for k, v in os.environ.items() if k != 'DATA'} | {'PYTHONPATH': path}

    def train(config, work_dir, *options):
        command = [sys.executable, ROOT / 'tools' / 'train.py', config, '--data', data]
        command += ['--work-dir', mine / work_dir, *options, '--cfg-options']
        command += ['train_cfg.max_epochs=1', 'train_dataloader.batch_size=16']
        command += ['train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']
        command += ['default_hooks.checkpoint.interval=1']
        result = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return torch.load(mine / work_dir / 'epoch_1.pth', weights_only=True)['state_dict']

    weights = train(mine / CONFIG, 'pretrained')
    assert 'fc.weight' in weights
    finetune = ROOT / 'configs' / 'finetune' / 'stgcn-w16_pretrained.py'
    tuned = train(finetune, 'finetuned', '--no-validate', '--pretrained', mine / 'pretrained')
    key = 'backbone.gcn.0.gcn.conv.weight'
    assert torch.allclose(tuned[key], weights[key], atol=0.2)
    assert 'cls_head.fc.weight' in tuned
