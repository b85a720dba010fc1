"""Videos of MMPose's inferencers and demos."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import mmpose
from tests.converters.poses import files

PATH = Path('a.json')
POSES = files.walk(2, 3, 17, 2)


@pytest.mark.parametrize('demo', [False, True])
def test_a_video(demo):
    content = files.mmpose(POSES, tracks=[4, 9], first=1)
    content = dict(meta_info=dict(dataset_name='coco'), instance_info=content) if demo else content
    assert mmpose.matches(content)
    made = mmpose.read(content, PATH)
    assert list(made.frames) == [1, 2, 3] and made.skeleton == ('coco' if demo else None)
    for t, persons in enumerate(made.frames.values()):
        np.testing.assert_array_equal([p.keypoint for p in persons], POSES[:, t])
        np.testing.assert_array_equal([p.score for p in persons], np.full((2, 17), 0.5))
        assert [p.track for p in persons] == [4, 9]


def test_a_frame_without_persons_and_no_ids():
    content = files.mmpose(POSES)
    content[1]['instances'] = []
    made = mmpose.read(content, PATH)
    assert made.frames[1] == [] and made.frames[0][0].track is None


def test_an_image():
    instances = [files.instance(pose) for pose in POSES[:, 0]]
    assert mmpose.matches_image(instances) and not mmpose.matches(instances)
    assert len(mmpose.read_image(instances, '')) == 2
    with pytest.raises(BrokenFile, match='persons of one image; expected those of a video'):
        mmpose.read(dict(instance_info=instances), PATH)


def test_3d_poses_of_the_lifter():
    nested = files.instance(files.walk(1, 1, 17, 3)[0, 0])
    nested['keypoints'] = [nested['keypoints']]
    (person,) = mmpose.read_image([nested], '')
    assert person.keypoint.shape == (17, 3)


def spoil(**changes):
    content = files.mmpose(POSES)
    content[1]['instances'][0].update(changes)
    return content


@pytest.mark.parametrize(
    'content, message',
    [
        (spoil(keypoints=None), 'a.json, frame 1, person 0 has keypoints .None.; expected a list'),
        (spoil(keypoint_scores=[1.0]), r'shape \(17, 2\) and 1 scores'),
        (spoil(keypoints=[[1, 2], [3]]), 'expected numbers, of the same length'),
        (files.mmpose(POSES)[:1] * 2, 'frame_id 0 twice'),
        ([dict(instances=[])], 'expected an object with frame_id'),
    ],
)
def test_broken_videos(content, message):
    with pytest.raises(BrokenFile, match=message):
        mmpose.read(content, PATH)


@pytest.mark.parametrize('name', [[], {}, ['coco'], 3])
def test_a_data_set_without_a_name(name):
    content = dict(meta_info=dict(dataset_name=name), instance_info=files.mmpose(POSES))
    with pytest.raises(BrokenFile, match='a.json has dataset_name .*; expected a name'):
        mmpose.read(content, PATH)
