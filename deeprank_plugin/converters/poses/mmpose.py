"""Poses that MMPose writes: its inferencers, and its demos with ``--save-predictions``.

A video is a list of ``{"frame_id": 0, "instances": [...]}``, alone or as ``instance_info`` beside
``meta_info``. An instance has ``keypoints`` (V lists of 2 or 3 numbers), ``keypoint_scores`` and,
where a tracker ran, ``track_id``. An image is a list of instances; a folder of them is a recording.

3D coordinates come in metres, z up and mirrored (``Pose3DInferencer.forward``).
"""

from pathlib import Path
from typing import Any, List, Optional

from deeprank_plugin.converters.batch import BrokenFile

from .recording import Person, Recording, take, to_numbers

LAYOUT_OF = {(17, 2): 'coco', (17, 3): 'h36m'}
SKELETONS = dict(
    coco='coco', humanart='coco', coco_wholebody='coco', halpe='coco', halpe26='coco', h36m='h36m'
)
"""Layout by ``dataset_name``: others have as many joints in another order, such as animals."""


def is_instance(entry: Any) -> bool:
    """Whether this is one person."""
    return isinstance(entry, dict) and {'keypoints', 'keypoint_scores'} <= set(entry)


def matches(content: Any) -> bool:
    """Whether a file holds a video in this format."""
    if isinstance(content, dict):
        return 'instance_info' in content
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and 'instances' in first


def matches_image(content: Any) -> bool:
    """Whether a file holds the persons of one image."""
    return isinstance(content, list) and bool(content) and is_instance(content[0])


def read(content: Any, path: Path, dims: Optional[int] = None) -> Recording:
    """Read a video.

    Args:
        content (list or dict): The JSON.
        path (Path): For messages.
        dims (int, optional): Not used: the file has either 2 or 3 coordinates.

    Raises:
        BrokenFile: If it is anything else, or its ``dataset_name`` is no text.
    """
    meta = content.get('meta_info') if isinstance(content, dict) else None
    if isinstance(content, dict):
        content = take(content, 'instance_info', list, str(path))
    if any(map(is_instance, content)):
        raise BrokenFile(f'{path} holds the persons of one image; expected those of a video')
    frames = {}
    for row, entry in enumerate(content):
        where = f'{path}, frame {row}'
        number = take(entry, 'frame_id', int, where)
        if number in frames:
            raise BrokenFile(f'{path} has frame_id {number} twice; expected each frame once')
        frames[number] = read_image(take(entry, 'instances', list, where), where)
    name = meta.get('dataset_name') if isinstance(meta, dict) else None
    if not isinstance(name, (str, type(None))):
        raise BrokenFile(f'{path} has dataset_name {str(name)[:40]!r}; expected a name')
    return Recording(frames, up='z mirrored', skeleton=name)


def read_image(instances: List, where: str, dims: Optional[int] = None) -> List[Person]:
    """The persons of one image.

    Raises:
        BrokenFile: If one has no joints, or other numbers of scores.
    """
    persons = []
    for number, instance in enumerate(instances):
        place = f'{where}, person {number}'
        keypoint = to_numbers(take(instance, 'keypoints', list, place), place)
        score = to_numbers(take(instance, 'keypoint_scores', list, place), place)
        keypoint = keypoint[0] if keypoint.ndim == 3 and len(keypoint) == 1 else keypoint
        if keypoint.ndim != 2 or score.size != len(keypoint):
            raise BrokenFile(
                f'{place} has keypoints of shape {keypoint.shape} and {score.size} scores; '
                'expected 2 or 3 coordinates and a score for each joint'
            )
        track = instance.get('track_id')
        track = track if isinstance(track, int) and track >= 0 else None
        persons.append(Person(keypoint, score.reshape(-1), track))
    return persons
