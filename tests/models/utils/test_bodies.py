"""Absent bodies are encoded once, and the features are those of encoding all of them."""

import math

import pytest
import torch
from mmaction.registry import MODELS
from torch.nn.modules.batchnorm import _BatchNorm

from deeprank_plugin.models import DeepRank, SkeletonRecognizer
from deeprank_plugin.models.utils import bodies, encode_bodies
from deeprank_plugin.models.utils.bodies import empty_bodies
from tests.models.host_reads import HostReads

GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')
STGCN = dict(type='STGCN', graph_cfg=GRAPH, base_channels=4, num_stages=3, inflate_stages=[2])
BACKBONES = dict(
    stgcn=STGCN,
    slim=dict(type='STGCNSlim', graph_cfg=GRAPH),
    mvc=dict(STGCN, data_bn_type='MVC'),
    sttformer=dict(type='STTFormer', num_joints=25, blocks=[(8, 8, 4), (8, 16, 4)], num_heads=2),
)
PRESENT = dict(
    second_absent=[[1, 0]] * 4,
    mixed=[[1, 0], [1, 1], [0, 1], [1, 0]],
    first_absent=[[0, 1]] * 4,
    none_absent=[[1, 1]] * 4,
    all_absent=[[0, 0]] * 4,
)


class Counter:
    """Counts the bodies that a backbone is given."""

    def __init__(self, backbone):
        self.bodies = 0
        backbone.register_forward_pre_hook(self)

    def __call__(self, module, inputs):
        self.bodies += inputs[0].shape[0] * inputs[0].shape[1]


def make(name, dtype=torch.float64):
    torch.manual_seed(0)
    backbone = MODELS.build(BACKBONES[name])
    for tensor in backbone.state_dict().values():  # statistics and weights of a used network
        if tensor.is_floating_point():
            tensor.add_(0.3 * torch.rand_like(tensor))
    return backbone.to(dtype).eval()


def sequences(present, dtype=torch.float64):
    torch.manual_seed(1)
    mask = torch.tensor(present, dtype=dtype)
    return torch.randn(4, 2, 12, 25, 3, dtype=dtype) * mask[:, :, None, None, None]


@pytest.mark.parametrize('present', PRESENT)
@pytest.mark.parametrize('name', BACKBONES)
def test_features_are_the_same(name, present):
    backbone, inputs = make(name), sequences(PRESENT[present])
    expected = backbone(inputs)
    counter = Counter(backbone)
    found = encode_bodies(backbone, inputs)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    there = sum(map(sum, PRESENT[present]))
    assert counter.bodies == (8 if name == 'mvc' or there == 8 else there + 1)


@pytest.mark.parametrize('present', PRESENT)
def test_sizes_that_a_gpu_sees_are_few(monkeypatch, present):
    monkeypatch.setattr(bodies, 'SIZES', 3)
    monkeypatch.setattr(bodies, 'empty_bodies', lambda n, _: empty_bodies(n, torch.device('cuda')))
    backbone, inputs = make('stgcn'), sequences(PRESENT[present])
    expected = backbone(inputs)
    counter = Counter(backbone)
    with HostReads() as reads:
        found = encode_bodies(backbone, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    there = sum(map(sum, PRESENT[present]))
    assert counter.bodies == {0: 3, 4: 6, 5: 6, 8: 8}[there] and reads.number == 1


def test_number_of_empty_bodies():
    assert [empty_bodies(n, torch.device('cpu')) for n in (0, 15, 16)] == [1, 1, 1]
    assert [empty_bodies(n, torch.device('cuda')) for n in (0, 15, 16)] == [16, 1, 16]


@pytest.mark.parametrize('name', ['stgcn', 'sttformer'])
def test_in_single_precision(name):
    backbone, inputs = make(name, torch.float32), sequences(PRESENT['mixed'], torch.float32)
    expected = backbone(inputs)
    error = (encode_bodies(backbone, inputs) - expected).abs().max()
    assert error <= 1e-6 * expected.abs().max()


def test_training_computes_everything():
    backbone, inputs = make('stgcn').train(), sequences(PRESENT['second_absent'])
    counter = Counter(backbone)
    first = encode_bodies(backbone, inputs)
    assert counter.bodies == 8
    other = make('stgcn').train()
    assert torch.equal(first, other(inputs))


@pytest.mark.parametrize('present', PRESENT)
@pytest.mark.parametrize('name', ['stgcn', 'sttformer'])
def test_statistics_are_those_of_the_present_bodies(name, present):
    inputs, mask = sequences(PRESENT[present]), torch.tensor(PRESENT[present]).bool()
    measured, expected = make(name), make(name)
    layers = [m for b in (measured, expected) for m in b.modules() if isinstance(m, _BatchNorm)]
    for layer in layers:
        layer.train()
    if mask.any():
        expected(inputs[mask][:, None])
    maps = encode_bodies(measured, inputs)
    assert maps.shape[:2] == (4, 2) and maps.isfinite().all()
    assert all(layer.training for layer in layers)
    for key, value in expected.state_dict().items():
        torch.testing.assert_close(measured.state_dict()[key], value, rtol=1e-9, atol=1e-9)


def test_nan_is_not_absent():
    inputs = sequences(PRESENT['second_absent'])
    inputs[2, 1, 0, 0, 0] = math.nan
    found = encode_bodies(make('stgcn'), inputs)
    assert found[2, 1].isnan().any() and found[0].isfinite().all()


def test_models_use_it():
    inputs = sequences(PRESENT['mixed'], torch.float32)[:, None]  # one clip
    head = dict(type='GCNHead', num_classes=3, in_channels=8)
    recognizer = MODELS.build(
        dict(type='SkeletonRecognizer', backbone=BACKBONES['stgcn'], cls_head=head)
    ).eval()
    plain = MODELS.build(dict(type='RecognizerGCN', backbone=BACKBONES['stgcn'], cls_head=head))
    plain.load_state_dict(recognizer.state_dict())
    assert isinstance(recognizer, SkeletonRecognizer)
    deeprank = DeepRank(BACKBONES['stgcn'], dict(type='RankHead', in_channels=8)).eval()
    for model in (recognizer, deeprank):
        counter = Counter(model.backbone)
        with torch.no_grad():
            found = model(inputs, mode='tensor')
        assert counter.bodies == 6, type(model)
    with torch.no_grad():
        scores = [m.eval()(inputs, mode='tensor', stage='head') for m in (recognizer, plain)]
    torch.testing.assert_close(*scores)
    assert found.shape == (4, 8)
