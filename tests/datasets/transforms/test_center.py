"""CenterSkeleton against a plain loop."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets import CenterSkeleton
from tests.datasets.transforms.sequences import sequence, with_absent


def center_by_loop(keypoint, joint=1):
    origin = None
    for body in keypoint:
        for frame in body:
            if origin is None and frame[joint].any():
                origin = frame[joint].copy()
    result = np.zeros_like(keypoint)
    for index in np.ndindex(keypoint.shape[:3]):
        if keypoint[index].any():
            result[index] = keypoint[index] - (0 if origin is None else origin)
    return result


@pytest.mark.parametrize('make', [sequence, with_absent])
@pytest.mark.parametrize('frames', [1, 7, 30])
def test_center_equals_a_loop(make, frames):
    keypoint = make(frames)
    before = keypoint.copy()
    centred = CenterSkeleton()(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(centred, center_by_loop(before), atol=1e-6)
    np.testing.assert_array_equal(keypoint, before)
    assert centred.dtype == np.float32
    absent = ~before.any(axis=-1)
    assert not centred[absent].any()


def test_center_without_the_joint_uses_the_next_body_or_nothing():
    keypoint = sequence()
    keypoint[0, :, 1] = 0
    centred = CenterSkeleton()(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(centred[1, 0, 1], 0, atol=1e-6)
    keypoint[1, :, 1] = 0
    np.testing.assert_array_equal(CenterSkeleton()(dict(keypoint=keypoint))['keypoint'], keypoint)


@pytest.mark.parametrize(
    'settings, joint',
    [
        ({}, 1),
        (dict(joint=0), 0),
        (dict(layout='coco'), 0),
        (dict(layout='openpose'), 1),
        (dict(layout=dict(num_joints=3, pairs=[(0, 2), (1, 2), (2, 2)])), 2),
        (dict(joint=1, layout='coco'), 1),
    ],
)
def test_the_joint_is_that_of_the_layout(settings, joint):
    transform = TRANSFORMS.build(dict(type='CenterSkeleton', **settings))
    assert repr(transform) == f'CenterSkeleton(joint={joint})'
    keypoint = sequence()
    centred = transform(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(centred, center_by_loop(keypoint, joint), atol=1e-6)
