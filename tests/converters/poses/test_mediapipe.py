"""Landmarks of MediaPipe, of the world and of the image."""

from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.poses import mediapipe
from tests.converters.poses import files

PATH = Path('a.json')
WORLD = files.walk(2, 4, 33, 3)


@pytest.mark.parametrize('persons', [1, 2])
def test_world_landmarks(persons):
    content = files.mediapipe(WORLD[:persons], fps=24)
    assert mediapipe.matches(content) and mediapipe.matches(content['frames'])
    made = mediapipe.read(content, PATH)
    for t, found in made.frames.items():
        np.testing.assert_array_equal([p.keypoint for p in found], WORLD[:persons, t])
        np.testing.assert_array_equal(found[0].score, np.full(33, 0.9))
    assert made.fps == 24 and made.up == '-y' and not made.shares


def test_nobody_in_the_first_frames():
    content = files.mediapipe(WORLD[:1])
    for frame in content['frames'][:2]:
        del frame['pose_world_landmarks']
    assert mediapipe.matches(content)
    assert [len(found) for found in mediapipe.read(content, PATH).frames.values()] == [0, 0, 1, 1]


def test_image_landmarks():
    content = files.mediapipe(WORLD[:1], 'poseLandmarks', width=640, height=480)
    made = mediapipe.read(content, PATH)
    assert made.shares and made.img_shape == (480, 640)
    np.testing.assert_array_equal(made.frames[0][0].keypoint, WORLD[0, 0, :, :2])
    with pytest.raises(BrokenFile, match='expected pose_world_landmarks in its frames'):
        mediapipe.read(content, PATH, dims=3)


def test_both_landmarks():
    content = files.mediapipe(WORLD[:1])
    for frame in content['frames']:
        frame['pose_landmarks'] = files.landmarks(WORLD[0, 0])
    assert mediapipe.read(content, PATH).frames[0][0].keypoint.shape == (33, 3)
    assert mediapipe.read(content, PATH, dims=2).frames[0][0].keypoint.shape == (33, 2)


@pytest.mark.parametrize('persons', [1, 2])
def test_landmarks_as_protobuf_writes_them(persons):
    content = files.mediapipe(WORLD[:persons])
    for frame in content['frames']:
        found = frame['pose_world_landmarks']
        wrapped = dict(landmark=found) if persons == 1 else [dict(landmark=p) for p in found]
        frame['pose_world_landmarks'] = wrapped
    for t, found in mediapipe.read(content, PATH).frames.items():
        np.testing.assert_array_equal([p.keypoint for p in found], WORLD[:persons, t])


@pytest.mark.parametrize('nobody', [[[]], [{'landmark': []}], {'landmark': []}])
def test_persons_without_landmarks(nobody):
    content = files.mediapipe(WORLD[:1])
    content['frames'][1]['pose_world_landmarks'] = nobody
    assert [len(f) for f in mediapipe.read(content, PATH).frames.values()] == [1, 0, 1, 1]


@pytest.mark.parametrize('landmarks', [{'a': 1}, 7, True, [[{'x': 1}], None], ['x']])
def test_what_are_no_landmarks(landmarks):
    content = files.mediapipe(WORLD[:1])
    content['frames'][1]['pose_world_landmarks'] = landmarks
    with pytest.raises(BrokenFile, match='a.json, frame 1 has .*; expected'):
        mediapipe.read(content, PATH)


def test_numbers_times_and_nobody():
    content = files.mediapipe(WORLD[:1], 'worldLandmarks')
    for frame in content['frames']:
        frame.update(index=2 * frame.pop('frame'))
        frame['timestampMs'] = 20 * frame['index']
    content['frames'][1]['worldLandmarks'] = None
    content['frames'][2]['worldLandmarks'] = []
    made = mediapipe.read(content, PATH)
    assert list(made.frames) == [0, 2, 4, 6] and made.fps == 50
    assert made.frames[2] == made.frames[4] == []


def test_frames_in_their_order():
    frames = files.mediapipe(WORLD[:1])['frames']
    for frame in frames:
        del frame['frame']
    assert list(mediapipe.read(frames, PATH).frames) == [0, 1, 2, 3]


def test_broken_landmarks():
    content = files.mediapipe(WORLD[:1])
    del content['frames'][1]['pose_world_landmarks'][5]['z']
    with pytest.raises(BrokenFile, match='a.json, frame 1 has the landmark .* expected x, y, z'):
        mediapipe.read(content, PATH)
