"""alphapose-results.json, in its three forms."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import alphapose
from tests.converters.poses import files

PATH = Path('a.json')
POSES = files.walk(2, 12, 17, 2)


def test_a_video():
    content = files.alphapose(POSES, tracks=[2, 5])
    assert alphapose.matches(content)
    made = alphapose.read(content, PATH)
    assert list(made.frames) == list(range(12)) and not made.counts['unnumbered']
    for t, persons in made.frames.items():
        np.testing.assert_array_equal([p.keypoint for p in persons], POSES[:, t])
        assert [p.track for p in persons] == [2, 5]


def test_without_tracking_all_ids_are_zero():
    made = alphapose.read(files.alphapose(POSES), PATH)
    assert [p.track for p in made.frames[0]] == [0, 0]


def test_images_without_numbers():
    made = alphapose.read(files.alphapose(POSES, image='2018-07-04T12_04_17.7{:02d}.png'), PATH)
    assert list(made.frames) == list(range(12)) and made.counts['unnumbered'] == 1


@pytest.mark.parametrize('people, joints', [('people', 'pose_keypoints_2d'), ('bodies', 'joints')])
def test_open_and_cmu(people, joints):
    pose = files.walk(1, 1, 18, 2)[0, 0]
    content = {
        f'{t}.jpg': {'version': 'AlphaPose v0.3', people: [{joints: files.triplets(pose)}]}
        for t in range(3)
    }
    assert alphapose.matches(content)
    made = alphapose.read(content, PATH)
    np.testing.assert_array_equal(made.frames[2][0].keypoint, pose)


def test_broken_entries():
    content = files.alphapose(POSES)
    content[3]['keypoints'] = content[3]['keypoints'][:-1]
    with pytest.raises(BrokenFile, match=r'a.json, entry 3 .* shape \(50,\)'):
        alphapose.read(content, PATH)
    with pytest.raises(BrokenFile, match='entry 1 has no image_id'):
        alphapose.read([content[0], dict(keypoints=[])], PATH)
