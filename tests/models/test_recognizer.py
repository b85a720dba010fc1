"""SkeletonRecognizer: what does not fit is reported at construction; the rest in test_bodies.py."""

import pytest
import torch
from mmaction.models.heads import GCNHead
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')
BACKBONE = dict(type='STGCN', graph_cfg=GRAPH, base_channels=4, num_stages=3, inflate_stages=[2])


def make(backbone=BACKBONE, **kwargs):
    arguments = dict(cls_head=dict(type='GCNHead', num_classes=3, in_channels=8), **kwargs)
    return MODELS.build(dict(type='SkeletonRecognizer', backbone=backbone, **arguments))


@pytest.mark.parametrize(
    'backbone, kwargs, message',
    [
        (
            BACKBONE,
            dict(data_preprocessor=dict(type='SkeletonPreprocessor', layout='coco')),
            'graph has 25 joints.*layout 17.*set backbone.graph_cfg.layout',
        ),
        (
            dict(type='STTFormer', num_joints=18, blocks=[(8, 8, 4)], num_heads=2),
            dict(data_preprocessor=dict(type='SkeletonPreprocessor')),
            'graph has 18 joints.*layout 25.*set backbone.num_joints',
        ),
        (
            dict(BACKBONE, base_channels=6),
            dict(),
            'backbone gives 12 features and the head takes 8.*set cls_head.in_channels=12',
        ),
    ],
)
def test_misfits_are_reported_at_construction(backbone, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(backbone, **kwargs)


def test_data_of_two_coordinates():
    model = make(data_preprocessor=dict(type='SkeletonPreprocessor'))
    inputs = torch.randn(2, 1, 1, 12, 25, 2)
    with pytest.raises(ValueError, match='data have 2 coordinates.*backbone.in_channels=2'):
        model(inputs, mode='tensor')
    model = make(dict(BACKBONE, in_channels=2), data_preprocessor=dict(type='SkeletonPreprocessor'))
    assert model(inputs, mode='tensor').shape == (2, 1, 8, 12, 25)


@pytest.mark.parametrize('data_bn_type', ['VC', 'MVC'])
def test_the_check_leaves_no_trace(data_bn_type):
    torch.manual_seed(0)
    backbone = dict(BACKBONE, data_bn_type=data_bn_type)
    model = make(backbone)
    state = torch.get_rng_state()
    assert model.backbone.training and model.backbone.data_bn.num_batches_tracked == 0
    torch.manual_seed(0)
    arguments = dict(backbone=backbone, cls_head=dict(type='GCNHead', num_classes=3, in_channels=8))
    plain = MODELS.build(dict(type='RecognizerGCN', **arguments))
    assert torch.equal(state, torch.get_rng_state())
    for one, other in zip(model.parameters(), plain.parameters()):
        assert torch.equal(one, other)


def test_a_head_that_takes_any_features():
    model = MODELS.build(
        dict(type='SkeletonRecognizer', backbone=BACKBONE, cls_head=dict(type='PoolHead'))
    )
    assert model(torch.randn(1, 1, 1, 12, 25, 3), mode='tensor', stage='head').shape == (1, 8)


def test_scores_of_a_batch_are_one_copy_to_the_host(monkeypatch):
    model, samples, copied = make().eval(), [ActionDataSample() for _ in range(4)], []
    host = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, 'cpu', lambda t: copied.append(t.shape) or host(t))
    inputs = torch.randn(4, 1, 2, 8, 25, 3)
    with torch.no_grad():
        found = model(inputs, samples, mode='predict')
        monkeypatch.undo()
        plain = super(type(model), model).predict(inputs, [s.new() for s in samples])
    assert copied == [(4, 3)] and found is samples
    for ours, theirs in zip(found, plain):
        assert torch.equal(ours.pred_score, theirs.pred_score)
        assert torch.equal(ours.pred_label, theirs.pred_label)


class OwnLoss(GCNHead):
    """A head with a loss of its own."""

    def loss_by_feat(self, cls_scores, data_samples):
        return dict(loss_own=cls_scores.sum())


MODELS.register_module(module=OwnLoss, force=True)


@pytest.mark.parametrize(
    'number, labels, head',
    [
        (8, 1, dict()),
        (8, 1, dict(dropout=0.0)),  # in mixed precision
        (1, 1, dict(topk=(1, 2, 5))),
        (8, 0, dict(topk=())),
        (8, 1, dict(loss_cls=dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0, 3.0]))),
        (8, 1, dict(label_smooth_eps=0.1)),
        (8, 3, dict(multi_class=True)),
        (8, 1, dict(type='OwnLoss')),
    ],
)
def test_the_loss_is_that_of_mmaction2(number, labels, head):
    samples = [ActionDataSample() for _ in range(number)]
    for index, sample in enumerate(samples):
        label = torch.tensor(index % 3)  # labels=0: of no dimension, as MMAction2 takes it
        sample.set_gt_label({0: label, 1: index % 3, 3: torch.eye(3)[label]}[labels])
    inputs, found = torch.randn(number, 1, 2, 8, 25, 3), []
    for kind in ('SkeletonRecognizer', 'RecognizerGCN'):
        torch.manual_seed(0)
        own = dict(dict(type='GCNHead', num_classes=3, in_channels=8), **head)
        own['init_cfg'] = dict(type='Normal', layer='Linear', std=1.0)  # some are right
        model = MODELS.build(dict(type=kind, backbone=BACKBONE, cls_head=own))
        model.init_weights()
        with torch.autocast('cpu', torch.bfloat16, enabled='dropout' in head):
            found.append(model(inputs, samples, mode='loss'))
    ours, expected = found
    assert list(ours) == list(expected)
    for name, value in expected.items():
        assert torch.equal(ours[name], value) and ours[name].dtype == value.dtype, name
