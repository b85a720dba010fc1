"""JSON is read strictly; frame numbers and joints are checked and counted."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses.recording import (
    Person,
    Recording,
    check_frames,
    find_rate,
    number_images,
    read_json,
    split_triplets,
    take,
    to_numbers,
)

PATH = Path('a.json')


def some(number, joints=3):
    return Person(np.full((joints, 2), 1.0 + number), np.ones(joints))


def recording(*numbers, **more):
    return Recording({number: [some(number)] for number in numbers}, **more)


@pytest.mark.parametrize('text', ['', '{"frames": [', '[1, 2', 'people'])
def test_truncated_json(tmp_path, text):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(BrokenFile, match='a.json is not complete JSON .* copy or make it again'):
        read_json(path)


def test_json_that_does_not_exist(tmp_path):
    with pytest.raises(BrokenFile, match='cannot be read'):
        read_json(tmp_path / 'b.json')


@pytest.mark.parametrize('values', [[[1, 2], [3]], [['a', 1]], {'x': 1}])
def test_what_are_no_numbers(values):
    with pytest.raises(BrokenFile, match='frame 3 holds .* expected numbers'):
        to_numbers(values, 'frame 3')


def test_null_is_nan():
    np.testing.assert_array_equal(to_numbers([[None, 2]], ''), [[np.nan, 2]])


def test_triplets():
    person = split_triplets([1, 2, 0.5, 3, 4, 0.25], 3, '')
    np.testing.assert_array_equal(person.keypoint, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(person.score, [0.5, 0.25])
    with pytest.raises(BrokenFile, match=r'shape \(5,\); expected a list of 3'):
        split_triplets([1, 2, 0.5, 3, 4], 3, '')


@pytest.mark.parametrize(
    'names, numbers, named',
    [
        (['v_000000000010_keypoints.json', 'v_000000000002_keypoints.json'], [10, 2], True),
        (['0.jpg', '12.jpg'], [0, 12], True),
        (['frame7.png', 'frame8.png'], [7, 8], True),
        # 17.738369 and 17.79 are seconds, and a.. and b.. are two videos
        (['2018_04_17.738369.png', '2018_04_17.79.png'], [0, 1], False),
        (['a_1.png', 'b_2.png', 'a_3.png'], [0, 2, 1], False),
        (['one.png', 'two.png'], [0, 1], False),
    ],
)
def test_numbers_of_images(names, numbers, named):
    assert number_images(names) == (numbers, named)


def test_missing_and_empty_frames_are_counted():
    checked = recording(3, 4, 7)
    checked.frames[5] = []
    checked = check_frames(checked, PATH)
    assert list(checked.frames) == [3, 4, 5, 7] and checked.step == 1
    assert checked.counts['missing'] == 1 and checked.counts['empty'] == 1


def test_every_third_frame():
    checked = check_frames(recording(0, 3, 6, 12, 15), PATH)
    assert list(checked.frames) == [0, 1, 2, 4, 5] and checked.step == 3
    assert checked.counts['step'] == 1 and checked.counts['missing'] == 1
    assert check_frames(recording(0, 3), PATH).step == 1  # too few to tell


def test_broken_joints_are_absent_and_counted():
    person = Person(np.array([[1.0, np.nan], [2, 3], [4, np.inf]]), np.array([0.5, np.nan, 1]))
    checked = check_frames(Recording({0: [person]}), PATH)
    (cleaned,) = checked.frames[0]
    np.testing.assert_array_equal(cleaned.keypoint, [[0, 0], [2, 3], [0, 0]])
    np.testing.assert_array_equal(cleaned.score, [0, 0, 0])
    assert checked.counts['broken'] == 2


def test_joints_that_are_absurdly_far_away():
    pose = np.ones((3, 2))
    pose[1] = 1e300, 0
    made = check_frames(Recording({0: [Person(pose, np.ones(3))]}), Path('a.json'))
    np.testing.assert_array_equal(made.frames[0][0].keypoint[:, 0], [1, 0, 1])
    assert made.frames[0][0].score.tolist() == [1, 0, 1] and made.counts['broken'] == 1


@pytest.mark.parametrize(
    'content, message',
    [
        ({'b': 1}, 'a.json is an object with b; expected an object with n'),
        ({'n': '7'}, "a.json has n '7'; expected an integer"),
        ({'n': True}, "has n 'True'; expected an integer"),
    ],
)
def test_entries_of_another_kind(content, message):
    with pytest.raises(BrokenFile, match=message):
        take(content, 'n', int, 'a.json')


def test_a_person_without_a_joint_is_nobody():
    made = recording(0)
    made.frames[1] = [Person(np.zeros((3, 2)), np.zeros(3))]
    assert check_frames(made, PATH).frames[1] == [] and made.counts['empty'] == 1


@pytest.mark.parametrize(
    'made, message',
    [
        (
            Recording({n: [Person(np.full((3, 2), value))] for n, value in enumerate((0, np.nan))}),
            'no person with a joint in 2 frames; expected at least one: all coordinates are zero',
        ),
        (Recording({0: [], 1: []}), 'no person in 2 frames; expected at least one'),
        (Recording({0: [some(0)], 1: [some(1, 4)]}), '1 of 3 joints x 2, 1 of 4 joints x 2'),
        (recording(5, 15307058), 'numbers its 2 frames from 5 to 15307058'),
        (recording(-1, 0), 'from -1 to 0'),
    ],
)
def test_frames_that_cannot_be_used(made, message):
    with pytest.raises(BrokenFile, match=f'a.json .*{message}'):
        check_frames(made, PATH)


@pytest.mark.parametrize(
    'times, rate',
    [({0: 0, 1: 40, 2: 80, 5: 200}, 25), ({0: None, 1: 5}, None), ({}, None), ({0: 3, 1: 3}, None)],
)
def test_frame_rates(times, rate):
    assert find_rate(times, 1000) == rate


def test_what_a_step_leaves_is_kept():
    made = check_frames(recording(4, 9, 14, 19, 29), PATH)
    assert list(made.frames) == [0, 1, 2, 3, 5] and (made.step, made.remainder) == (5, 4)
    assert check_frames(recording(7, 8, 9, 10, 11), PATH).remainder == 0
