"""Spread and effective rank against formulas."""

import numpy as np
import pytest
import torch
from scipy.linalg import svdvals

from deeprank_plugin.evaluation.functional import (
    effective_rank,
    effective_rank_var,
    feature_health,
    feature_spread,
)


def test_effective_rank():
    features = torch.randn(200, 6)
    unit = torch.nn.functional.normalize(features.double()).numpy()
    values = svdvals(unit - unit.mean(axis=0))
    share = values / values.sum()
    assert effective_rank(features) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    angles = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert effective_rank(angles) == pytest.approx(2)
    assert effective_rank(torch.ones(5, 3)) == 0


def test_effective_rank_by_variance():
    features = torch.randn(200, 6) * torch.tensor([4.0, 2, 1, 1, 0.5, 0.1])
    unit = torch.nn.functional.normalize(features.double()).numpy()
    variance = np.linalg.eigvalsh(np.cov(unit.T))
    share = variance / variance.sum()
    found = effective_rank_var(features)
    assert found == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    assert found < effective_rank(features)
    assert effective_rank_var(torch.ones(5, 3)) == 0
    assert feature_health(features)['effective_rank_var'] == found


def test_spread():
    assert feature_spread(torch.ones(5, 3) * torch.rand(5, 1)) == pytest.approx(0, abs=1e-6)
    assert feature_spread(torch.tensor([[1.0, 0], [-1, 0]])) == pytest.approx(1)
