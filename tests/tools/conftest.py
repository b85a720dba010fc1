"""Tools run in the process of the test, which saves them the imports."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

from deeprank_plugin.command_line import load_config


@pytest.fixture
def call_tool(monkeypatch, capsys):
    """A function that runs a tool, by its path below tools/: exit code, stdout, stderr."""

    def call(tool, *arguments):
        capsys.readouterr()  # what the test itself has printed
        monkeypatch.setattr(sys, 'path', list(sys.path))
        monkeypatch.setattr(sys, 'argv', [Path(tool).name, *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(ROOT / 'tools' / tool))['main']()
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        assert 'Traceback' not in printed.err
        return code, printed.out, printed.err

    return call


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory):
    """Folder of a tiny recogniser of 12 actions with random weights: config.py and weights.pth."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('tiny_model')
    cfg = load_config(str(ROOT / 'configs/finetune/stgcn-w16_scratch.py'), data='toy_xsub')
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.in_channels = 16
    cfg.dump(str(folder / 'config.py'))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        model.cls_head.fc.weight *= 20
    meta = dict(dataset_meta=dict(classes=[f'action {i}' for i in range(12)]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'weights.pth')
    return folder
