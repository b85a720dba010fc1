"""Kinect v1's joints as NTU's."""

import numpy as np
import pytest

from deeprank_plugin.converters.kinect import kinect_v1_to_ntu


def test_kinect_v1_by_hand():
    """Each joint stands at x = its number, but the head at y = 1 above the shoulder centre."""
    v1 = np.zeros((1, 2, 20, 3))
    v1[..., 0] = np.arange(20)
    v1[..., 2, :] = (2, 1, 4)
    v1[..., 3, :] = (4, 2, 4)
    v1[0, 1, 3] = 0  # no head in the second frame
    ntu = kinect_v1_to_ntu(v1)
    assert ntu.shape == (1, 2, 25, 3)
    np.testing.assert_allclose(ntu[0, 0, 2], (2.7, 1.35, 4))  # 0.35 of the way
    np.testing.assert_array_equal(ntu[0, 1, 2], 0)
    np.testing.assert_array_equal(ntu[..., 20, :], v1[..., 2, :])
    np.testing.assert_array_equal(ntu[0, 0, [21, 22, 23, 24], 0], [7, 7, 11, 11])
    same = [0, 1, *range(3, 20)]
    np.testing.assert_array_equal(ntu[..., same, :], v1[..., same, :])
    with pytest.raises(ValueError, match=r'shape \(2, 25, 3\)'):
        kinect_v1_to_ntu(np.zeros((2, 25, 3)))
