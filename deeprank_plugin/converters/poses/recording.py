"""What every reader of poses returns, and the JSON it is read from."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple
from typing import Counter as CounterType

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile

KINDS = {int: 'an integer', list: 'a list'}
SPARSE = 100  # frame numbers that span more than this many times the frames are none
FARTHEST = 1e9  # coordinates beyond this, in whatever unit, are none
SUBSAMPLED = 5  # frames from which on a common step of the numbers counts


class Person(NamedTuple):
    """A person in one frame.

    Attributes:
        keypoint: Coordinates of shape (V, C), as the file has them.
        score: Scores of shape (V,), or None.
        track: The person's number over the frames, or None if the file has none.
    """

    keypoint: np.ndarray
    score: Optional[np.ndarray] = None
    track: Optional[int] = None


@dataclass
class Recording:
    """The poses of one recording.

    Attributes:
        frames (dict): Persons of each frame, by its number in the file, from 0.
        fps (float, optional): Frames per second, where the file says so.
        img_shape (tuple[int], optional): Height and width of the images, where the file says so.
        scale (float): Factor to metres of 3D coordinates. Defaults to 1.
        up (str): Axis that points up in 3D, see ``coordinates.turn_up``. Defaults to 'y'.
        shares (bool): Whether 2D coordinates are shares of the image's sides. Defaults to False.
        step (int): Every how many-th frame the file has, see :func:`check_frames`. Defaults to 1.
        remainder (int): What numbers of frames in the file leave, divided by ``step``. Defaults
            to 0.
        skeleton (str, optional): What the file calls its skeleton. Defaults to None.
        counts (Counter): How often something was odd, by kind; see ``convert.ODD``.
    """

    frames: Dict[int, List[Person]]
    fps: Optional[float] = None
    img_shape: Optional[Tuple[int, int]] = None
    scale: float = 1.0
    up: str = 'y'
    shares: bool = False
    step: int = 1
    remainder: int = 0
    skeleton: Optional[str] = None
    counts: CounterType[str] = field(default_factory=Counter)


def read_json(path: Path) -> Any:
    """Read a JSON file; NaN and Infinity are read as such.

    Raises:
        BrokenFile: If it cannot be read, or is not complete JSON.
    """
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except OSError as error:
        raise BrokenFile(
            f'{path} cannot be read ({error.strerror}); expected a JSON file'
        ) from None
    except (ValueError, RecursionError) as error:
        raise BrokenFile(
            f'{path} is not complete JSON ({error}); expected the poses of a recording: copy or '
            'make it again'
        ) from None


def describe(content: Any) -> str:
    """The outermost part of a JSON file in words, for messages."""
    if isinstance(content, dict):
        keys = ', '.join(map(str, list(content)[:6])) or 'no keys'
        return f'an object with {keys}' + (', ...' if len(content) > 6 else '')
    if isinstance(content, list):
        inside = f', the first {describe(content[0])}' if content else ''
        return f'a list of {len(content)} entries{inside}'
    return f'{str(content)[:40]!r}'


def take(content: Any, key: str, kind: type, where: str) -> Any:
    """An entry of a JSON object.

    Raises:
        BrokenFile: If there is none of this kind.
    """
    if not isinstance(content, dict) or key not in content:
        raise BrokenFile(f'{where} is {describe(content)}; expected an object with {key}')
    value = content[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BrokenFile(f'{where} has {key} {str(value)[:40]!r}; expected {KINDS[kind]}')
    return value


def to_numbers(values: Any, where: str) -> np.ndarray:
    """Numbers of a JSON file as float64; null becomes NaN.

    Raises:
        BrokenFile: If they are anything else, or lists of unequal lengths.
    """
    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError):
        raise BrokenFile(
            f'{where} holds {str(values)[:60]}; expected numbers, of the same length for each joint'
        ) from None


def split_triplets(values: Any, width: int, where: str) -> Person:
    """A person from x, y, (z,) score of each joint in turn.

    Raises:
        BrokenFile: If the numbers do not fill whole joints.
    """
    numbers = to_numbers(values, where)
    if numbers.ndim != 1 or not numbers.size or numbers.size % width:
        raise BrokenFile(
            f'{where} has numbers of shape {numbers.shape}; expected a list of {width} for each '
            'joint'
        )
    joints = numbers.reshape(-1, width)
    return Person(joints[:, :-1], joints[:, -1])


def number_images(names: Sequence[str]) -> Tuple[List[int], bool]:
    """Frame numbers of images, and whether their names tell them.

    'video_000000000012_keypoints' is 12, 'frame_7.jpg' 7. Where a name does not end in a number, or
    the parts before the numbers differ, the images are numbered in the order of their names.
    """
    stems = [re.sub(r'_keypoints$', '', Path(name).stem) for name in names]
    found = [re.fullmatch(r'(|.*[^\d.])(\d{1,15})', stem) for stem in stems]
    if all(found) and len({match[1] for match in found if match}) == 1:
        return [int(match[2]) for match in found if match], True
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    return [order[name] for name in names], False


def find_rate(times: Dict[int, Any], ticks: float) -> Optional[float]:
    """Frames per second, from the median time between frames; None without times.

    Args:
        times (dict): Time by frame number.
        ticks (float): Units of time in a second.
    """
    known = sorted((n, t) for n, t in times.items() if isinstance(t, (int, float)))
    if len(known) < 2:
        return None
    numbers, moments = np.array(known, dtype=float).T
    interval = float(np.median(np.diff(moments) / np.diff(numbers)))
    return ticks / interval if interval > 0 else None


def check_frames(recording: Recording, path: Path) -> Recording:
    """Check joints and frame numbers; count missing frames, empty frames and broken joints.

    Where only every k-th frame was kept, the frames are numbered anew: what was number
    ``n * step + remainder`` is n. A joint that is not finite, or absurdly far away, becomes absent
    (zero, score 0); so does a person without one.

    Raises:
        BrokenFile: If there is no person, persons have different joints, or the numbers cannot be
            those of frames.
    """
    shapes = Counter(p.keypoint.shape for persons in recording.frames.values() for p in persons)
    if not shapes:
        raise BrokenFile(
            f'{path} has no person in {len(recording.frames)} frames; expected at least one'
        )
    if len(shapes) > 1:
        found = ', '.join(f'{n} of {s[0]} joints x {s[1]}' for s, n in shapes.most_common(3))
        raise BrokenFile(
            f'{path} has persons of different joints: {found} numbers; expected one skeleton'
        )
    numbers = sorted(recording.frames)
    steps = np.diff(numbers).tolist()
    step = gcd(*steps) if len(numbers) >= SUBSAMPLED else 1
    spanned = (numbers[-1] - numbers[0]) // step + 1
    if numbers[0] < 0 or spanned > SPARSE * len(numbers):
        raise BrokenFile(
            f'{path} numbers its {len(numbers)} frames from {numbers[0]} to {numbers[-1]}; '
            'expected numbers of frames, with few missing'
        )
    counts = recording.counts
    counts['step'] += step > 1
    counts['missing'] += spanned - len(numbers)
    frames = {}
    for number in numbers:
        persons = [clean(person, counts) for person in recording.frames[number]]
        frames[number // step] = [person for person in persons if person.keypoint.any()]
        counts['empty'] += not frames[number // step]
    if not any(frames.values()):
        raise BrokenFile(
            f'{path} has no person with a joint in {len(frames)} frames; expected at least one: '
            'all coordinates are zero, or no numbers'
        )
    recording.frames, recording.step, recording.remainder = frames, step, numbers[0] % step
    return recording


def clean(person: Person, counts: CounterType[str]) -> Person:
    """Joints that are no numbers become zero, with score 0, and are counted as 'broken'."""
    broken = ~(np.abs(person.keypoint) <= FARTHEST).all(axis=1)
    score = person.score
    if score is not None:
        score = np.where(broken | ~np.isfinite(score), 0, score)
    if broken.any():
        counts['broken'] += int(broken.sum())
        return Person(np.where(broken[:, None], 0, person.keypoint), score, person.track)
    return person._replace(score=score)
