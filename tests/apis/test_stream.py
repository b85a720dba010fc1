"""A stream gives the predictions of its windows, each once, and holds a window of frames."""

import pickle
from collections import deque

import numpy as np
import pytest

from deeprank_plugin.apis import StreamRecognizer, init_model, name_actions

SIZE = dict(window=4, stride=2, fps=1)


def test_predictions_are_those_of_the_recording(tiny):
    model = init_model(tiny.config, tiny.checkpoint)
    recording = 0.2 * tiny.annotations[-1]['keypoint']  # (2, 74, 25, 3); the second leaves
    options = dict(window=1.0, stride=0.5, fps=20)
    offline = name_actions(model, recording, **options)
    recognizer = StreamRecognizer(model, **options)
    compared = 0
    for number in range(recording.shape[1]):
        found = recognizer.push(recording[:, number])
        for timeline in offline:
            ends = (20 * timeline.windows[:, 1]).round().tolist()
            if number + 1 in ends and (number + 1) % 10 == 0:
                expected = timeline.scores[ends.index(number + 1)]
                np.testing.assert_allclose(found[timeline.track].scores, expected, atol=1e-6)
                assert found[timeline.track].label == expected.argmax()
                compared += 1
    assert compared == 6 + 3 and recognizer.num_frames == 74


def test_each_window_is_classified_once(Counter, standing):
    model = Counter()
    bodies = np.stack([standing([0] * 4 + [1] * 5), standing([2] * 9)])
    recognizer = StreamRecognizer(model, batch_size=8, **SIZE)
    seen = [recognizer.push(frame) for frame in bodies.swapaxes(0, 1)]
    assert model.sizes == [2, 2, 2]  # after 4, 6 and 8 frames, both persons at once
    assert seen[2] == {} and seen[3][0].name == 'sit' and seen[4] == seen[3]
    np.testing.assert_allclose(seen[5][0].scores, [0.5, 0.5, 0])
    np.testing.assert_allclose(seen[8][0].scores, [0, 1, 0])
    assert all(prediction[1].label == 2 for prediction in seen[3:])


def test_persons_by_name_come_and_go(Counter, standing):
    model = Counter()
    recognizer = StreamRecognizer(model, **SIZE)
    ann, bob = standing([0])[0], standing([1])[0]
    for _ in range(4):
        found = recognizer.push({'ann': ann, 'bob': 0 * bob})
    assert list(found) == ['ann']
    for _ in range(3):
        assert 'ann' in recognizer.push({'bob': bob})
    found = recognizer.push({'bob': bob})
    assert found.keys() == {'bob'}  # no frame of the last window shows ann
    assert found['bob'].name == 'stand'
    recognizer.push({})
    for _ in range(5):
        found = recognizer.push(np.zeros((1, 25, 3)))
    assert found == {} == recognizer.predictions and not recognizer._last_seen
    batches = len(model.sizes)
    for _ in range(6):
        recognizer.push({})
    assert len(model.sizes) == batches
    recognizer.reset()
    assert recognizer.num_frames == 0 and recognizer.push({'ann': ann}) == {}


def test_near_persons_are_a_pair(Counter, standing):
    model = Counter(num_person=2)
    recognizer = StreamRecognizer(model, **SIZE)
    frame = dict(a=standing([0])[0], b=standing([1], z=0.5)[0], c=standing([2], z=9)[0])
    for _ in range(4):
        found = recognizer.push(frame)
    assert sorted(model.bodies) == [1, 2]
    np.testing.assert_allclose(found['a'].scores, [0.5, 0.5, 0])
    np.testing.assert_allclose(found['b'].scores, [0.5, 0.5, 0])
    np.testing.assert_allclose(found['c'].scores, [0, 0, 1])


def test_frames_are_copied(Counter, standing):
    recognizer = StreamRecognizer(Counter(), **SIZE)
    frame = standing([0])
    for _ in range(3):
        recognizer.push(frame)
    last = frame.copy()
    frame[:] = 3
    assert recognizer.push(last)[0].scores[0] == 1


