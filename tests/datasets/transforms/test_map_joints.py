"""The map of joints as a step of a pipeline."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets.transforms import CenterSkeleton, MapJoints
from deeprank_plugin.layouts import map_joints


def test_in_a_pipeline():
    keypoint = np.random.default_rng(0).normal(size=(2, 5, 32, 3)).astype(np.float32)
    keypoint[1] = 0  # an absent body
    step = TRANSFORMS.build(dict(type='MapJoints', source='azure-kinect'))
    assert repr(step) == "MapJoints(source='azure-kinect', target='nturgb+d')"
    results = step(dict(keypoint=keypoint))
    assert set(results) == {'keypoint'}
    np.testing.assert_array_equal(
        results['keypoint'], map_joints(keypoint, 'azure-kinect', 'nturgb+d')[0]
    )
    centred = CenterSkeleton()(results)['keypoint']
    assert centred.shape == (2, 5, 25, 3) and not centred[0, 0, 1].any() and not centred[1].any()


def test_scores_are_mapped_as_well():
    rng = np.random.default_rng(0)
    keypoint, score = rng.uniform(0, 400, (1, 5, 25, 2)), rng.uniform(0.1, 1, (1, 5, 25))
    results = MapJoints('body25', 'coco')(dict(keypoint=keypoint, keypoint_score=score))
    expected = map_joints(keypoint, 'body25', 'coco', score)
    np.testing.assert_array_equal(results['keypoint'], expected[0])
    np.testing.assert_array_equal(results['keypoint_score'], expected[1])


def test_what_cannot_be_mapped():
    with pytest.raises(ValueError, match="'smplx' is not known"):
        MapJoints('smplx')
    with pytest.raises(ValueError, match='joints without names'):
        MapJoints(dict(num_joints=2, pairs=[(0, 0), (1, 0)]))
    with pytest.raises(ValueError, match="2D coordinates of layout 'coco'"):
        MapJoints('coco')(dict(keypoint=np.ones((1, 2, 17, 2))))
