"""The base classes, by methods written with them; modes, checks and the bank."""

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from deeprank_plugin.models.pretrainers import BankPretrainer, EncoderPretrainer

BACKBONE = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=4,
)


class PlayedBackwards(EncoderPretrainer):
    """Tells sequences from the same ones played backwards: a method without a bank.

    Args:
        backbone (dict): Config of a GCN backbone.
        in_channels (int): Its number of feature channels D.
        data_preprocessor (dict): Config of a preprocessor with one modality.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
    """

    def __init__(
        self,
        backbone,
        in_channels,
        data_preprocessor=dict(type='SkeletonPreprocessor'),
        init_cfg=None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.check_encoder(in_channels)
        self.fc = nn.Linear(in_channels, 2)

    def loss(self, inputs, data_samples):
        """Cross-entropy of both directions of sequences (B, clips, M, T, V, C)."""
        both = torch.cat([inputs, inputs.flip(3)])  # (2 B, clips, M, T, V, C)
        logits = self.fc(self.extract_feat(both).float())
        labels = torch.arange(2, device=logits.device).repeat_interleave(len(inputs))
        found = (logits.argmax(dim=1) == labels).float().mean()
        return dict(loss_direction=cross_entropy(logits, labels), acc_direction=found)


class SelfDistillation(BankPretrainer):
    """Learns its own frozen features: a method with a bank, filled by ``RelabelHook``."""

    def __init__(self, backbone, in_channels, init_cfg=None, **kwargs):
        super().__init__(dict(type='SkeletonPreprocessor'), reset_head=True, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.check_encoder(in_channels)
        self.head = nn.Linear(in_channels, in_channels)

    def loss(self, inputs, data_samples):
        """Mean squared error of the features that the head predicts."""
        found = self.head(self.extract_feat(inputs))
        return dict(loss_distill=mse_loss(found, self.label_features(data_samples)))

    def score(self, features, data_samples, inputs):
        errors = (self.head(features) - self.label_features(data_samples)).pow(2).mean(dim=1)
        for sample, error in zip(data_samples, errors):
            sample.set_field(error, 'error')


def make_batch(number=4):
    torch.manual_seed(0)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}')) for i in range(number)
    ]
    return torch.randn(number, 2, 1, 8, 25, 3), samples


def test_a_method_without_a_bank():
    model, (inputs, samples) = PlayedBackwards(BACKBONE, 4), make_batch()
    losses = model(inputs, samples, mode='loss')
    losses['loss_direction'].backward()
    assert all(p.grad is not None for p in model.parameters())
    features = model.eval()(inputs, mode='tensor')
    by_hand = model.backbone(inputs.flatten(0, 1)).mean(dim=(1, 3, 4)).view(4, 2, 4).mean(dim=1)
    torch.testing.assert_close(features, by_hand)  # averaged over positions, bodies and clips
    found = model(inputs, samples, mode='predict')
    torch.testing.assert_close(torch.stack([sample.feat for sample in found]), features)
    with pytest.raises(RuntimeError, match="mode='losses' is not known"):
        model(inputs, samples, mode='losses')


def test_a_method_with_a_bank():
    model, (inputs, samples) = SelfDistillation(BACKBONE, 4).eval(), make_batch()
    with pytest.raises(RuntimeError, match='SelfDistillation has no labels yet: add RelabelHook'):
        model(inputs, samples, mode='loss')
    assert not any('error' in s for s in model(inputs, samples, mode='predict'))
    features = model(inputs, mode='tensor')
    weight = model.head.weight.clone()
    assert model.relabel(features, [f's{i}' for i in range(4)]) == {}
    assert torch.equal(model.head.weight, weight)
    assert torch.equal(model.label_features([samples[2]])[0], features[2])
    loss = model(inputs, samples, mode='loss')['loss_distill']
    errors = [s.error for s in model(inputs, samples, mode='predict')]
    torch.testing.assert_close(torch.stack(errors).mean(), loss)
    model.relabel(features, [f'other{i}' for i in range(4)])
    assert not torch.equal(model.head.weight, weight)  # reset_head
    fresh = make_batch()[1]
    assert not any('error' in s for s in model(inputs, fresh, mode='predict'))


