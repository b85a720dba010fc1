"""Timelines: windows are averaged, intervals lie where a person is, nothing is left out unsaid."""

import warnings

import numpy as np
import pytest
from rich.console import Console

from deeprank_plugin.apis import (
    Interval,
    inference_skeleton_sequence,
    init_model,
    name_actions,
)
from deeprank_plugin.apis.timeline import (
    find_intervals,
    find_rate,
    find_spans,
    smooth_scores,
    tabulate,
    to_timeline_record,
)

SIZE = dict(window=4, stride=2, fps=1)  # seconds and frames are the same


def rounded(intervals):
    return [(*interval[:3], round(interval.score, 4)) for interval in intervals]


def test_a_moment_has_the_mean_of_the_windows_that_cover_it():
    rng = np.random.default_rng(0)
    starts = np.sort(rng.choice(50, 12, replace=False))
    bounds = np.stack([starts, starts + rng.integers(1, 9, 12)], axis=1)
    scores = rng.dirichlet(np.ones(4), size=12)
    edges, means = smooth_scores(bounds, scores)
    assert len(means) == len(edges) - 1
    for frame in range(60):
        covering = (bounds[:, 0] <= frame) & (frame < bounds[:, 1])
        part = np.searchsorted(edges, frame, 'right') - 1
        if covering.any():
            np.testing.assert_allclose(means[part], scores[covering].mean(axis=0), atol=1e-12)
        elif 0 <= part < len(means):
            assert np.isnan(means[part]).all()


def test_short_absences_are_bridged():
    present = np.array([0, 1, 1, 0, 1, 0, 0, 1, 0], bool)
    assert find_spans(present, 2) == [(1, 5), (7, 8)]
    assert find_spans(present, 1) == [(1, 3), (4, 5), (7, 8)]
    assert find_spans(present, 3) == [(1, 8)]
    assert find_spans(~present & False, 2) == []


def test_neighbouring_moments_of_a_class_are_one_interval():
    edges = np.array([0, 2, 4, 6, 8])
    means = np.array([[0.9, 0.1], [0.6, 0.4], [np.nan] * 2, [0.2, 0.8]])
    found = find_intervals([(1, 3), (3, 8)], edges, means, ['a', 'b'], fps=2.0)
    assert rounded(found) == [
        (0.5, 1.5, 0, 0.75),
        (1.5, 2.0, 0, 0.6),  # another span
        (3.0, 4.0, 1, 0.8),
    ]
    assert found[2].name == 'b'
    assert find_intervals([(8, 9)], edges, means, ['a', 'b'], 2.0) == []


def test_a_recording_worked_by_hand(Counter, standing):
    # windows [0, 4), [2, 6), [4, 8) and [5, 9), of 9 frames
    recording = np.stack([standing([0] * 4 + [1] * 5), standing([None] * 9)])
    model = Counter()
    (timeline,) = name_actions(model, recording, **SIZE)
    assert timeline.name == '0' and timeline.track == 0 and timeline.duration == 9
    np.testing.assert_array_equal(timeline.windows, [[0, 4], [2, 6], [4, 8], [5, 9]])
    np.testing.assert_allclose(timeline.scores, [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 1, 0]])
    # [0, 2): 1; [2, 4): (1 + 0.5) / 2; [4, 5): (0.5 + 1) / 2; [5, 6): (0.5 + 2) / 3; [6, 9): 1
    first, second = timeline.intervals
    assert first == Interval(0.0, 4.0, 0, 'sit', pytest.approx((2 * 1 + 2 * 0.75) / 4))
    expected = (0.75 + 2.5 / 3 + 3 * 1) / 5
    assert second == Interval(4.0, 9.0, 1, 'stand', pytest.approx(expected))
    assert timeline.seen == [(0.0, 9.0)]
    assert timeline.at(3.9) == first and timeline.at(4) == second and timeline.at(9) is None
    assert model.sizes == [4] and model.bodies == [1] * 4


