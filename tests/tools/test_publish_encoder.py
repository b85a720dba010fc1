"""publish_encoder.py as a user runs it."""

import os
import re
import subprocess
import sys

import pytest
import torch
from helpers import output_of
from mmaction.registry import MODELS
from mmengine.config import Config

from deeprank_plugin.engine.publishing import hash_weights

MODALITIES = ['joint', 'bone', 'motion']


def save(path, kind, modality, seed=0):
    """A tiny checkpoint of MMEngine's form; returns its weights."""
    torch.manual_seed(seed)
    model = dict(
        type=kind,
        backbone=dict(type='STTFormer', blocks=[(4, 4, 2)], num_heads=1, tuple_length=1),
        head=dict(type='RankHead', in_channels=4, hidden_channels=4),
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality),
    )
    config = dict(
        model=model,
        work_dir='/home/someone/run',
        train_dataloader=dict(dataset=dict(ann_file='/home/someone/toy.pkl', split='xsub_train')),
    )
    weights = MODELS.build(model).state_dict()
    meta = dict(cfg=Config(config).pretty_text, epoch=3)
    torch.save(dict(meta=meta, state_dict=weights, optimizer={}), path)
    return weights


@pytest.fixture
def tool(call_tool):
    """A function that runs the tool in this process: exit code, what it printed."""

    def run(*arguments):
        code, out, err = call_tool('publish_encoder.py', *arguments)
        return code, out + err

    return run


@pytest.mark.slow
def test_as_programs(tmp_path):
    """The file is opened by a plain PyTorch, with nothing of ours imported."""
    save(tmp_path / 'epoch_3.pth', 'DeepRank', 'bone')
    out = tmp_path / 'out' / 'encoder.pth'
    output_of('publish_encoder.py', tmp_path / 'epoch_3.pth', out)
    (path,) = (tmp_path / 'out').iterdir()
    code = (
        'import sys, torch; c = torch.load(sys.argv[1], weights_only=True); '
        'print(len(c["state_dict"]), c["meta"]["modality"], "deeprank_plugin" in sys.modules)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code, path], capture_output=True, text=True, timeout=120
    )
    number = len(torch.load(path, weights_only=True)['state_dict'])
    assert result.stdout.split() == [str(number), 'bone', 'False'], result.stderr


def test_one_file_for_each_stream(tool, tmp_path):
    weights = save(tmp_path / 'epoch_3.pth', 'MVDeepRank', MODALITIES)
    code, printed = tool(tmp_path / 'epoch_3.pth', tmp_path / 'out' / 'mv')
    assert code == 0 and 'bone encoder of MVDeepRank, epoch 3' in printed
    paths = sorted((tmp_path / 'out').iterdir())
    assert [path.name[:-13] for path in paths] == ['mv_bone', 'mv_joint', 'mv_motion']
    for path, stream in zip(paths, sorted(MODALITIES)):
        content = torch.load(path, weights_only=True)
        assert content['meta']['modality'] == stream and content['meta']['source'] == 'epoch_3.pth'
        assert 'someone' not in str(content['meta'])
        digits = re.fullmatch(rf'mv_{stream}-([0-9a-f]{{8}})\.pth', path.name)[1]
        assert hash_weights(content['state_dict']).startswith(digits)
        for key, value in content['state_dict'].items():
            assert torch.equal(value, weights[f'streams.{stream}.{key}'])
        code, printed = tool('--verify', path)
        assert code == 0 and f'matches, sha256 {digits}' in printed

    tool(tmp_path / 'epoch_3.pth', tmp_path / 'some' / 'mv.pth', '--stream', 'motion', 'joint')
    assert {p.name for p in (tmp_path / 'some').iterdir()} == {paths[1].name, paths[2].name}


def test_no_file_is_lost(tool, tmp_path):
    save(tmp_path / 'epoch_3.pth', 'DeepRank', 'joint')
    arguments = (tmp_path / 'epoch_3.pth', tmp_path / 'out' / 'encoder.pth')
    assert tool(*arguments)[0] == 0
    (path,) = (tmp_path / 'out').iterdir()
    first = path.read_bytes()
    assert tool(*arguments)[0] == 0  # the same once more is no harm
    assert path.read_bytes() == first
    path.write_bytes(b'of somebody else')
    code, printed = tool(*arguments)
    assert code == 2 and 'exists and holds something else' in printed and '--force' in printed
    assert path.read_bytes() == b'of somebody else'
    assert tool(*arguments, '--force')[0] == 0 and path.read_bytes() == first
    assert list((tmp_path / 'out').iterdir()) == [path]


def test_verify_says_what_does_not_match(tool, tmp_path):
    save(tmp_path / 'epoch_3.pth', 'DeepRank', 'joint')
    tool(tmp_path / 'epoch_3.pth', tmp_path / 'out' / 'encoder.pth')
    (path,) = (tmp_path / 'out').iterdir()
    content = torch.load(path, weights_only=True)
    renamed = tmp_path / 'encoder-00000000.pth'
    renamed.write_bytes(path.read_bytes())
    code, printed = tool('--verify', renamed)
    assert code == 1 and 'does NOT match: its name ends in 00000000' in printed
    content['state_dict']['backbone.embed.0.bias'][0] += 1
    torch.save(content, path)
    code, printed = tool('--verify', path)
    assert code == 1 and f'does NOT match: recorded sha256 {content["meta"]["sha256"]}' in printed


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (('joint.pth', 'out.pth', '--stream', 'bone'), "'bone' is not in this checkpoint.*joint"),
        (('joint.pth', 'out.pth', '--stream', 'x'), "'x' is not known"),
        (('joint.pth', '.'), r'\. is a folder: name a file in it'),
        (('joint.pth', 'joint.pth/out.pth'), 'joint.pth'),
        (('nowhere.pth', 'out.pth'), "'nowhere.pth' is no file"),
        (('hostile.pth', 'out.pth'), 'cannot be read.*mkdir'),
        (('--verify', 'hostile.pth'), 'cannot be read.*mkdir'),
        (('plain.pth', 'out.pth'), 'no state_dict'),
        (('headless.pth', 'out.pth'), 'no encoder.*found: head.weight'),
        (('--verify', 'joint.pth'), r"no meta\['sha256'\]"),
        (('joint.pth',), 'expected CHECKPOINT and OUT, or --verify FILE'),
        (('joint.pth', '--verify', 'joint.pth'), '--verify takes one file'),
    ],
)
def test_errors_are_sentences(tool, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    save('joint.pth', 'DeepRank', 'joint')
    torch.save(dict(state_dict=Hostile(str(tmp_path / 'made'))), 'hostile.pth')
    torch.save(dict(weight=torch.zeros(1)), 'plain.pth')
    torch.save(dict(state_dict={'head.weight': torch.zeros(1)}, meta={}), 'headless.pth')
    before = sorted(os.listdir())
    code, printed = tool(*arguments)
    assert code == 2 and re.search(sentence, printed), printed
    assert 'Traceback' not in printed and sorted(os.listdir()) == before
