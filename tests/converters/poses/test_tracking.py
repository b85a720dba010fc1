"""Persons are linked as an exhaustive search links them; ids that swap are noticed."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses.recording import Person, Recording, check_frames
from deeprank_plugin.converters.poses.tracking import (
    count_swaps,
    keep_longest,
    link_frames,
    pose_distances,
    track,
)
from tests.converters.poses.files import walk

PATH = Path('a.json')


def recording(poses, order=None, tracks=None):
    """Frames of poses (M, T, V, C), the persons of each in an order."""
    frames = {}
    for t in range(poses.shape[1]):
        rows = range(len(poses)) if order is None else order[t]
        frames[t] = [
            Person(poses[m, t], np.full(poses.shape[2], 0.5), None if tracks is None else tracks[m])
            for m in rows
            if poses[m, t].any()
        ]
    return check_frames(Recording(frames), PATH)


def test_shuffled_persons_are_told_apart():
    poses = walk(3, 40, 17, 2)
    order = [np.random.permutation(3) for _ in range(40)]
    order[0] = [0, 1, 2]
    keypoint, score = track(recording(poses, order), PATH)
    np.testing.assert_array_equal(keypoint, poses)
    assert (score == 0.5).all()


def test_the_cheapest_assignment():
    before, after = walk(4, 1, 5, 3, apart=0.1)[:, 0], walk(4, 1, 5, 3, apart=0.1)[:, 0]
    frames = {0: [Person(p) for p in before], 1: [Person(p) for p in after]}
    _, ids = link_frames(frames, 0, 100.0)
    cost = pose_distances(before, after)
    totals = {p: sum(cost[p[new], new] for new in range(4)) for p in permutations(range(4))}
    assert tuple(ids) == min(totals, key=totals.get)


def test_distances_of_poses():
    before = np.array([[[1.0, 1], [4, 5], [0, 0]]])  # the third joint is absent; diagonal 5
    after = np.array([[[1.0, 2], [4, 7], [9, 9]], [[0, 0], [0, 0], [2.5, 5]]])
    np.testing.assert_allclose(pose_distances(before, after), [[1.5 / 5, 2 / 5]])


@pytest.mark.parametrize('gap, persons', [(3, 1), (4, 2)])
def test_a_person_may_be_absent_for_a_while(gap, persons):
    poses = walk(1, 20, 17, 2)
    poses[0, 10 : 10 + gap] = 0
    keypoint, _ = track(recording(poses), PATH, max_gap=3)
    assert len(keypoint) == persons
    np.testing.assert_array_equal(keypoint.sum(axis=0), poses[0])


def test_someone_far_away_is_someone_else():
    poses = walk(1, 10, 17, 2)
    poses[0, 5:] += 10
    assert len(track(recording(poses), PATH)[0]) == 2
    assert len(track(recording(poses), PATH, max_distance=20.0)[0]) == 1


def test_track_ids_are_kept():
    poses = walk(2, 10, 17, 2)
    poses[0, 3:6] = 0
    poses[1, 7:] += 50  # ids hold where distance would not
    made = recording(poses, tracks=[7, 3])
    keypoint, _ = track(made, PATH)
    np.testing.assert_array_equal(keypoint, poses)
    assert len(track(made, PATH, link='distance')[0]) == 3


def test_ids_that_occur_twice_are_not_used():
    poses = walk(2, 10, 17, 2)
    made = recording(poses, tracks=[0, 0])
    keypoint, _ = track(made, PATH)
    np.testing.assert_array_equal(keypoint, poses)
    assert made.counts['ids'] == 1
    with pytest.raises(BrokenFile, match='without a track id, or an id twice .* --link distance'):
        track(made, PATH, link='id')


def test_swapped_ids_are_noticed():
    poses = walk(2, 20, 17, 2)
    assert count_swaps(poses, 0.5) == 0
    swapped = poses.copy()
    swapped[:, 10:] = poses[::-1, 10:]
    assert count_swaps(swapped, 0.5) == 1
    made = recording(swapped, tracks=[1, 2])
    track(made, PATH)
    assert made.counts['swaps'] == 1
    np.testing.assert_array_equal(track(made, PATH, link='distance')[0], poses)


def test_those_seen_longest():
    poses, score = walk(3, 10, 5, 2), np.ones((3, 10, 5))
    poses[0, 2:], poses[1] = 0, 0
    kept, scores, left_out = keep_longest(poses, score, 1)
    np.testing.assert_array_equal(kept, poses[2:])
    assert scores.shape == (1, 10, 5) and left_out == 1
    kept, _, left_out = keep_longest(poses, None, 3)  # nobody is in row 1
    np.testing.assert_array_equal(kept, poses[[0, 2]])
    assert left_out == 0
