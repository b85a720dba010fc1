"""convert_sttformer.py as a user runs it."""

import os
import re

import pytest
import torch
from helpers import run_tool
from mmaction.registry import MODELS
from sttformer_keys import to_authors

BACKBONE = dict(
    type='STTFormer', num_joints=5, tuple_length=2, blocks=[(4, 4, 2), (4, 6, 3)], num_heads=2
)


def network(init_cfg=None):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='RecognizerGCN',
            backbone=dict(BACKBONE, init_cfg=init_cfg),
            cls_head=dict(type='GCNHead', num_classes=3, in_channels=6),
        )
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A work dir with authors.pt (positions for 7 tuples) and ours.pth, of the same weights."""
    monkeypatch.chdir(tmp_path)
    weights = network().state_dict()
    torch.save(to_authors(weights, pe_tuples=7), 'authors.pt')
    torch.save(dict(state_dict=weights, meta=dict(epoch=90)), 'ours.pth')
    return tmp_path


@pytest.fixture
def tool(call_tool):
    """A function that runs the tool in this process: exit code, what it printed."""

    def run(*arguments):
        code, out, err = call_tool('convert_sttformer.py', *arguments)
        return code, out + err

    return run


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.slow
def test_as_a_program(folder):
    result = run_tool('convert_sttformer.py', 'authors.pt', 'new/a.pth')
    assert result.returncode == 0, result.stderr
    assert 'joints_in_tuple=10' in result.stdout and 'use_pes' not in result.stderr
    content = load('new/a.pth')
    assert_same(content['state_dict'], load('ours.pth')['state_dict'])
    meta = dict(content['meta'])
    assert meta.pop('source') == 'authors.pt' and meta.pop('joints_in_tuple') == 10
    assert meta.pop('kernel_sizes') == (3, 5) and meta.pop('in_channels') == 3
    expected = dict(type='STTFormer', blocks=BACKBONE['blocks'], num_heads=2)
    assert meta == expected


def test_there_back_and_downstream(folder, tool):
    assert tool('ours.pth', 'b.pt', '--to', 'authors', '--pe-tuples', '7')[0] == 0
    assert_same(load('b.pt'), load('authors.pt'))
    assert tool('ours.pth', 'c.pt', '--to', 'authors')[0] == 0
    assert not [key for key in load('c.pt') if 'pes' in key]
    code, printed = tool('c.pt', 'd.pth')
    assert code == 0 and 'use_pes=False, its outputs differ' in printed
    assert_same(load('d.pth')['state_dict'], load('ours.pth')['state_dict'])
    torch.save(dict(state_dict={f'module.{k}': v for k, v in load('b.pt').items()}), 'wrapped.pt')
    code, printed = tool('wrapped.pt', 'e.pth')
    assert code == 0 and 'use_pes' not in printed
    target = network(dict(type='Pretrained', checkpoint='e.pth', prefix='backbone.'))
    with torch.no_grad():
        for value in target.parameters():
            value.zero_()
    target.backbone.init_weights()
    source = load('ours.pth')['state_dict']
    assert_same(
        {f'backbone.{k}': v for k, v in target.backbone.state_dict().items()},
        {k: v for k, v in source.items() if k.startswith('backbone.')},
    )


class Hostile:
    def __reduce__(self):
        return os.mkdir, ('made',)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (('ours.pth', 'x.pth'), 'ours.pth: input_map.0.weight is missing'),
        (('authors.pt', 'x.pth', '--to', 'authors'), 'backbone.embed.0.weight is missing'),
        (('ours.pth', 'x.pt', '--to', 'authors', '--pe-tuples', '0'), 'pe_tuples=0'),
        (('authors.pt', 'x.pth', '--pe-tuples', '7'), 'is for --to authors'),
        (('authors.pt', 'ours.pth'), 'ours.pth exists and holds something else'),
        (('nowhere.pt', 'x.pth'), "'nowhere.pt' is no file"),
        (('hostile.pt', 'x.pth'), 'cannot be read.*mkdir'),
        (('number.pt', 'x.pth'), "'state_dict' is a int; expected a dict"),
        (('more.pt', 'x.pth'), 'more.pt: .*unknown: extra;'),
    ],
)
def test_errors_are_sentences(folder, tool, arguments, sentence):
    torch.save(dict(weight=Hostile()), 'hostile.pt')
    torch.save(dict(state_dict=3), 'number.pt')
    torch.save(dict(load('authors.pt'), extra=torch.zeros(1)), 'more.pt')
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, printed = tool(*arguments)
    assert code == 2 and re.search(sentence, printed), printed
    assert 'Traceback' not in printed
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_force_replaces(folder, tool):
    assert tool('authors.pt', 'ours.pth', '--force')[0] == 0
    assert load('ours.pth')['meta']['source'] == 'authors.pt'
