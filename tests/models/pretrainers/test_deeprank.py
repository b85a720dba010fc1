"""DeepRank as a whole, on one process and on two."""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from torch import nn

from deeprank_plugin.models import DeepRank
from deeprank_plugin.models.heads.classifiers import CLASSIFIERS
from deeprank_plugin.models.heads.rank_head import PAIR_CLASSIFIERS
from deeprank_plugin.models.utils import FeatureBank, pairwise_distances

GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')


class TinyBackbone(BaseModule):
    """One linear layer on coordinates: no BatchNorm, so batches do not mix."""

    def __init__(self, width=8):
        super().__init__()
        self.layer = nn.Linear(3, width)

    def forward(self, x):
        return self.layer(x).tanh().permute(0, 1, 4, 2, 3)


MODELS.register_module(module=TinyBackbone, force=True)


def make(width=8, **kwargs):
    torch.manual_seed(0)
    model = DeepRank(
        dict(type='TinyBackbone', width=width),
        dict(type='RankHead', in_channels=width, hidden_channels=6),
        **kwargs,
    )
    return model.double()


def make_batch(number=8):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(number, 1, 2, 5, 25, 3, dtype=torch.float64, generator=generator)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}')) for i in range(number)
    ]
    frozen = torch.randn(number, 8, generator=generator)
    return inputs, samples, frozen


def test_loss_is_the_heads_on_the_banks_distances():
    model, (inputs, samples, frozen) = make(), make_batch()
    model.relabel(frozen, [f's{i}' for i in range(8)])
    order = [5, 2, 7, 0]
    losses = model(inputs[order], [samples[i] for i in order], mode='loss')
    unit = frozen[order] / frozen[order].norm(dim=1, keepdim=True)
    distances = (unit[:, None] - unit).norm(dim=-1)
    feats = model(inputs[order], mode='tensor')
    expected = model.head.loss(feats, distances)
    torch.testing.assert_close(losses['loss_rank'], expected['loss_rank'])
    assert feats.shape == (4, 8)
    by_hand = model.backbone(inputs[order].flatten(0, 1)).mean(dim=(1, 3, 4))
    torch.testing.assert_close(feats, by_hand)


def test_predict_sums_over_the_batch_are_its_loss():
    model, (inputs, samples, frozen) = make(), make_batch()
    model.relabel(frozen, [f's{i}' for i in range(8)])
    sums = torch.stack([s.rank for s in model(inputs, samples, mode='predict')]).sum(dim=0)
    losses = model(inputs, samples, mode='loss')
    assert int(sums[2]) == 8 * 7 * 6
    torch.testing.assert_close(sums[0] / sums[2], losses['loss_rank'].detach(), rtol=1e-6, atol=0)
    assert float(sums[1] / sums[2]) == pytest.approx(float(losses['acc_rank']))


def test_predict_ranks_only_samples_of_the_bank():
    model, (inputs, samples, frozen) = make(), make_batch()
    model.relabel(frozen, [f'other{i}' for i in range(8)])
    for sample in model(inputs, samples, mode='predict'):
        assert 'rank' not in sample
        assert sample.feat.shape == (8,)


def test_relabel_counts_flips():
    model, (_, _, frozen) = make(), make_batch()
    names = [f's{i}' for i in range(8)]
    assert model.compare(frozen) == {} and model.relabel(frozen, names) == {}
    assert model.relabel(frozen, names) == dict(flipped=0)
    reverse = torch.randn(8, 8, generator=torch.Generator().manual_seed(5))
    compared = model.compare(reverse)['flipped']
    assert torch.equal(model.bank.features, frozen)  # nothing was changed
    flipped = model.relabel(reverse, names)['flipped']
    assert flipped == compared and torch.equal(model.bank.features, reverse)
    d1, d2 = pairwise_distances(frozen), pairwise_distances(reverse)
    triplets = [
        (d1[a, i] < d1[a, j]) != (d2[a, i] < d2[a, j])
        for a in range(8)
        for i in range(8)
        for j in range(8)
        if len({a, i, j}) == 3
    ]
    assert flipped == pytest.approx(float(torch.stack(triplets).float().mean()))


