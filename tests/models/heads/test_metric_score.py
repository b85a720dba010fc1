"""MetricScore is a distance on the projection; kappa is learned and reset with the head."""

import math

import torch

from deeprank_plugin.models import RankHead
from deeprank_plugin.models.heads.metric_score import MetricScore


def test_the_score_is_minus_kappa_times_the_squared_distance():
    torch.manual_seed(0)
    score = MetricScore(5, 7).double()
    feats = torch.randn(6, 5, dtype=torch.double)
    unit = score.projection(feats).detach()
    unit = [vector / vector.norm() for vector in unit]
    expected = [[-math.exp(2) * (a - c).pow(2).sum() for c in unit] for a in unit]
    expected = torch.tensor(expected, dtype=torch.double)
    torch.testing.assert_close(score(feats), expected)
    assert torch.autograd.gradcheck(score, feats.requires_grad_())


def test_the_head_has_no_other_layers():
    head = RankHead(5, classifier='metric')
    names = {'metric.log_scale'}
    names |= {f'metric.projection.{i}.{kind}' for i in (0, 2) for kind in ('weight', 'bias')}
    assert set(head.state_dict()) == names
    assert head.metric.projection[2].out_features == 64
    feats, distances = torch.randn(8, 5), torch.rand(8, 8)
    head.loss(feats, distances)['loss_rank'].backward()
    assert all(float(p.grad.abs().max()) > 0 for p in head.parameters())
    assert set(RankHead(5).state_dict()) == {
        f'{layer}.{kind}' for layer in ('fc0', 'fc1') for kind in ('weight', 'bias')
    }


def test_reset():
    score = MetricScore(5)
    score.log_scale.data.fill_(7.0)
    score.reset_parameters()
    assert float(score.log_scale) == 2.0
