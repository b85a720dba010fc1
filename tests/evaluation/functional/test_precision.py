"""Figures of the analysis tools against plain loops."""

from itertools import permutations

import numpy as np
import pytest
import torch

from deeprank_plugin.evaluation.functional import precision
from deeprank_plugin.evaluation.functional.precision import cluster_purity, count_precision


@pytest.mark.parametrize('at_once', [1, 200, 2**20])  # blocks of one anchor, two, and all
def test_precision_is_that_of_a_loop(at_once, monkeypatch):
    monkeypatch.setattr(precision, 'TRIPLETS_AT_ONCE', at_once)
    features = torch.as_tensor(np.random.normal(size=(9, 3)))
    distances, labels = torch.cdist(features, features), torch.tensor([0, 0, 1, 1, 1, 2, 2, 0, 1])
    distances[0, 1] = distances[0, 2]  # a tie does not count
    right = total = decided = decisive = 0
    chance = 0.0
    for a, c1, c2 in permutations(range(9), 3):
        if distances[a, c1] < distances[a, c2]:
            total += 1
            right += int(labels[c1] == labels[a])
            if (labels[c1] == labels[a]) != (labels[c2] == labels[a]):
                decisive += 1
                decided += int(labels[c1] == labels[a])
            same = sum(int(labels[c] == labels[a]) for c in range(9) if c != a)
            chance += same / 8
    found = count_precision(distances, labels)
    assert (found.right, found.total) == (right, total)
    assert (found.decided, found.decisive) == (decided, decisive)
    assert found.chance == pytest.approx(chance)


def test_precision_of_perfect_features_is_above_chance():
    labels = torch.arange(12) % 3
    distances = torch.cdist(torch.eye(3)[labels], torch.eye(3)[labels])
    found = count_precision(distances, labels)
    assert found.right == found.total > found.chance
    assert found.decided == found.decisive == 12 * 3 * 8


def test_purity():
    clusters, labels = np.array([0, 0, 0, 2, 2, 2]), np.array([1, 1, 0, 2, 2, 1])
    assert cluster_purity(clusters, labels) == pytest.approx(4 / 6)
