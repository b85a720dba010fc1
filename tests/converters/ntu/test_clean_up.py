"""Which bodies and frames stay."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.ntu.clean_up import clean_bodies, measure_motion, measure_noise
from deeprank_plugin.converters.ntu.skeleton_file import Body, read_bodies
from tests.converters.ntu.raw_files import FIRST, SECOND, THIRD, body, sheet, write_raw


def clean(path, join=False):
    lines = Path(path).read_text().split('\n')[:-1]
    return clean_bodies(*read_bodies(lines, str(path)), join)


def kinds(notes):
    return sorted(kind for kind, _ in notes)


def test_motion_and_noise_by_hand():
    joints = np.zeros((2, 25, 3), np.float32)
    joints[1, :, 0], joints[1, :, 1] = 2, 4
    # halves at 0 and 2, 0 and 4: variances 1 and 4
    assert measure_motion(Body('1', np.arange(2), joints)) == 5
    square = np.zeros((10, 25, 3), np.float32)
    square[:, 0, 1] = 1  # height 1
    square[:6, 0, 0] = 0.75  # not wider than 0.8
    square[6:, 0, 0] = 0.875
    assert measure_noise(Body('1', np.arange(10), square)) == 0.4


@pytest.mark.parametrize(('length', 'stays'), [(11, False), (12, True)])
def test_short_bodies(tmp_path, length, stays):
    bodies = {FIRST: body(1, 20), SECOND: body(2, length, 0.5)}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    assert len(keypoint) == 1 + stays
    assert kinds(notes) == [] if stays else ['short body']
    if not stays:
        assert notes[0][1] == f'body {SECOND}: 11 frames'
        np.testing.assert_array_equal(keypoint[0], sheet(body(1, 20), 20))


@pytest.mark.parametrize(('lies', 'stays'), [(697, True), (698, False)])
def test_noisy_bodies(tmp_path, lies, stays):
    """0.69754 lies between 697 and 698 of 1000 frames."""
    still = body(1, 1000, 0)
    bodies = {FIRST: still, SECOND: body(2, 1000, 0, wide=range(lies))}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 1000))
    assert len(keypoint) == 1 + stays
    assert kinds(notes) == [] if stays else ['noisy body']


def test_the_last_body_is_never_dropped(tmp_path):
    alone = {FIRST: body(1, 30, wide=range(30))}  # somebody lies on the floor
    keypoint, notes = clean(write_raw(tmp_path / '1.skeleton', alone, 30))
    np.testing.assert_array_equal(keypoint, [sheet(alone[FIRST], 30)])
    assert kinds(notes) == ['kept noisy body']

    short = {FIRST: body(1, 8, 0.5), SECOND: body(2, 11)}
    keypoint, notes = clean(write_raw(tmp_path / '2.skeleton', short, 11))
    np.testing.assert_array_equal(keypoint, [sheet(short[SECOND], 11)])  # the longest
    assert kinds(notes) == ['kept short body', 'short body']

    both = {FIRST: body(1, 20, wide=range(20)), SECOND: body(2, 20, wide=range(18))}
    keypoint, notes = clean(write_raw(tmp_path / '3.skeleton', both, 20))
    np.testing.assert_array_equal(keypoint, [sheet(both[SECOND], 20)])  # the least noisy
    assert kinds(notes) == ['kept noisy body', 'noisy body']

    # the short one is no way out for the noisy one: it went first
    mixed = {FIRST: body(1, 5), SECOND: body(2, 20, wide=range(20))}
    keypoint, notes = clean(write_raw(tmp_path / '4.skeleton', mixed, 20))
    np.testing.assert_array_equal(keypoint, [sheet(mixed[SECOND], 20)])
    assert kinds(notes) == ['kept noisy body', 'short body']


def test_two_of_three_by_motion(tmp_path):
    bodies = {FIRST: body(1, 20, 0.02), SECOND: body(2, 20, 0.005), THIRD: body(3, 20, 0.08)}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    np.testing.assert_array_equal(keypoint, [sheet(bodies[key], 20) for key in (THIRD, FIRST)])
    assert notes == [('further body', f'body {SECOND}: two others have more motion')]


def test_frames_without_a_body_are_dropped(tmp_path):
    spots = body(1, 20)
    for frame in (0, 7, 8):
        del spots[frame]
    spots[19] = np.zeros((25, 3))  # zero throughout is absent
    bodies = {FIRST: spots, SECOND: {7: body(2, 1)[0]}}  # and the short one's frame goes with it
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    left = [frame for frame in range(20) if frame not in (0, 7, 8, 19)]
    np.testing.assert_array_equal(keypoint, [sheet(spots, 20)[left]])
    assert kinds(notes) == ['empty frames', 'short body']
    assert notes[-1] == ('empty frames', '4 of 20 frames without a body')


def test_joined_tracks(tmp_path):
    bodies = {
        FIRST: body(1, 20, 0.08),
        SECOND: body(2, 15, 0.04, start=20),
        THIRD: body(3, 12, 0.001, start=15),
    }
    path = write_raw(tmp_path / 'x.skeleton', bodies, 35)
    sheets = {key: sheet(spots, 35) for key, spots in bodies.items()}
    keypoint, notes = clean(path)
    np.testing.assert_array_equal(keypoint, [sheets[FIRST], sheets[SECOND]])
    assert kinds(notes) == ['further body']
    keypoint, notes = clean(path, join=True)
    np.testing.assert_array_equal(keypoint, [sheets[FIRST] + sheets[SECOND], sheets[THIRD]])
    assert notes == [('joined body', f'body {SECOND} continues body {FIRST}')]
