"""ClusterHead against a plain loop."""

import math

import pytest
import torch

from deeprank_plugin.models.heads import ClusterHead


def test_loss_is_that_of_a_loop():
    head = ClusterHead(4, 3).double()
    features, labels = torch.randn(6, 4).double(), torch.tensor([0, 2, 1, 1, 0, 2])
    found = head.loss(features, labels)
    losses, right = [], 0
    weight, bias = head.fc.weight.tolist(), head.fc.bias.tolist()
    for feature, label in zip(features.tolist(), labels.tolist()):
        logits = [b + sum(w * x for w, x in zip(row, feature)) for row, b in zip(weight, bias)]
        losses.append(math.log(sum(map(math.exp, logits))) - logits[label])
        right += logits.index(max(logits)) == label
    assert float(found['loss_cluster'].detach()) == pytest.approx(sum(losses) / 6, rel=1e-5)
    assert float(found['acc_cluster']) == pytest.approx(right / 6)
