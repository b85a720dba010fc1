"""Poses that OpenPose writes with ``--write_json``: a folder with one JSON file per frame.

``<video>_000000000012_keypoints.json`` holds ``{"people": [{"person_id": [-1],
"pose_keypoints_2d": [x, y, score, ...], "pose_keypoints_3d": [...], ...}]}``, with 25 joints
(BODY_25) or 18 (COCO). Joints not found are 0, 0, 0. ``--tracking`` fills ``person_id``.
"""

import math
from typing import Any, List, Optional

from .recording import Person, split_triplets, take

LAYOUT_OF = {(25, 2): 'body25', (18, 2): 'openpose'}


def matches_image(content: Any) -> bool:
    """Whether a file holds the persons of one frame."""
    return isinstance(content, dict) and isinstance(content.get('people'), list)


def read_image(content: Any, where: str, dims: Optional[int] = None) -> List[Person]:
    """The persons of one frame.

    Args:
        content (dict): The JSON.
        where (str): For messages.
        dims (int, optional): 3 reads ``pose_keypoints_3d``. Defaults to None: 2.

    Raises:
        BrokenFile: If a person has no list of whole joints.
    """
    persons = []
    key = f'pose_keypoints_{dims or 2}d'
    for number, entry in enumerate(take(content, 'people', list, where)):
        place = f'{where}, person {number}'
        person = split_triplets(take(entry, key, list, place), (dims or 2) + 1, place)
        person.keypoint[person.score == 0] = 0
        persons.append(person._replace(track=read_id(entry.get('person_id'))))
    return persons


def read_id(value: Any) -> Optional[int]:
    """A track id from 7, 7.0, [7] or [[7.0], ...]; None where there is none (-1)."""
    while isinstance(value, list) and value:
        value = value[0]
    return int(value) if isinstance(value, (int, float)) and 0 <= value < math.inf else None