def test_two_dimensions_with_scores(Counter):
    recognizer = StreamRecognizer(Counter(layout='coco'), img_shape=(480, 640), **SIZE)
    frame = np.full((1, 17, 3), 0.5, np.float32)
    frame[..., 0] = 2
    for _ in range(4):
        found = recognizer.push(frame)
    assert found[0].name == 'stand'
    with pytest.raises(ValueError, match='frame 4, person 0.*no keypoint_score'):
        StreamRecognizer.push(recognizer_at(recognizer, 4), np.ones((1, 17, 2)))


def recognizer_at(recognizer, number):
    recognizer.reset()
    recognizer.num_frames = number
    return recognizer


@pytest.mark.parametrize(
    ('frame', 'message'),
    [
        ([[0.0]], 'frame 1 is a list; expected a dict'),
        (np.ones((25, 3)), r'frame 1 is of shape \(25, 3\)'),
        (np.ones((1, 20, 3)), r'person 0 has shape \(20, 3\); expected \(25, 3\), as in earlier'),
        (dict(a=np.ones(25)), r"person 'a' has shape \(25,\)"),
        (dict(a=np.full((25, 3), np.nan)), "frame 1, person 'a' has NaN"),
        (dict(a=np.full((25, 3), 1e300)), "frame 1, person 'a' has NaN or infinite"),
        (dict(a=np.full((25, 3), 'x')), "person 'a' has .* of type <U1; expected numbers"),
        (dict(a=np.full((25, 3), None)), "person 'a' has .* of type object; expected numbers"),
        (dict(a=[[1, 2, 3], [1]]), r"person 'a' has \[\[1, 2, 3\], \[1\]\] of type object"),
    ],
)
def test_bad_frames_are_errors_and_not_taken(Counter, standing, frame, message):
    recognizer = StreamRecognizer(Counter(), **SIZE)
    recognizer.push(standing([0]))
    with pytest.raises(ValueError, match=message):
        recognizer.push(frame)
    assert recognizer.num_frames == len(recognizer._frames) == 1
    recognizer.push(standing([0]))


def test_layout_size_and_unit(Counter, standing):
    with pytest.raises(ValueError, match="20 joints and layout 'nturgb[+]d' has 25"):
        StreamRecognizer(Counter(), **SIZE).push(np.ones((1, 20, 3)))
    with pytest.raises(ValueError, match='fps=0'):
        StreamRecognizer(Counter(), fps=0)
    with pytest.raises(ValueError, match='near=-1'):
        StreamRecognizer(Counter(), near=-1)
    recognizer = StreamRecognizer(Counter(), **SIZE)
    frame = standing([0])
    frame[..., 1:] *= 1000
    for _ in range(3):
        recognizer.push(frame)
    with pytest.warns(UserWarning, match='the stream measure 1700.*scale=0.001') as found:
        for _ in range(5):
            recognizer.push(frame)
    assert len(found) == 1
    recognizer = StreamRecognizer(Counter(), **SIZE)
    with pytest.warns(UserWarning, match='head of the stream .*-y points up; expected y') as found:
        for _ in range(8):
            recognizer.push(standing([0]) * [1, -1, 1])
    assert len(found) == 1
    with pytest.raises(ValueError, match='no model'):
        StreamRecognizer([])


@pytest.mark.slow
def test_a_day_leaves_memory_flat(Counter, standing):
    """86,400 frames, one per second; another person every ten minutes."""
    model = Counter()
    model.sizes = model.bodies = deque(maxlen=1)
    recognizer = StreamRecognizer(model, window=120, stride=120, fps=1)
    frame, held = standing([0])[0], []
    for second in range(86400):
        recognizer.push({second // 600: frame})
        if second % 43200 == 3600:
            held.append(count_bytes(recognizer))
    held.append(count_bytes(recognizer))
    assert len(recognizer._last_seen) == len(recognizer.predictions) == 1
    assert max(held) < 1.01 * 120 * frame.nbytes + 10_000 and len(held) == 3


def count_bytes(recognizer):
    """Size of all that a recogniser holds, besides its models and settings."""
    settings = ('models', 'pipelines', 'rules')
    return len(pickle.dumps({k: v for k, v in vars(recognizer).items() if k not in settings}))