def test_gaps_where_a_person_is_absent(Counter, standing):
    here = [2] * 6
    recording = np.stack([standing([None] * 5 + here + [None] * 4), standing([0] * 15)])
    first, second = name_actions(Counter(), recording, **SIZE)
    assert first.seen == [(5, 11)] and second.seen == [(0, 15)]
    assert rounded(first.intervals) == [(5, 11, 2, 1.0)]
    assert first.windows[:, 0].tolist() == [4, 6, 8]  # at least half of 4 frames
    recording[0, 7] = 0  # for one frame: shorter than a stride
    assert name_actions(Counter(), recording, **SIZE)[0].seen == [(5, 11)]
    recording[0, 8] = 0
    assert name_actions(Counter(), recording, **SIZE)[0].seen == [(5, 7), (9, 11)]


def test_near_persons_share_windows(Counter, standing):
    near, far = standing([0] * 6, z=0.5), standing([0] * 6, z=9.0)
    recording = np.stack([standing([1] * 6), near, far])
    model = Counter(num_person=2)
    timelines = name_actions(model, recording, **SIZE)
    assert sorted(model.bodies) == [1, 1, 2, 2]  # two windows of the pair, two of the third
    for timeline in timelines[:2]:
        np.testing.assert_allclose(timeline.scores, [[0.5, 0.5, 0]] * 2)
    np.testing.assert_allclose(timelines[2].scores, [[1, 0, 0]] * 2)
    alone = name_actions(model, recording, near=0.1, **SIZE)
    np.testing.assert_allclose(alone[0].scores, [[0, 1, 0]] * 2)
    one = Counter(num_person=1)
    assert len(name_actions(one, recording, **SIZE)) == 3 and one.bodies == [1] * 6


def test_recordings_and_persons_share_batches(Counter, standing):
    first = np.stack([standing([0] * 6), standing([1] * 6)])
    second = dict(frame_dir='b', keypoint=standing([2] * 4)[None], fps=2)
    model = Counter()
    named = name_actions(model, [first, second], window=2, stride=1, fps=2, batch_size=3)
    assert model.sizes == [3, 2] and [len(persons) for persons in named] == [2, 1]
    assert [persons[0].name for persons in named] == ['0', 'b']
    assert rounded(named[0][1].intervals) == [(0, 3, 1, 1.0)]
    assert rounded(named[1][0].intervals) == [(0, 2, 2, 1.0)]


def test_windows_are_classified_as_sequences_are(tiny):
    model = init_model(tiny.config, tiny.checkpoint)
    longest = tiny.annotations[-1]['keypoint']  # (2, 74, 25, 3); the second leaves
    timelines = name_actions(model, 0.001 * longest, 1.0, 0.5, fps=20, near=1e-3, scale=1000.0)
    for body, timeline in enumerate(timelines):
        cut = [
            longest[body : body + 1, start:stop]
            for start, stop in (20 * timeline.windows).round().astype(int)
        ]
        expected = inference_skeleton_sequence(model, cut)
        np.testing.assert_allclose(timeline.scores, [p.scores for p in expected], atol=1e-5)
        assert timeline.intervals[0].start == 0 and timeline.intervals[0].name in expected[0].names
    assert timelines[1].seen == [(0, 37 / 20)]


def test_several_models_are_averaged(Counter, standing):
    recording = standing([0, 0, 1, 1])[None]
    (timeline,) = name_actions([Counter(), Counter()], recording, **SIZE)
    np.testing.assert_allclose(timeline.scores, [[0.5, 0.5, 0]])


def test_both_notations_of_2d_poses(Counter):
    poses = np.full((1, 6, 17, 3), 0.5, np.float32)  # x, y, score
    poses[0, :, :, 0] = np.array([1, 1, 1, 3, 3, 3])[:, None]
    model = Counter(layout='coco')
    (one,) = name_actions(model, poses, **SIZE)
    apart = dict(keypoint=poses[..., :2], keypoint_score=poses[..., 2])
    (other,) = name_actions(model, apart, **SIZE)
    assert rounded(one.intervals) == rounded(other.intervals) != []
    np.testing.assert_allclose(one.scores, [[0.75, 0, 0.25], [0.25, 0, 0.75]])