def test_reset_head_only_when_labels_change():
    model, (_, _, frozen) = make(reset_head=True), make_batch()
    names = [f's{i}' for i in range(8)]
    before = model.head.fc0.weight.clone()
    model.relabel(frozen, names)
    assert torch.equal(model.head.fc0.weight, before)
    model.relabel(frozen, names)
    assert not torch.equal(model.head.fc0.weight, before)


@pytest.mark.parametrize('classifier', [*PAIR_CLASSIFIERS, *CLASSIFIERS])
def test_nothing_of_a_head_survives_its_reset(classifier):
    head = dict(type='RankHead', in_channels=8, hidden_channels=6, classifier=classifier)
    model = DeepRank(dict(type='TinyBackbone'), head)
    fresh = copy.deepcopy(model.head.state_dict())
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(100)  # training
    model.reset_heads()
    for key, value in model.head.state_dict().items():
        assert value.abs().max() < 50, key
        same = fresh[key].min() == fresh[key].max()  # ones, zeros, or one number
        assert torch.equal(value, fresh[key]) == same, key


def test_without_labels_or_meta_keys():
    model, (inputs, samples, frozen) = make(), make_batch()
    with pytest.raises(RuntimeError, match='RelabelHook'):
        model(inputs, samples, mode='loss')
    model.bank = FeatureBank([f's{i}' for i in range(8)])
    model.bank.write(frozen)
    with pytest.raises(KeyError, match='PackActionInputs'):
        model(inputs, [ActionDataSample() for _ in range(8)], mode='loss')


@pytest.mark.parametrize('data_bn_type', ['VC', 'MVC'])
@pytest.mark.parametrize('backbone', ['STGCN', 'AAGCN'])
def test_backbones_of_mmaction2(backbone, data_bn_type):
    config = dict(type=backbone, graph_cfg=dict(GRAPH), base_channels=4, data_bn_type=data_bn_type)
    if backbone == 'AAGCN':
        config['graph_cfg'] = dict(layout='nturgb+d', mode='spatial')
    model = DeepRank(config, dict(type='RankHead', in_channels=16))
    inputs, samples, _ = make_batch(4)
    model.relabel(torch.randn(4, 16), [f's{i}' for i in range(4)])
    loss = model(inputs.float().repeat(1, 1, 1, 4, 1, 1), samples, mode='loss')['loss_rank']
    loss.backward()
    assert all(p.grad is not None for p in model.backbone.parameters())


def test_the_probe_leaves_no_trace():
    model = DeepRank(
        dict(type='STGCN', graph_cfg=dict(GRAPH), base_channels=4),
        dict(type='RankHead', in_channels=16),
    )
    assert model.backbone.training
    assert int(model.backbone.data_bn.num_batches_tracked) == 0


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(head=dict(type='RankHead', in_channels=9)), 'set head.in_channels=16'),
        (
            dict(data_preprocessor=dict(type='SkeletonPreprocessor', layout='coco')),
            'graph has 25 joints.*layout 17.*graph_cfg.layout',
        ),
        (
            dict(data_preprocessor=dict(type='SkeletonPreprocessor', modality=['joint', 'bone'])),
            'one encoder',
        ),
        (dict(normalize='cosine'), "'cosine' is not known"),
    ],
)
def test_misfits_are_reported_at_build(kwargs, message):
    config = dict(
        backbone=dict(type='STGCN', graph_cfg=dict(GRAPH), base_channels=4),
        head=dict(type='RankHead', in_channels=16),
    )
    with pytest.raises(ValueError, match=message):
        DeepRank(**{**config, **kwargs})


def test_mixed_precision():
    model, (inputs, samples, frozen) = make().float(), make_batch()
    model.relabel(frozen, [f's{i}' for i in range(8)])
    inputs = inputs.float()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model(inputs, samples, mode='loss')
        ranked = model(inputs, samples, mode='predict')
    losses['loss_rank'].backward()
    assert losses['loss_rank'].dtype == torch.float32
    assert ranked[0].feat.dtype == torch.float32
    expected = model(inputs, samples, mode='loss')['loss_rank']
    torch.testing.assert_close(losses['loss_rank'], expected, rtol=2e-2, atol=2e-2)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
