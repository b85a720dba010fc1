"""Two views are two clips."""

import numpy as np
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets import AddPlainView, CropResize, TwoViews


def test_scores_have_the_views_of_their_joints():
    keypoint = np.random.default_rng(0).normal(size=(2, 40, 17, 2)).astype(np.float32)
    results = dict(keypoint=keypoint, keypoint_score=keypoint[..., 1].copy(), num_clips=1)
    results = TwoViews([dict(type='CropResize', clip_len=12, min_frames=4)])(results)
    np.testing.assert_array_equal(results['keypoint_score'], results['keypoint'][..., 1])
    packed = TRANSFORMS.build(dict(type='FormatGCNInput', num_person=2))(results)
    assert packed['keypoint'].shape == (2, 2, 12, 17, 3)


def test_two_views_are_two_clips():
    np.random.seed(0)
    keypoint = np.random.normal(size=(1, 40, 25, 3)).astype(np.float32)
    steps = [
        TwoViews([dict(type='CropResize', clip_len=12, min_frames=4), dict(type='RandomShear3D')]),
        TRANSFORMS.build(dict(type='FormatGCNInput', num_person=2)),
    ]
    results = dict(keypoint=keypoint.copy(), total_frames=40, frame_dir='a')
    for step in steps:
        results = step(results)
    assert results['keypoint'].shape == (2, 2, 12, 25, 3)  # views, bodies, frames
    assert not np.allclose(results['keypoint'][0], results['keypoint'][1])
    np.random.seed(5)
    results = TwoViews([dict(type='CropResize', clip_len=12, min_frames=4)])(
        dict(keypoint=keypoint.copy(), total_frames=40, frame_dir='a')
    )
    np.random.seed(5)
    crop = CropResize(clip_len=12, min_frames=4)
    expected = [crop(dict(keypoint=keypoint.copy(), total_frames=40)) for _ in range(2)]
    expected = np.concatenate([view['keypoint'] for view in expected], axis=1)
    np.testing.assert_array_equal(results['keypoint'], expected)


def test_a_transform_in_place_does_not_reach_the_other_view():
    keypoint = np.full((1, 4, 17, 2), 75, np.float32)
    results = dict(keypoint=keypoint, keypoint_score=np.ones((1, 4, 17), np.float32))
    steps = [dict(type='PreNormalize2D', img_shape=(100, 100))]
    steps.append(dict(type='CropResize', p_interval=(1.0,), clip_len=4))
    assert (TwoViews(steps)(results)['keypoint'] == 0.5).all()
    assert (AddPlainView(steps, steps)(results)['keypoint'] == 0.5).all()
    assert (keypoint == 75).all()
