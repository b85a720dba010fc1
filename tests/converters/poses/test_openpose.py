"""One JSON file a frame, as OpenPose writes them."""

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import openpose
from tests.converters.poses.files import triplets, walk

POSE = walk(1, 1, 25, 2)[0, 0]


def test_a_frame():
    person = {'person_id': [-1], 'pose_keypoints_2d': triplets(POSE), 'pose_keypoints_3d': []}
    content = dict(version=1.3, people=[person, dict(person, person_id=[7])])
    assert openpose.matches_image(content)
    first, second = openpose.read_image(content, '')
    np.testing.assert_array_equal(first.keypoint, POSE)
    assert first.track is None and second.track == 7
    assert openpose.read_image(dict(people=[]), '') == []


def test_joints_that_were_not_found():
    numbers = triplets(POSE)
    numbers[2] = 0.0  # some versions leave coordinates beside a score of 0
    (person,) = openpose.read_image(dict(people=[{'pose_keypoints_2d': numbers}]), '')
    assert not person.keypoint[0].any() and person.keypoint[1:].all()


def test_3d():
    pose = walk(1, 1, 25, 3)[0, 0]
    content = dict(people=[{'pose_keypoints_2d': [], 'pose_keypoints_3d': triplets(pose, 1.0)}])
    (person,) = openpose.read_image(content, '', dims=3)
    np.testing.assert_array_equal(person.keypoint, pose)
    with pytest.raises(BrokenFile, match=r'shape \(0,\); expected a list of 3'):
        openpose.read_image(content, '')


@pytest.mark.parametrize(
    'value, track',
    [
        ([-1], None),
        ([3], 3),
        (3, 3),
        ([[2.0], [0.0]], 2),
        (None, None),
        ([], None),
        ('a', None),
        ([float('inf')], None),
    ],
)
def test_ids(value, track):
    assert openpose.read_id(value) == track
