"""The plain view is the last clip, and the others are what they are without it."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets import AddPlainView, CropResize, TwoViews

STRONG = [dict(type='CropResize', clip_len=12, min_frames=4), dict(type='RandomShear3D')]
PLAIN = dict(type='CropResize', p_interval=(0.95,), clip_len=12)


@pytest.mark.parametrize('views', [1, 2])
def test_student_views_then_the_plain_one(views):
    keypoint = np.random.default_rng(0).normal(size=(1, 40, 25, 3)).astype(np.float32)
    results = dict(keypoint=keypoint, keypoint_score=keypoint[..., 0], total_frames=40)
    steps = [dict(type='TwoViews', transforms=STRONG)] if views == 2 else STRONG
    np.random.seed(3)
    found = AddPlainView(steps, [PLAIN])(dict(results))
    later = np.random.uniform()
    assert found['num_clips'] == views + 1
    packed = TRANSFORMS.build(dict(type='FormatGCNInput', num_person=1))(dict(found))
    clips = packed['keypoint'][:, 0]  # (clips, T, V, C)
    assert clips.shape[:3] == (views + 1, 12, 25)
    plain = CropResize((0.95,), 12)(dict(results))
    np.testing.assert_array_equal(clips[-1, ..., :3], plain['keypoint'][0])
    np.testing.assert_array_equal(found['keypoint_score'][:, -12:], plain['keypoint_score'])
    np.random.seed(3)
    if views == 2:
        student = TwoViews(STRONG)(dict(results))['keypoint']
    else:
        student = dict(results)
        for step in STRONG:
            student = TRANSFORMS.build(step)(student)
        student = student['keypoint']
    np.testing.assert_array_equal(clips[:-1, ..., :3].reshape(student.shape), student)
    assert np.random.uniform() == later  # the plain view draws nothing


def test_views_of_different_lengths_are_not_cut_into_clips():
    results = dict(keypoint=np.zeros((1, 40, 25, 3)), total_frames=40, frame_dir='a7')
    views = AddPlainView(STRONG, [dict(PLAIN, clip_len=24)])
    with pytest.raises(ValueError, match=r"'a7' have \[12.0, 24.0\] frames a clip"):
        views(results)
