"""Detections are the classifier's predictions for windows, merged."""

import warnings

import numpy as np
import pytest

from deeprank_plugin.apis import inference_skeleton_sequence, init_model
from deeprank_plugin.apis.untrimmed import cut, detect_actions, merge_frames, slide_windows


@pytest.fixture(scope='module')
def model(tiny):
    return init_model(tiny.config, tiny.checkpoint)


def test_windows_cover_a_recording():
    assert slide_windows(10, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert slide_windows(9, 4, 3) == [(0, 4), (3, 7), (5, 9)]
    assert slide_windows(3, 4, 2) == [(0, 3)] and slide_windows(4, 4, 4) == [(0, 4)]
    for window, stride in ((4, 0), (4, 5), (0, 0)):
        with pytest.raises(ValueError, match='expected 1 <= stride <= window'):
            slide_windows(9, window, stride)


def test_frames_in_a_row_are_merged():
    scores = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [-np.inf, -np.inf], [0.4, 0.6]])
    found = list(merge_frames(scores))
    assert [f[:3] for f in found] == [(0, 2, 0), (2, 3, 1), (4, 5, 1)]
    assert [f[3] for f in found] == pytest.approx([0.8, 0.8, 0.6])
    assert [f[:3] for f in merge_frames(scores, 0.75)] == [(0, 1, 0), (2, 3, 1)]
    assert list(merge_frames(scores, 0.95)) == []


@pytest.mark.filterwarnings('ignore:bodies of')  # random walks are no human beings
def test_detections_are_those_of_a_plain_loop(tiny, model):
    walks = [annotation['keypoint'][:1] for annotation in tiny.annotations[10:16]]
    recording = dict(frame_dir='all', segments=[(0, 9, 0)], keypoint=np.concatenate(walks, axis=1))
    length = recording['keypoint'].shape[1]
    found = detect_actions(model, recording, window=20, stride=8)
    scores = [[] for _ in range(length)]
    for start in [*range(0, length - 20, 8), length - 20]:
        part = recording['keypoint'][:, start : start + 20]
        prediction = inference_skeleton_sequence(model, part)
        for frame in range(start, start + 20):
            scores[frame].append(prediction.scores)
    means = np.array([np.mean(frame, axis=0) for frame in scores])
    expected = []
    for frame, mean in enumerate(means):
        if expected and expected[-1][2] == mean.argmax():
            expected[-1][1] = frame + 1
        else:
            expected.append([frame, frame + 1, mean.argmax()])
    assert [list(d[1:4]) for d in found] == expected
    assert {d.video for d in found} == {'all'}
    for d in found:
        assert d.score == pytest.approx(means[d.start : d.end, d.label].mean())


def test_nobody_is_background(tiny, model):
    keypoint = 0.3 * np.repeat(tiny.annotations[20]['keypoint'][:1, :1], 90, axis=1)
    keypoint = keypoint + np.float32(0.01) * np.arange(90, dtype=np.float32)[:, None, None]
    keypoint[:, 30:70] = 0
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # windows do not warn by themselves
        found = detect_actions(model, dict(frame_dir='r', keypoint=keypoint), 10, 10)
    assert not any(d.start < 70 and d.end > 30 for d in found)
    assert found[0].start == 0 and found[-1].end == 90


def test_scores_are_cut_with_the_coordinates():
    keypoint = np.arange(24.0).reshape(1, 4, 3, 2)
    recording = dict(frame_dir='r', label=1, total_frames=4, segments=[], img_shape=(9, 9))
    found = cut(dict(recording, keypoint=keypoint, keypoint_score=keypoint[..., 0]), 1, 3)
    assert set(found) == {'frame_dir', 'img_shape', 'keypoint', 'keypoint_score'}
    np.testing.assert_array_equal(found['keypoint'], keypoint[:, 1:3])
    np.testing.assert_array_equal(found['keypoint_score'], keypoint[:, 1:3, :, 0])


def test_the_recording_is_checked(model):
    with pytest.raises(ValueError, match="sequence 'r' has 20 joints and layout 'nturgb"):
        detect_actions(model, dict(frame_dir='r', keypoint=np.ones((1, 9, 20, 3))))
