"""Windows cover a recording, show whom they should, and are scored in order."""

import numpy as np
import pytest

from deeprank_plugin.apis.windows import (
    Place,
    Windows,
    WindowSize,
    find_clip_len,
    group_persons,
    place_windows,
    score_windows,
    size_windows,
)


@pytest.mark.parametrize(
    ('total', 'expected'),
    [
        (10, [(0, 4), (3, 7), (6, 10)]),
        (11, [(0, 4), (3, 7), (6, 10), (7, 11)]),  # one ends with the recording
        (4, [(0, 4)]),
        (3, [(0, 3)]),  # shorter than a window
        (5, [(0, 4), (1, 5)]),
    ],
)
def test_windows_begin_every_step_and_cover_every_frame(total, expected):
    found = place_windows(total, WindowSize(4, 3, 30.0))
    assert found == expected
    assert {frame for start, stop in found for frame in range(start, stop)} == set(range(total))


def test_sizes_are_rounded_to_frames():
    assert size_windows(2.0, 0.5, 30, 120) == WindowSize(60, 15, 30.0)
    assert size_windows(2, 0.5, np.float32(29.97), None)[:2] == (60, 15)
    assert size_windows(1.0, 1.0, 25, 24)[:2] == (25, 25)


@pytest.mark.parametrize(
    ('window', 'stride', 'fps', 'message'),
    [
        (0, 0.5, 30, 'window=0; expected a positive number of seconds'),
        (2, float('nan'), 30, 'stride=nan'),
        (2, 0.5, None, 'fps=None; expected a positive number of frames per second'),
        (2, 0.5, '30', "fps='30'"),
        (2, 0.5, True, 'fps=True'),
        (2, 0.5, -30, 'fps=-30'),
        (2, 0.5, 1 / 30, r'fps=0.0333.*such as 30.*seconds per frame'),
        (2, 0.5, 30000, 'fps=30000; expected 1 to 1000'),
        (0.04, 0.04, 30, 'holds 1 frames; expected at least 2'),
        (2, 0.01, 30, 'stride=0.01 seconds at fps=30 is 0 frames'),
        (2, 2.5, 30, 'is 75 frames and a window has 60.*every frame lies in one'),
    ],
)
def test_absurd_sizes_are_errors(window, stride, fps, message):
    with pytest.raises(ValueError, match=message):
        size_windows(window, stride, fps, 60)


def test_windows_far_shorter_than_the_clip_are_warned_of(recwarn):
    size_windows(1.0, 0.5, 30, 120)
    assert not len(recwarn)
    with pytest.warns(UserWarning, match='holds 29 frames, which the pipeline stretches to 120'):
        size_windows(29 / 30, 0.5, 30, 120)


def test_the_clip_is_that_of_the_last_transform_that_has_one():
    class Step:
        def __init__(self, **attributes):
            self.__dict__.update(attributes)

    assert find_clip_len([Step(clip_len=8), Step(), Step(clip_len=6)]) == 6
    assert find_clip_len([Step(), Step(clip_len=[1])]) is None


def walkers(places, frames=10, seed=0):
    """Bodies 1.7 tall that shake, at these x: keypoint (M, T, V, C), present (M, T)."""
    rng = np.random.default_rng(seed)
    keypoint = rng.normal(scale=0.01, size=(len(places), frames, 25, 3))
    keypoint[..., 1] += np.linspace(0, 1.7, 25)
    keypoint[..., 0] += np.array(places)[:, None, None]
    return keypoint, np.ones((len(places), frames), bool)


def leave(keypoint, present, body, frames):
    keypoint[body, frames] = 0
    present[body, frames] = False


def test_a_person_needs_half_of_the_frames():
    keypoint, present = walkers([0, 5, 9])
    leave(keypoint, present, 1, slice(5, 10))
    leave(keypoint, present, 2, slice(0, 6))
    for number in (None, 1, 2):
        assert group_persons(keypoint, present, number) == {0: (0,), 1: (1,)}


