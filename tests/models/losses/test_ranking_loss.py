"""Sums over triplets, anchor by anchor."""

import itertools

import pytest
import torch
from torch.nn.functional import log_softmax

from deeprank_plugin.models.losses import Weighting
from deeprank_plugin.models.losses.ranking_loss import _Graded
from tests.models.heads.ranking import make
from tests.models.host_reads import HostReads


def test_each_anchors_sum_has_its_own_gradient():
    """With ranking_sums' backward written by hand, no anchor's share may leak into another's."""
    for anchor in range(5):
        head, feats, distances = make(5)
        distances[anchor, 1:3] = 0.5  # a tie
        sums = head.sums(feats, distances)
        inputs = [feats, *head.parameters()]
        found = torch.autograd.grad(sums.loss[anchor], inputs)
        losses = []
        for c1, c2 in itertools.permutations(set(range(5)) - {anchor}, 2):
            if distances[anchor, c1] == distances[anchor, c2]:
                continue
            hidden = [head.act(head.fc0(torch.cat([feats[anchor], feats[c]]))) for c in (c1, c2)]
            label = int(distances[anchor, c1] > distances[anchor, c2])
            losses.append(-log_softmax(head.fc1(hidden[0] - hidden[1]), dim=0)[label])
        assert int(sums.count[anchor]) == len(losses)
        for ours, theirs in zip(found, torch.autograd.grad(sum(losses), inputs)):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('options', [{}, dict(chunk_size=2), dict(temperature=0.5, rank_power=1.0)])
def test_nothing_is_read_on_the_host(options):
    head, feats, distances = make(6, **options)
    with HostReads() as reads:
        head.loss(feats, distances)['loss_rank'].backward()
    assert reads.number == 0


def test_weights_are_in_units_of_the_spread_off_the_diagonal():
    distances = torch.rand(5, 5, dtype=torch.float64)
    graded = _Graded(distances, Weighting(temperature=1.0), torch.float64)
    others = torch.stack([distances[a, b] for a in range(5) for b in range(5) if a != b])
    torch.testing.assert_close(graded.distances, distances / others.std(), rtol=0, atol=0)
