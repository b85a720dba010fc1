"""Spread and effective rank against formulas."""

import numpy as np
import pytest
import torch
from scipy.linalg import svdvals

from deeprank_plugin.evaluation.functional import (
    effective_rank,
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


def test_spread():
    assert feature_spread(torch.ones(5, 3) * torch.rand(5, 1)) == pytest.approx(0, abs=1e-6)
    assert feature_spread(torch.tensor([[1.0, 0], [-1, 0]])) == pytest.approx(1)