@pytest.mark.parametrize('unit', [1, 1000])
def test_pairs_are_the_nearest_that_are_near(unit):
    keypoint, present = walkers([0, 2.0, 5.5, 3.0])  # a body measures about 1.7: near is 2.6
    groups = group_persons(unit * keypoint, present, 2)
    assert {person: set(bodies) for person, bodies in groups.items()} == {
        0: {0, 1},
        1: {1, 3},
        2: {2, 3},
        3: {1, 3},
    }
    assert groups[1] == groups[3]  # one window for both
    assert group_persons(keypoint, present, 2, near=0.4) == {i: (i,) for i in range(4)}
    assert set(group_persons(keypoint, present, 3)[1]) == {0, 1, 3}
    assert group_persons(keypoint, present, 1) == {i: (i,) for i in range(4)}


def test_distance_is_that_of_frames_that_show_both():
    keypoint, present = walkers([0, 1.0])
    keypoint[1, :4, :, 0] += 50  # far, while the other is absent
    leave(keypoint, present, 0, slice(0, 4))
    assert set(group_persons(keypoint, present, 2)[0]) == {0, 1}
    leave(keypoint, present, 1, slice(5, 10))
    leave(keypoint, present, 0, slice(4, 5))
    assert group_persons(keypoint, present, 2) == {0: (0,), 1: (1,)}  # never seen together


def test_the_one_that_moves_most_comes_first():
    keypoint, present = walkers([0, 1.0])
    keypoint[1, :, :, 1] += np.linspace(0, 1, 10)[:, None]
    assert group_persons(keypoint, present, 2) == {0: (1, 0), 1: (1, 0)}
    keypoint[0, :, :, 1] += 3 * np.linspace(0, 1, 10)[:, None]
    assert group_persons(keypoint, present, 2, near=3)[1] == (0, 1)


def test_windows_are_cut_when_they_are_asked_for():
    rng = np.random.default_rng(0)
    info = dict(
        frame_dir='x',
        keypoint=rng.normal(size=(3, 9, 17, 2)).astype(np.float32),
        keypoint_score=rng.random(size=(3, 9, 17)).astype(np.float32),
    )
    info['keypoint'][2, 4] = 0  # absent at the end of its window
    found = Windows([info], [Place(0, (2, 1), 1, 5), Place(0, (2,), 1, 5)], 2)
    assert len(found) == 2 and found[0]['sample_idx'] == 0 and found[0]['total_frames'] == 4
    for key in ('keypoint', 'keypoint_score'):
        np.testing.assert_array_equal(found[0][key], info[key][[2, 1], 1:5])
        np.testing.assert_array_equal(found[1][key], info[key][[2], 1:4])


def change_scores(model, change):
    """The model, whose scores are changed."""
    original = model.test_step

    def test_step(batch):
        samples = original(batch)
        for sample in samples:
            sample.set_pred_score(change(sample.pred_score))
        return samples

    model.test_step = test_step
    return model


def test_scores_of_several_models_are_averaged(Counter, standing):
    infos = [dict(frame_dir='x', keypoint=standing([0, 0, 0, 1, 1, 2])[None])]
    found = Windows(infos, [Place(0, (0,), 0, 4), Place(0, (0,), 2, 6)], 1)
    first, second = Counter(), change_scores(Counter(), lambda scores: 0 * scores + 1 / 3)
    alone = score_windows([first], found)
    np.testing.assert_allclose(alone, [[0.75, 0.25, 0], [0.25, 0.5, 0.25]])
    both = score_windows([first, second], found)
    np.testing.assert_allclose(both, (alone + 1 / 3) / 2, rtol=1e-6)


def test_scores_must_be_probabilities(Counter, standing):
    model = change_scores(Counter(), lambda scores: 2 * scores)
    found = Windows(
        [dict(frame_dir='x', keypoint=standing([0, 1])[None])], [Place(0, (0,), 0, 2)], 1
    )
    with pytest.raises(ValueError, match='average_clips'):
        score_windows([model], found)
