"""The supervised triplet loss against a loop."""

import math

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from deeprank_plugin.models.pretrainers.triplet import triplet_loss

BACKBONE = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=4,
)


def test_loss_is_that_of_a_loop():
    torch.manual_seed(0)
    features = torch.rand(8, 3).double().requires_grad_()
    distances, labels = torch.cdist(features, features), torch.tensor([0, 1, 0, 2, 1, 0, 3, 1])
    losses, right, count = [], 0, 0
    for a in range(8):
        for p in range(8):
            for n in range(8):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    gap = distances[a, p] - distances[a, n]
                    count += 1
                    right += bool(gap < 0)
                    if gap + 0.2 > 0:
                        losses.append(gap + 0.2)
    found = triplet_loss(distances, labels, 0.2)
    expected = sum(losses) / len(losses)
    torch.testing.assert_close(found['loss_triplet'], expected, rtol=1e-12, atol=0)
    assert float(found['acc_triplet']) == pytest.approx(right / count)
    (one,) = torch.autograd.grad(found['loss_triplet'], features, retain_graph=True)
    (two,) = torch.autograd.grad(expected, features)
    torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


def test_a_batch_without_triplets_is_no_failure():
    model = MODELS.build(dict(type='SupervisedTriplet', backbone=BACKBONE, in_channels=4))
    samples = [ActionDataSample().set_gt_label(index) for index in range(3)]
    found = model(torch.randn(3, 1, 1, 8, 25, 3), samples, mode='loss')
    found['loss_triplet'].backward()
    assert float(found['loss_triplet'].detach()) == 0 and math.isnan(found['acc_triplet'])
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(g).all() and not g.any() for g in gradients)


def test_it_learns_two_classes():
    torch.manual_seed(0)
    model = MODELS.build(dict(type='SupervisedTriplet', backbone=BACKBONE, in_channels=4))
    labels = torch.arange(12) % 2
    inputs = torch.randn(12, 1, 1, 8, 25, 3) + labels.view(-1, 1, 1, 1, 1, 1)
    samples = [ActionDataSample().set_gt_label(int(label)) for label in labels]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(40):
        found = model(inputs, samples, mode='loss')
        optimizer.zero_grad()
        found['loss_triplet'].backward()
        optimizer.step()
    assert float(found['acc_triplet']) > 0.95
    assert model(inputs, samples, mode='predict')[0].feat.shape == (4,)


def test_wrong_arguments():
    with pytest.raises(ValueError, match='margin=0; expected above 0'):
        MODELS.build(dict(type='SupervisedTriplet', backbone=BACKBONE, in_channels=4, margin=0))
    with pytest.raises(ValueError, match="normalize='max' is not known"):
        MODELS.build(
            dict(type='SupervisedTriplet', backbone=BACKBONE, in_channels=4, normalize='max')
        )
