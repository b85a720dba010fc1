"""Detections are the classifier's predictions for windows, merged."""

import warnings

import numpy as np
import pytest

from deeprank_plugin.apis import inference_skeleton_sequence, init_model
from deeprank_plugin.apis.untrimmed import detect_actions


@pytest.fixture(scope='module')
def model(tiny):
    return init_model(tiny.config, tiny.checkpoint)


@pytest.mark.filterwarnings('ignore:bodies of')  # random walks are no human beings
def test_detections_are_those_of_a_plain_loop(tiny, model):
    walks = [annotation['keypoint'][:1] for annotation in tiny.annotations[10:16]]
    recording = dict(frame_dir='all', segments=[(0, 9, 0)], keypoint=np.concatenate(walks, axis=1))
    length = recording['keypoint'].shape[1]
    found = detect_actions(model, recording, window=2.0, stride=0.8, fps=10)
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
        warnings.filterwarnings('ignore', 'window=1 seconds at fps=10 holds 10 frames')
        found = detect_actions(model, dict(frame_dir='r', keypoint=keypoint), 1, 1, 10)
    assert not any(d.start < 70 and d.end > 30 for d in found)
    assert found[0].start == 0 and found[-1].end == 90


@pytest.mark.filterwarnings('ignore:bodies of')
def test_low_scores_are_background(tiny, model):
    walks = [annotation['keypoint'][:1, :20] for annotation in tiny.annotations[10:16]]
    recording = dict(frame_dir='all', keypoint=np.concatenate(walks, axis=1))
    scores = [inference_skeleton_sequence(model, walk).scores.max() for walk in walks]
    second, first = np.argsort(scores)[-2:]
    threshold = (scores[first] + scores[second]) / 2
    (found,) = detect_actions(model, recording, 2, 2, 10, threshold)
    assert (found.start, found.end) == (20 * first, 20 * first + 20)
    assert found.score == pytest.approx(scores[first])
    assert detect_actions(model, recording, 2, 2, 10, threshold=1) == []


def test_the_recording_is_checked(model):
    with pytest.raises(ValueError, match="sequence 'r' has 20 joints and layout 'nturgb"):
        detect_actions(model, dict(frame_dir='r', keypoint=np.ones((1, 9, 20, 3))))
