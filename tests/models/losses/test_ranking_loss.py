"""Sums over triplets, anchor by anchor."""

import itertools

import torch
from torch.nn.functional import log_softmax

from tests.models.heads.ranking import make


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
