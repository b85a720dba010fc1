"""Recordings of the Azure Kinect's offline processor."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import azure_kinect
from tests.converters.poses import files

PATH = Path('a.json')
POSES = files.walk(2, 4, 32, 3, size=1500)


def test_a_recording():
    content = files.azure(POSES, fps=15)
    assert azure_kinect.matches(content)
    made = azure_kinect.read(content, PATH)
    for t, persons in made.frames.items():
        np.testing.assert_array_equal([p.keypoint for p in persons], POSES[:, t])
        assert [p.track for p in persons] == [1, 2] and persons[0].score is None
    assert made.scale == 0.001 and made.up == '-y'
    assert made.fps == pytest.approx(15, abs=0.01)


def test_the_names_of_the_joints():
    content = files.azure(POSES)
    assert len(azure_kinect.NAMES) == len(set(azure_kinect.NAMES)) == 32
    content['joint_names'] = content['joint_names'][::-1]
    with pytest.raises(BrokenFile, match='joint_names .* expected the 32 of the body tracking SDK'):
        azure_kinect.read(content, PATH)


@pytest.mark.parametrize('key', ['frame_id', 'bodies'])
def test_frames_that_lack_a_key(key):
    content = files.azure(POSES)
    del content['frames'][2][key]
    with pytest.raises(BrokenFile, match=f'a.json, frame 2 .* expected an object with {key}'):
        azure_kinect.read(content, PATH)


@pytest.mark.parametrize('positions', [[], [None], [[]], [[1.0, 2.0]]])
def test_bodies_without_joints(positions):
    content = files.azure(POSES)
    content['frames'][2]['bodies'][0]['joint_positions'] = positions
    with pytest.raises(BrokenFile, match='frame 2 has joint_positions of shape .*; expected x, y'):
        azure_kinect.read(content, PATH)
