"""RandomShear3D by hand, and its factors."""

import numpy as np
import pytest

from deeprank_plugin.datasets import RandomShear3D


def test_shear_by_hand(monkeypatch):
    factors = np.array([[9, 0.5, 0], [0, 9, -0.25], [0.1, 0, 9]])  # the diagonal is not used
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: factors)
    keypoint = np.zeros((1, 1, 2, 3), np.float32)
    keypoint[0, 0, 0] = (1, 2, 4)
    found = RandomShear3D()(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(found[0, 0, 0], (1 + 1, 2 - 1, 0.1 + 4), rtol=1e-6)
    np.testing.assert_array_equal(found[0, 0, 1], 0)


def test_shear_is_one_matrix_with_factors_within_beta():
    np.random.seed(0)
    points = np.random.normal(size=(2, 5, 7, 3)).astype(np.float32)
    for _ in range(20):
        found = RandomShear3D(0.3)(dict(keypoint=points))['keypoint']
        matrix = np.linalg.lstsq(points.reshape(-1, 3), found.reshape(-1, 3), rcond=None)[0].T
        np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-4)
        beside = matrix[~np.eye(3, dtype=bool)]
        assert (abs(beside) <= 0.3 + 1e-4).all() and abs(beside).max() > 0.05


def test_shear_rejects():
    with pytest.raises(ValueError, match='beta=-1 must not be negative'):
        RandomShear3D(-1)
    with pytest.raises(ValueError, match='has 2 coordinates per joint; RandomShear3D expects 3'):
        RandomShear3D()(dict(keypoint=np.zeros((1, 2, 3, 2)), frame_dir='a'))
