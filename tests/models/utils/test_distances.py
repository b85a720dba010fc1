"""Normalisations and distances against NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from deeprank_plugin.models.utils import normalize_features, pairwise_distances

REFERENCE = {
    None: lambda x: x,
    'l2': lambda x: x / np.sqrt((x**2).sum()),
    'l1': lambda x: x / np.abs(x).sum(),
    'minmax': lambda x: (x - x.min()) / (x.max() - x.min()),
}


@pytest.mark.parametrize('normalize', list(REFERENCE))
def test_against_scipy(normalize):
    features = np.random.default_rng(0).normal(size=(9, 7))
    normalised = np.stack([REFERENCE[normalize](row) for row in features])
    ours = normalize_features(torch.from_numpy(features), normalize)
    np.testing.assert_allclose(ours.numpy(), normalised, atol=1e-12)
    distances = pairwise_distances(torch.from_numpy(features), normalize)
    np.testing.assert_allclose(distances.numpy(), cdist(normalised, normalised), atol=1e-12)


@pytest.mark.parametrize('normalize', list(REFERENCE))
def test_zero_and_constant_vectors_make_no_nan(normalize):
    features = torch.tensor([[0.0, 0, 0], [2, 2, 2], [1, -2, 3]], requires_grad=True)
    result = normalize_features(features, normalize)
    assert torch.isfinite(result).all()
    assert (result[0] == 0).all()
    result.sum().backward()
    assert torch.isfinite(features.grad).all()


def test_near_twins_keep_their_order():
    """Differences far below what the expansion by inner products resolves in float32."""
    base = torch.full((1, 64), 10.0)
    features = torch.cat([base, base + 2e-4, base + 3e-4])
    distances = pairwise_distances(features, None)
    assert 0 < distances[0, 1] < distances[0, 2]
    assert (distances.diagonal() == 0).all()
    assert torch.equal(distances, distances.T)


def test_unknown_normalisation():
    with pytest.raises(ValueError, match="'cosine' is not known"):
        normalize_features(torch.ones(2, 2), 'cosine')
