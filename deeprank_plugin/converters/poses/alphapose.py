"""Poses that AlphaPose writes: ``alphapose-results.json``.

A list with one entry for each person and image: ``image_id`` ('12.jpg' in a video), ``keypoints``
(x, y, score of each joint in turn), ``score`` and, where a tracker ran, ``idx``. With ``--format
open`` and ``cmu`` an object from image names to what OpenPose writes for a frame, 18 joints. An
image without persons does not occur.
"""

from pathlib import Path
from typing import Any, Dict, List, Optional

from deeprank_plugin.converters.batch import BrokenFile

from .openpose import read_id
from .recording import Person, Recording, number_images, split_triplets, take

LAYOUT_OF = {(17, 2): 'coco', (18, 2): 'openpose'}
PEOPLE = {'people': 'pose_keypoints_2d', 'bodies': 'joints'}  # of --format open and cmu


def find_people(entry: Any) -> Optional[str]:
    """The key of the persons in an image of the forms 'open' and 'cmu', None in others."""
    found = [key for key in PEOPLE if isinstance(entry, dict) and isinstance(entry.get(key), list)]
    return found[0] if found else None


def matches(content: Any) -> bool:
    """Whether a file is of this format."""
    if isinstance(content, dict):
        return bool(content) and all(map(find_people, content.values()))
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {'image_id', 'keypoints'} <= set(first)


def read(content: Any, path: Path, dims: Optional[int] = None) -> Recording:
    """Read a video, or a folder of images that were detected together.

    Args:
        content (list or dict): The JSON.
        path (Path): For messages.
        dims (int, optional): Not used: the format is 2D.

    Raises:
        BrokenFile: If a person has no image, or no list of whole joints.
    """
    images: Dict[str, List[Person]] = {}
    if isinstance(content, dict):
        for name, image in content.items():
            key = find_people(image) or 'people'
            images[name] = [
                split_triplets(take(person, PEOPLE[key], list, f'{path}, image {name}'), 3, name)
                for person in take(image, key, list, f'{path}, image {name}')
            ]
    else:
        for row, entry in enumerate(content):
            where = f'{path}, entry {row}'
            if not isinstance(entry, dict) or not isinstance(entry.get('image_id'), (int, str)):
                raise BrokenFile(f'{where} has no image_id; expected the name of an image')
            person = split_triplets(take(entry, 'keypoints', list, where), 3, where)
            person = person._replace(track=read_id(entry.get('idx')))
            images.setdefault(str(entry['image_id']), []).append(person)
    numbers, named = number_images(list(images))
    recording = Recording(dict(zip(numbers, images.values())))
    recording.counts['unnumbered'] += not named
    return recording