def test_features_that_are_not_finite_change_nothing():
    model = SelfDistillation(BACKBONE, 4)
    model.relabel(torch.randn(3, 4), list('abc'))
    bank, weight = model.bank, model.head.weight.clone()
    with pytest.raises(ValueError, match="not finite, the first is 'b'"):
        model.relabel(torch.tensor([[0.0] * 4, [float('nan')] * 4, [1.0] * 4]), list('abc'))
    assert model.bank is bank and torch.equal(model.head.weight, weight)


def test_too_few_samples_are_not_scored():
    model, (inputs, samples) = SelfDistillation(BACKBONE, 4), make_batch()
    model.relabel(torch.randn(4, 4), [f's{i}' for i in range(4)])
    model.min_scored = 5
    assert not any('error' in s for s in model(inputs, samples, mode='predict'))


@pytest.mark.parametrize('kind', ['SkeletonMoCo', 'SkeletonMAE', 'SupervisedTriplet'])
def test_every_method_makes_the_same_checks(kind):
    def build(**kwargs):
        return MODELS.build(dict(dict(type=kind, backbone=BACKBONE, in_channels=4), **kwargs))

    build()
    streams = dict(type='SkeletonPreprocessor', modality=['joint', 'bone'])
    with pytest.raises(ValueError, match=f'{kind} has one encoder.*MVDeepRank for several'):
        build(data_preprocessor=streams)
    with pytest.raises(ValueError, match='graph has 25 joints.*layout 17'):
        build(data_preprocessor=dict(type='SkeletonPreprocessor', layout='coco'))
    with pytest.raises(ValueError, match='gives 4 features and the head takes 5.*in_channels=4'):
        build(in_channels=5)
    with pytest.raises(ValueError, match='data have 2 coordinates.*backbone.in_channels=2'):
        build()(torch.randn(2, 1, 1, 8, 25, 2), mode='tensor')


@pytest.mark.parametrize(
    'method',
    [
        dict(type='DeepRank', head=dict(type='RankHead', in_channels=8)),
        dict(type='MVDeepRank', head=dict(type='RankHead', in_channels=8)),
        dict(type='DeepCluster', head=dict(type='ClusterHead', in_channels=8, num_clusters=2)),
        dict(type='SkeletonMoCo', in_channels=8, queue_size=4),
        dict(type='SupervisedTriplet', in_channels=8),
        dict(type='SkeletonMAE', in_channels=4),
    ],
    ids=lambda method: method['type'],
)
def test_segments_of_every_method(method):
    model = MODELS.build(dict(method, backbone=BACKBONE, segments=2)).eval()
    inputs = torch.randn(3, 2, 1, 12, 25, 3)
    names = [f's{index}' for index in range(3)]
    several = model.several_modalities
    given = {name: inputs for name in model.encoders} if several else inputs
    features = model(given)
    assert features.shape == ((3, 3, 8) if several else (3, 8))
    encoder = next(iter(model.encoders.values()))
    clips = encoder(inputs.flatten(0, 1))[:, 0].mean(dim=-1)  # (6, 4, 12)
    halves = torch.stack([clips[..., :6].mean(dim=-1), clips[..., 6:].mean(dim=-1)], dim=-1)
    expected = halves.flatten(1).view(3, 2, 8).mean(dim=1)
    torch.testing.assert_close(features[:, 0] if several else features, expected)
    if hasattr(model, 'relabel'):
        model.relabel(features, names)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=name)).set_gt_label(i % 2)
        for i, name in enumerate(names)
    ]
    losses = model.train()(given, samples, mode='loss')
    assert all(value.isfinite().all() for key, value in losses.items() if 'loss' in key)
    if method['type'] != 'SkeletonMAE':  # its decoder takes the map, not the segments
        with pytest.raises(ValueError, match='gives 12 features in 3 segments'):
            MODELS.build(dict(method, backbone=BACKBONE, segments=3))
