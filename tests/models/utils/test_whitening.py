"""Whitening against the singular value decomposition."""

import pytest
import torch

from deeprank_plugin.models.utils import pairwise_distances, whiten_features


@pytest.mark.parametrize('power', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('number', [40, 4])
def test_singular_values_to_the_power_one_minus_p(power, number):
    torch.manual_seed(0)
    features = torch.randn(number, 6, dtype=torch.double) * torch.tensor([9.0, 3, 1, 1, 0.3, 0.1])
    found = whiten_features(features, power)
    assert found.shape == features.shape
    left, values, _ = torch.linalg.svd(features - features.mean(dim=0), full_matrices=False)
    kept = values > 1e-4 * values[0]
    expected = left[:, kept] * values[kept] ** (1 - power)
    torch.testing.assert_close(
        pairwise_distances(found, None), pairwise_distances(expected, None), rtol=1e-7, atol=1e-7
    )
    torch.testing.assert_close(  # the lengths of the vectors too, so also what 'l2' makes of them
        pairwise_distances(found), pairwise_distances(expected), rtol=1e-7, atol=1e-7
    )


def test_axes_without_spread_stay_without():
    features = torch.randn(20, 3).repeat(1, 2)
    found = whiten_features(features, 1.0)
    assert found.dtype == torch.float32 and found.isfinite().all()
    values = torch.linalg.svdvals(found)
    torch.testing.assert_close(values, torch.tensor([1.0, 1, 1, 0, 0, 0]), atol=1e-4, rtol=0)
    assert not whiten_features(torch.ones(5, 3), 0.5).any()
