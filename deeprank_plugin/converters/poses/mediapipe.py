"""Landmarks of MediaPipe Pose. MediaPipe writes no file of its own: this is the form expected.

``{"fps": 30, "width": 640, "height": 480, "frames": [{"frame": 0, "timestamp_ms": 0,
"pose_landmarks": [...], "pose_world_landmarks": [...]}]}``, or the list of frames alone. Either
list of landmarks has 33 entries ``{"x", "y", "z", "visibility"}`` for one person, a list of such
lists for several, and nothing (or null) where nobody was found. Protobuf's ``{"landmark": [...]}``
in the place of a list, MediaPipe's own names in JavaScript (poseLandmarks, poseWorldLandmarks;
landmarks, worldLandmarks), and frame_index, index, frame_id or the order for ``frame`` are read as
well.

World landmarks are in metres, y down, from the hips; image landmarks are shares of the image's
width and height.
"""

from pathlib import Path
from typing import Any, List, Optional

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile

from .recording import Person, Recording, describe, find_rate, take, to_numbers

LAYOUT_OF = {(33, 3): 'mediapipe', (33, 2): 'mediapipe-2d'}
WORLD = ('pose_world_landmarks', 'poseWorldLandmarks', 'world_landmarks', 'worldLandmarks')
IMAGE = ('pose_landmarks', 'poseLandmarks', 'landmarks')
NUMBERS = ('frame', 'frame_index', 'frame_id', 'index')
TIMES = ('timestamp_ms', 'timestampMs')


def find(entry: Any, keys) -> Optional[str]:
    """The first of some keys that an object has."""
    return next((key for key in keys if isinstance(entry, dict) and key in entry), None)


def matches(content: Any) -> bool:
    """Whether a file is of this format."""
    frames = content.get('frames') if isinstance(content, dict) else content
    entries = frames if isinstance(frames, list) else []
    return any(find(entry, WORLD + IMAGE) for entry in entries)  # nobody may be in the first


def read(content: Any, path: Path, dims: Optional[int] = None) -> Recording:
    """Read a recording.

    Args:
        content (dict or list): The JSON.
        path (Path): For messages.
        dims (int, optional): 3 reads world landmarks, 2 those of the image. Defaults to None: 3
            where the file has them, else 2.

    Raises:
        BrokenFile: If the landmarks wanted are absent, or the size of the images is not known.
    """
    about = content if isinstance(content, dict) else {}
    entries = take(content, 'frames', list, str(path)) if about else content
    if dims is None:
        dims = 3 if any(find(entry, WORLD) for entry in entries) else 2
    keys = WORLD if dims == 3 else IMAGE
    if not any(find(entry, keys) for entry in entries):
        raise BrokenFile(f'{path} is {describe(content)}; expected {keys[0]} in its frames')
    frames, times = {}, {}
    for row, entry in enumerate(entries):
        where = f'{path}, frame {row}'
        key, time = find(entry, NUMBERS), find(entry, TIMES)
        number = row if key is None else take(entry, key, int, where)
        if number in frames:
            raise BrokenFile(f'{path} has {key} {number} twice; expected each frame once')
        times[number] = None if time is None else entry[time]
        name = find(entry, keys)
        frames[number] = read_landmarks(entry[name] if name else None, dims, where)
    height, width = about.get('height'), about.get('width')
    image = None
    if isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        image = height, width
    fps = about.get('fps')
    fps = fps if isinstance(fps, (int, float)) and fps > 0 else find_rate(times, 1e3)
    return Recording(frames, fps=fps, img_shape=image, up='-y', shares=dims == 2)


def read_landmarks(landmarks: Any, dims: int, where: str) -> List[Person]:
    """The persons of one frame.

    Raises:
        BrokenFile: If landmarks lack a coordinate.
    """
    if not landmarks:
        return []
    several = unwrap(landmarks, where)
    alone = several and isinstance(several[0], dict) and 'landmark' not in several[0]
    persons = []
    for person in [several] if alone else several:
        rows = []
        for landmark in unwrap(person, where):
            if not isinstance(landmark, dict) or not {'x', 'y', 'z'} <= set(landmark):
                raise BrokenFile(f'{where} has the landmark {str(landmark)[:60]}; expected x, y, z')
            score = landmark.get('visibility', 1.0)
            rows.append([landmark['x'], landmark['y'], landmark['z'], score])
        if rows:
            numbers = to_numbers(rows, where)
            persons.append(Person(np.ascontiguousarray(numbers[:, :dims]), numbers[:, 3]))
    return persons


def unwrap(landmarks: Any, where: str) -> List:
    """A list of landmarks, alone or as protobuf's ``MessageToDict`` writes it.

    Raises:
        BrokenFile: If it is neither.
    """
    found = landmarks.get('landmark') if isinstance(landmarks, dict) else landmarks
    if not isinstance(found, list):
        raise BrokenFile(f'{where} has landmarks that are {describe(landmarks)}; expected a list')
    return found
