"""Bodies and frames that are read, and sizes, against hand-made examples."""

import numpy as np
import pytest
from mmaction.datasets.transforms import FormatGCNInput, PreNormalize2D

from deeprank_plugin.converters.ntu.clean_up import clean_bodies
from deeprank_plugin.converters.ntu.skeleton_file import Body
from deeprank_plugin.datasets import reading
from deeprank_plugin.datasets.bodies import (
    Part,
    body_size,
    choose_part,
    measure_motion,
    median_size,
)


def bodies(*motions, frames=20):
    """A sequence with one body for each standard deviation; None is an absent body."""
    rng = np.random.default_rng(0)
    keypoint = np.zeros((len(motions), frames, 25, 3), np.float32)
    for body, motion in zip(keypoint, motions):
        if motion is not None:
            body[:] = 1 + motion * rng.normal(size=body.shape)
    return keypoint


@pytest.mark.parametrize(
    ('motions', 'num_person', 'kept'),
    [
        ((1,), 2, None),
        ((1, 2), 2, None),  # both fit, in their order
        ((1, None), 2, None),
        ((1, 2), None, None),
        ((1, 2, 3), None, None),
        ((1, 2, 3), 4, None),
        ((1, 2, 3, 0.5), 2, [2, 1]),
        ((3, 2, 1), 2, [0, 1]),
        ((0.1, 0.1, 3, 0.2), 1, [2]),
        ((None, None, 1, 2), 2, [2, 3]),  # both fit: no order by motion
        ((None, 1), 2, [1, 0]),
        ((None, 1), 1, [1]),
        ((1, None, 2), 3, [0, 2, 1]),
        ((1, None, None), 2, [0, 1]),
    ],
)
def test_which_bodies_are_kept(motions, num_person, kept):
    part = choose_part(bodies(*motions), num_person)
    if kept is None:
        assert part is None
    else:
        assert part == Part(0, 20, kept, sum(motion is not None for motion in motions))


@pytest.mark.parametrize('motions', [(1, None), (None, 1), (1, None, None)])
def test_in_2d_an_absent_body_is_the_zeros_of_the_padding(motions):
    """``PreNormalize2D`` moves a zero to (-1, -1): only bodies that come after it are zero."""
    keypoint = bodies(*motions)[..., :2]
    shown = [row for row, motion in enumerate(motions) if motion is not None]
    steps = [PreNormalize2D(img_shape=(2, 2)), FormatGCNInput(num_person=2)]
    inputs = []
    for rows in (keypoint, keypoint[shown]):
        info = dict(frame_dir='a', label=0, total_frames=20, keypoint=rows)
        read = reading.read_skeleton(info, None, 2)
        for step in steps:
            read = step(dict(read, num_clips=1))
        inputs.append(read['keypoint'])
    np.testing.assert_array_equal(*inputs)
    assert not inputs[0][0, 1].any() and inputs[0][0, 0].any()


def test_the_order_is_that_of_the_clean_up_of_ntu():
    keypoint = bodies(0.05, 0.3, 0.2, 0.1)
    keypoint[..., 0] *= 0.1  # taller than wide, or the clean-up drops them as noise
    raw = [Body(str(i), np.arange(20), body) for i, body in enumerate(keypoint)]
    part = choose_part(keypoint, 2)
    np.testing.assert_array_equal(clean_bodies(raw, 20)[0], keypoint[part.bodies])


def test_motion_is_measured_where_a_body_is_present():
    """A body that leaves would otherwise move by its distance from the origin."""
    keypoint = bodies(0.5, 1, 2)
    keypoint[0, 10:] = 0
    keypoint[0, :10] += 100
    assert choose_part(keypoint, 2).bodies == [2, 1]
    points = np.array([[0.0, 0, 0], [2, 4, 0]])
    assert measure_motion(points) == 1 + 4


def test_empty_frames_at_the_ends_are_cut_and_gaps_stay():
    keypoint = bodies(1, None)
    keypoint[:, :3] = 0
    keypoint[:, 8:10] = 0
    keypoint[:, 15:] = 0
    assert choose_part(keypoint, 2) == Part(3, 15, None, 1)
    keypoint[1, 1, 4, 2] = 1  # one coordinate of the second body
    assert choose_part(keypoint, 2) == Part(1, 15, None, 2)
    three = np.concatenate([bodies(2, 3), bodies(0.1)])
    three[:2, :5] = 0  # frames that show only a body that is not kept
    assert choose_part(three, 2) == Part(5, 20, [1, 0], 3)
    assert choose_part(bodies(None, None), 2) is None  # rejected elsewhere


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.int64])
def test_a_zero_joint_is_not_an_empty_frame(dtype):
    keypoint = np.ones((1, 6, 5, 2), dtype)
    keypoint[:, :, 0] = 0
    keypoint[:, 2:4] = 0
    assert choose_part(keypoint, 1) is None
    keypoint[0, 0] = keypoint[0, -1] = 0
    keypoint[0, 0, 2, 1] = keypoint[0, -1, 3, 1] = 1
    assert choose_part(keypoint, 1) is None


def test_body_size_leaves_out_what_is_absent():
    keypoint = np.zeros((2, 3, 4, 3))
    keypoint[0, 0] = [[10, 10, 10], [11, 10, 10], [10, 13, 10], [0, 0, 0]]  # 3
    keypoint[0, 1] = [[10, 10, 10], [17, 10, 10], [10, 13, 10], [0, 0, 0]]  # 7
    keypoint[1, 0] = [[5, 5, 5], [5, 5, 6], [0, 0, 0], [0, 0, 0]]  # 1
    keypoint[1, 1, 0] = [5, 5, 5]  # one joint has no size
    assert body_size(keypoint) == 3
    assert body_size(np.zeros((1, 2, 4, 3))) == 0


def test_the_median_size_is_over_sequences():
    stick = np.zeros((1, 30, 2, 3))
    stick[:, :, 1, 1] = stick[:, :, 0, 0] = 1
    assert median_size([stick, 3 * stick, 9 * stick, 0 * stick]) == 3
    assert median_size([stick] * 250) == 1
    assert median_size([]) == median_size([0 * stick]) == 0
