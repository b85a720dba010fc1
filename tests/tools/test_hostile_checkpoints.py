"""A checkpoint that carries code is rejected by every tool that opens one, and runs nothing."""

import os

import pytest
import torch
from helpers import ROOT, run_tool

pytestmark = pytest.mark.slow

CONFIG = ROOT / 'configs/finetune/stgcn-w16_scratch.py'


class MakeFolder:
    """Pickles as a call of os.mkdir."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_random_walks):
    folder = tmp_path_factory.mktemp('hostile')
    write_random_walks(folder / 'toy.pkl', 48, 36)
    content = dict(state_dict={'w': torch.ones(1)}, meta=dict(epoch=1, iter=1))
    content['message_hub'] = MakeFolder(folder / 'ran')
    torch.save(content, folder / 'hostile.pth')
    return folder


@pytest.mark.parametrize(
    'arguments',
    [
        ['train.py', CONFIG, '--resume', 'HOSTILE'],
        ['train.py', CONFIG, '--cfg-options', 'load_from=HOSTILE'],
        ['test.py', CONFIG, 'HOSTILE'],
        ['publish_encoder.py', 'HOSTILE', 'OUT'],
    ],
    ids=['resume', 'load_from', 'test', 'publish'],
)
def test_rejected_before_it_runs(folder, tmp_path, arguments):
    names = dict(HOSTILE=str(folder / 'hostile.pth'), OUT=str(tmp_path / 'out.pth'))
    arguments = [str(argument) for argument in arguments]
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    if 'publish' not in arguments[0]:
        if '--cfg-options' not in arguments:
            arguments.append('--cfg-options')
        arguments += ['model.backbone.base_channels=4', 'model.cls_head.in_channels=16']
        for part in ('train', 'val', 'test'):
            arguments += [
                f'{part}_dataloader.dataset.ann_file={folder / "toy.pkl"}',
                f'{part}_dataloader.num_workers=0',
                f'{part}_dataloader.persistent_workers=False',
            ]
        arguments += [f'work_dir={tmp_path / "work"}']
    result = run_tool(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr[-2000:]
    sentence = result.stderr.strip().splitlines()[-1]
    assert 'mkdir' in sentence and 'weights_only=False' not in result.stderr
    assert not (folder / 'ran').exists()
