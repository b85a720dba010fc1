"""Labels that two distances disagree about, against a loop."""

import itertools
import sys

import numpy as np
import pytest
import torch

from deeprank_plugin.models.utils import compared_rows, label_disagreement
from deeprank_plugin.models.utils.label_disagreement import count_disagreement

# the package's attribute of this name is the function
label_disagreement_module = sys.modules[count_disagreement.__module__]


@pytest.mark.parametrize('at_once', [1, 80, 2**20])  # blocks of one anchor, two, and all
def test_label_disagreement_against_a_loop(at_once, monkeypatch):
    monkeypatch.setattr(label_disagreement_module, 'TRIPLETS_AT_ONCE', at_once)
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 6, 6)).astype(float)
    differ = counted = 0
    for a, i, j in itertools.permutations(range(6), 3):
        if first[a, i] != first[a, j] and second[a, i] != second[a, j]:
            counted += 1
            differ += (first[a, i] < first[a, j]) != (second[a, i] < second[a, j])
    share = label_disagreement(torch.from_numpy(first), torch.from_numpy(second))
    assert 0 < share < 1
    assert share == pytest.approx(differ / counted)


def test_label_disagreement_extremes():
    distances = torch.rand(5, 5)
    assert label_disagreement(distances, distances * 7) == 0
    assert label_disagreement(distances, -distances) == 1
    assert np.isnan(label_disagreement(distances, torch.ones(5, 5)))


def test_counted_disagreement():
    first = torch.tensor([[0.0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]])
    second = first.clone()
    second[0, 1] = 2.5  # for anchor 0, candidates 1 and 2 change places
    differ, counted = count_disagreement(first, second)
    expected = [0, 0]
    for a, c1, c2 in itertools.permutations(range(4), 3):
        one, two = (float(torch.sign(d[a, c1] - d[a, c2])) for d in (first, second))
        if one * two:
            expected[0] += one != two
            expected[1] += 1
    assert [differ, counted] == expected and differ == 2


def test_compared_rows_are_the_same_every_time():
    assert sorted(compared_rows(5).tolist()) == [0, 1, 2, 3, 4]
    rows = compared_rows(1000)
    assert torch.equal(rows, compared_rows(1000)) and len(set(rows.tolist())) == 256
