"""Axes are turned, never mirrored; frames are interpolated between frames that are there."""

import numpy as np
import pytest

from deeprank_plugin.converters.poses.coordinates import resample, turn_up
from deeprank_plugin.datasets.reading import TURNS

UNIT = dict(x=(1, 0, 0), y=(0, 1, 0), z=(0, 0, 1))


@pytest.mark.parametrize('up', TURNS)
def test_up_becomes_y_by_a_rotation(up):
    vector = np.array(UNIT[up[-1]]) * (-1 if up[0] == '-' else 1)
    np.testing.assert_array_equal(turn_up(vector[None].astype(float), up), [[0, 1, 0]])
    matrix = turn_up(np.eye(3), up)
    np.testing.assert_array_equal(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == 1
    np.testing.assert_array_equal(turn_up(np.zeros((2, 3)), up), 0)


def test_mmpose_is_turned_back():
    # Pose3DInferencer.forward, from coordinates of the camera: x to the right, y down, z ahead
    camera = np.random.normal(size=(5, 17, 3))
    written = camera[..., [0, 2, 1]]
    written[..., 0] = -written[..., 0]
    written[..., 2] = -written[..., 2]
    np.testing.assert_array_equal(turn_up(written, 'z mirrored'), turn_up(camera, '-y'))
    assert np.linalg.det(turn_up(np.eye(3), 'z mirrored')) == -1


@pytest.mark.parametrize('fps, to_fps', [(30, 15), (15, 30), (30, 25), (29.97, 30), (30, 30)])
def test_a_line_stays_a_line(fps, to_fps):
    times = np.arange(31) / fps
    keypoint = 1 + np.stack([times, 2 * times], axis=-1)[None, :, None]  # (1, T, 1, 2)
    made, score = resample(keypoint, keypoint[..., 0], fps, to_fps)
    expected = 1 + np.arange(made.shape[1]) / to_fps
    np.testing.assert_allclose(made[0, :, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(score[0, :, 0], expected, atol=1e-6)
    assert abs((made.shape[1] - 1) / to_fps - times[-1]) < 1 / to_fps


def test_nothing_is_made_up_across_a_gap():
    keypoint = np.ones((1, 5, 2, 3))
    keypoint[0, 2, 0] = 0  # joint 0 is absent in frame 2
    made, _ = resample(keypoint, None, 10, 20)
    assert made[0, :, 1].all()
    np.testing.assert_array_equal(made[0, :, 0, 0], [1, 1, 1, 0, 0, 0, 1, 1, 1])
