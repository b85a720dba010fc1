"""Sizes, bones and bodies against hand-made examples."""

import numpy as np
import pytest

from deeprank_plugin.converters.statistics.measures import (
    bone_variation,
    count_bodies,
)

CHAIN = [(0, 0), (1, 0), (2, 1)]


def test_bone_variation_of_a_chain_by_hand():
    keypoint = np.zeros((1, 4, 3, 3))
    keypoint[0, :, 0] = [0, 0, 1]
    keypoint[0, :, 1, 2] = [2, 4, 2, 4]  # 1, 3, 1, 3 from joint 0: mean 2, deviation 1
    keypoint[0, :, 1, 1] = 0
    keypoint[0, :, 2] = keypoint[0, :, 1] + [0, 5, 0]  # rigid
    assert bone_variation(keypoint, CHAIN) == pytest.approx((0.5 + 0) / 2)
    keypoint[0, 3, 1] = 0  # absent in the last frame: 1, 3, 1 and 5, 5, 5
    lengths = np.array([1, 3, 1])
    assert bone_variation(keypoint, CHAIN) == pytest.approx(lengths.std() / lengths.mean() / 2)
    assert bone_variation(keypoint[:, :1], CHAIN) is None  # one frame has no variation


def test_bone_variation_of_two_bodies_against_a_loop():
    rng = np.random.default_rng(0)
    keypoint = rng.normal(size=(2, 9, 3, 3))
    keypoint[1, 4:] = 0
    found = []
    for body in keypoint:
        for joint, parent in CHAIN[1:]:
            lengths = [
                np.linalg.norm(frame[joint] - frame[parent]) for frame in body if frame.any()
            ]
            found.append(np.std(lengths) / np.mean(lengths))
    assert bone_variation(keypoint, CHAIN) == pytest.approx(np.mean(found))


def test_bodies_by_hand():
    keypoint = np.zeros((2, 4, 25, 3))
    keypoint[1, 1:3] = 1  # the first body is absent, and no body is there in half of the frames
    full = np.ones((2, 4, 25, 3))
    found = count_bodies(
        [dict(frame_dir='a', keypoint=keypoint), dict(frame_dir='b', keypoint=full)]
    )
    assert found == dict(
        bodies=4,
        present=dict(min=1, median=1.5, max=2),
        empty_bodies=0.25,
        empty_frames=0.25,
        end_frames=0.25,
        empty_ends=['a'],
        absent_first=['a'],
    )
    full[:, 1:3] = 0  # a gap
    found = count_bodies([dict(frame_dir='b', keypoint=full)])
    assert found['empty_frames'] == 0.5 and found['end_frames'] == 0 and not found['empty_ends']


def test_a_layout_without_bones_has_no_variation():
    assert bone_variation(np.ones((1, 4, 1, 3)), [(0, 0)]) is None