def test_what_is_guessed_or_left_out_is_said(Counter, standing):
    model, recording = Counter(), standing([0] * 80)[None]
    with pytest.warns(UserWarning, match="1 of 2 recordings, such as '1', state no fps: 30 "):
        first, second = name_actions(model, [dict(keypoint=recording, fps=20), recording])
    assert (first[0].fps, second[0].fps) == (20, 30)
    with pytest.warns(UserWarning, match=r"'0' \(3 frames\), are shorter than window=4 seconds"):
        (timeline,) = name_actions(model, recording[:, :3], **SIZE)
    assert rounded(timeline.intervals) == [(0, 3, 0, 1.0)]
    both = np.stack([standing([0] * 9), standing([None] * 5 + [1] + [None] * 3)])
    with pytest.warns(UserWarning, match="1 of 2 persons, such as 1 of '0', are present in less"):
        _, passer = name_actions(model, both, **SIZE)
    assert passer.intervals == [] and passer.seen == [(5, 6)] and passer.scores.shape == (0, 3)
    with pytest.warns(UserWarning, match='scale=0.001 converts millimetres'):
        name_actions(model, recording * np.float32([1, 1000, 1000]), **SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        name_actions(model, recording, **SIZE)


@pytest.mark.parametrize(
    ('change', 'options', 'message'),
    [
        (lambda k: k[0], {}, r'recording 0 has shape \(9, 25, 3\)'),
        (lambda k: k[:, :, :20], {}, "recording 0 has 20 joints and layout 'nturgb[+]d' has 25"),
        (lambda k: k[..., :2], {}, 'recording 0 is 2D'),
        (lambda k: k / k, {}, 'recording 0 has NaN'),
        (lambda k: 0 * k, {}, 'recording 0 is zero throughout'),
        (lambda k: [], {}, 'no recordings'),
        (lambda k: dict(keypoint=k, fps='fast'), dict(fps=None), "fps='fast'"),
        (lambda k: k, dict(window=-1), 'window=-1'),
        (lambda k: k, dict(near=-1), 'near=-1; expected a distance in body sizes'),
        (lambda k: k, dict(scale=0), 'scale=0'),
    ],
)
@pytest.mark.filterwarnings('ignore::RuntimeWarning')
def test_bad_recordings_are_errors(Counter, standing, change, options, message):
    recording = standing([0] * 9)[None]
    with pytest.raises(ValueError, match=message):
        name_actions(Counter(), change(recording), **{**SIZE, **options})


def test_the_frame_rate_of_a_recording():
    assert find_rate(dict(fps=25), 10) == 10 and find_rate(dict(fps=25)) == 25
    assert find_rate(dict(fps=None)) is None and find_rate({}) is None
    for rate in (0, float('nan'), float('inf'), '25', True):
        with pytest.raises(ValueError, match="recording 'a': fps=.*; expected a positive number"):
            find_rate(dict(fps=rate, frame_dir='a'))
        with pytest.raises(ValueError, match='^fps='):
            find_rate({}, rate)


def test_records_and_tables(Counter, standing):
    recording = np.stack([standing([0] * 9), standing([None] * 4 + [1] + [None] * 4)])
    with pytest.warns(UserWarning, match='no'):
        timelines = name_actions(Counter(), dict(keypoint=recording, frame_dir='hall'), **SIZE)
    record = to_timeline_record(timelines)
    interval = dict(start=0.0, end=9.0, label=0, name='sit', score=1.0)
    assert record['frame_dir'] == 'hall' and record['duration'] == 9 and record['fps'] == 1
    assert record['persons'] == [
        dict(track=0, seen=[[0, 9]], intervals=[interval]),
        dict(track=1, seen=[[4, 5]], intervals=[]),
    ]
    console = Console(width=80, record=True, file=open('/dev/null', 'w'))
    console.print(tabulate(timelines))
    lines = [line.split() for line in console.export_text().splitlines() if line.strip()]
    assert lines[1] == ['hall', '0', '0:00.0', '0:09.0', '100.0%', '0', 'sit']
    assert lines[2] == ['hall', '1', *'----', 'no', 'interval']
