"""RandomRotate3D against SciPy."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from scipy.spatial.transform import Rotation

from deeprank_plugin.datasets import RandomRotate3D
from tests.datasets.transforms.sequences import sequence, with_absent


def test_rotation_is_rz_ry_rx(monkeypatch):
    angles = np.array([0.1, -0.2, 0.3])
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: angles)
    keypoint = with_absent()
    rotated = RandomRotate3D()(dict(keypoint=keypoint))['keypoint']
    # extrinsic x, y, z is Rz Ry Rx
    expected = Rotation.from_euler('xyz', angles).apply(keypoint.reshape(-1, 3))
    np.testing.assert_allclose(rotated.reshape(-1, 3), expected, atol=1e-5)
    assert not rotated[~keypoint.any(axis=-1)].any()
    assert rotated.dtype == np.float32


def test_rotation_angles_cover_their_range():
    found = []
    np.random.seed(0)
    for _ in range(300):
        axes = np.eye(3, dtype=np.float32)[None, None]
        rotated = RandomRotate3D(0.3)(dict(keypoint=axes))['keypoint'][0, 0]
        found.append(Rotation.from_matrix(rotated.T).as_euler('xyz'))
    found = np.array(found)
    assert (np.abs(found) <= 0.3001).all()
    assert (found.max(axis=0) > 0.28).all() and (found.min(axis=0) < -0.28).all()
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.2


def test_2d_data_cannot_be_rotated():
    with pytest.raises(ValueError, match="'s1' has 2 coordinates.*drop it"):
        RandomRotate3D()(dict(keypoint=sequence(channels=2), frame_dir='s1'))


def test_repr_and_bad_argument():
    text = 'RandomRotate3D(angle=0.2)'
    assert repr(TRANSFORMS.build(dict(type='RandomRotate3D', angle=0.2))) == text
    with pytest.raises(ValueError, match='angle=-1 must not be negative'):
        RandomRotate3D(-1)
