"""Noise, masks and exchanged sides against loops over joints."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets import JointMask, JointNoise, RandomSwapSides
from deeprank_plugin.layouts import LAYOUTS
from tests.datasets.transforms.sequences import sequence, with_absent


def test_noise_is_added_where_a_joint_is_present():
    keypoint = with_absent(40)
    np.random.seed(4)
    noise = np.random.normal(scale=0.1, size=keypoint.shape)
    np.random.seed(4)
    found = JointNoise(0.1)(dict(keypoint=keypoint.copy()))['keypoint']
    assert found.dtype == np.float32
    for place in np.ndindex(keypoint.shape[:3]):
        expected = keypoint[place] + noise[place] if keypoint[place].any() else 0
        np.testing.assert_allclose(found[place], expected, atol=1e-6)
    assert not found[0, :, 11].any()


def test_noise_has_its_standard_deviation():
    np.random.seed(0)
    found = JointNoise(0.02)(dict(keypoint=np.ones((1, 100, 25, 3), np.float32)))['keypoint'] - 1
    assert abs(found.std() - 0.02) < 1e-3 and abs(found.mean()) < 1e-3


def test_masked_joints_are_gone_in_all_frames_and_bodies():
    keypoint = 1 + abs(sequence(20, channels=2))
    score = keypoint[..., 0].copy()
    np.random.seed(1)
    gone = [np.random.uniform() < 0.3 for _ in range(keypoint.shape[2])]
    assert 0 < sum(gone) < len(gone)
    np.random.seed(1)
    found = JointMask(0.3)(dict(keypoint=keypoint.copy(), keypoint_score=score.copy()))
    for joint, masked in enumerate(gone):
        expected = keypoint[:, :, joint] * (not masked)
        np.testing.assert_array_equal(found['keypoint'][:, :, joint], expected)
        expected = score[:, :, joint] * (not masked)
        np.testing.assert_array_equal(found['keypoint_score'][:, :, joint], expected)
    np.random.seed(0)
    ones = dict(keypoint=np.ones((1, 1, 25, 3), np.float32))
    kept = [JointMask(0.15)(dict(ones))['keypoint'].mean() for _ in range(400)]
    assert abs(np.mean(kept) - 0.85) < 0.015


@pytest.mark.parametrize('layout', LAYOUTS)
def test_sides_are_exchanged_by_name(layout):
    names = LAYOUTS[layout].names
    keypoint = np.arange(2 * 3 * len(names) * 2, dtype=np.float32).reshape(2, 3, len(names), 2)
    results = dict(keypoint=keypoint.copy(), keypoint_score=keypoint[..., 1].copy())
    found = RandomSwapSides(prob=1, layout=layout)(results)
    for joint, name in enumerate(names):
        side, _, rest = name.partition('_')
        other = dict(left=f'right_{rest}', right=f'left_{rest}').get(side, name)
        expected = keypoint[:, :, names.index(other)]
        np.testing.assert_array_equal(found['keypoint'][:, :, joint], expected)
        np.testing.assert_array_equal(found['keypoint_score'][:, :, joint], expected[..., 1])


def test_sides_are_exchanged_sometimes():
    keypoint = sequence(3)
    np.random.seed(0)
    found = [RandomSwapSides(0.3)(dict(keypoint=keypoint))['keypoint'] for _ in range(300)]
    share = np.mean([not np.array_equal(clip, keypoint) for clip in found])
    assert abs(share - 0.3) < 0.08


def test_repr_and_bad_arguments():
    for transform, text in (
        (dict(type='JointNoise', std=0.2), 'JointNoise(std=0.2)'),
        (dict(type='JointMask', share=0.2), 'JointMask(share=0.2)'),
        (dict(type='RandomSwapSides', prob=0.2), 'RandomSwapSides(prob=0.2)'),
    ):
        assert repr(TRANSFORMS.build(transform)) == text
    with pytest.raises(ValueError, match='std=-1 must not be negative'):
        JointNoise(-1)
    with pytest.raises(ValueError, match='share=1 must be within'):
        JointMask(1)
    with pytest.raises(ValueError, match='prob=2 must be within'):
        RandomSwapSides(2)
    with pytest.raises(ValueError, match="layout 'custom' has no sides"):
        RandomSwapSides(layout=dict(num_joints=2, pairs=[(0, 0), (1, 0)]))
