"""Who is who over the frames: by track ids, else by the distance between poses."""

import warnings
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from deeprank_plugin.converters.batch import BrokenFile

from .recording import Person, Recording

LINKS = ('auto', 'id', 'distance')
FAR = 1e6  # cost of a link that is not allowed


def track(
    recording: Recording,
    path: Path,
    link: str = 'auto',
    max_gap: int = 10,
    max_distance: float = 0.5,
) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Arrange the persons of all frames as arrays, each person in one row.

    Rows are in the order in which persons appear; absent frames are zero. Counts of the recording
    gain 'ids' where ids are not usable, and 'swaps' (see :func:`count_swaps`).

    Args:
        recording (Recording): Checked frames.
        path (Path): For messages.
        link (str): 'id' takes the file's track ids, 'distance' compares poses, 'auto' takes ids
            where every person has one, unique in the frame. Defaults to 'auto'.
        max_gap (int): Frames that a person may be absent and still be linked by distance.
            Defaults to 10.
        max_distance (float): Largest mean distance of the joints between two linked poses, in
            diagonals of the body's bounding box. Defaults to 0.5.

    Returns:
        tuple: Coordinates of shape (M, T, V, C), from the first frame to the last, and scores of
        shape (M, T, V), None where the file has none.

    Raises:
        BrokenFile: If ``link`` is 'id' and the ids are missing or not unique in a frame.
    """
    frames = recording.frames
    ids = [[person.track for person in persons] for persons in frames.values()]
    known = [i for row in ids for i in row if i is not None]
    usable = all(None not in row and len(set(row)) == len(row) for row in ids)
    if link == 'id' and not usable:
        raise BrokenFile(
            f'{path} has persons without a track id, or an id twice in a frame; expected one id '
            'for each: run a tracker, or use --link distance'
        )
    recording.counts['ids'] += bool(known) and not usable and link == 'auto'
    if usable and known and link != 'distance':
        keypoint, score = arrange(frames, ids)
        recording.counts['swaps'] += count_swaps(keypoint, max_distance)
        return keypoint, score
    return arrange(frames, link_frames(frames, max_gap, max_distance))


def arrange(
    frames: Dict[int, List[Person]], ids: Sequence[Sequence[Optional[int]]]
) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Arrays of the persons, given the id of each in each frame; see :func:`track`."""
    rows: Dict[Optional[int], int] = {}
    for present in ids:
        for number in present:
            rows.setdefault(number, len(rows))
    first, length = min(frames), max(frames) - min(frames) + 1
    person = next(person for persons in frames.values() for person in persons)
    keypoint = np.zeros((len(rows), length, *person.keypoint.shape))
    score = None if person.score is None else np.zeros(keypoint.shape[:3])
    for (number, persons), present in zip(frames.items(), ids):
        for person, i in zip(persons, present):
            keypoint[rows[i], number - first] = person.keypoint
            if score is not None and person.score is not None:
                score[rows[i], number - first] = person.score
    return keypoint, score


def link_frames(
    frames: Dict[int, List[Person]], max_gap: int, max_distance: float
) -> List[List[Optional[int]]]:
    """An id for each person in each frame, by the assignment of least total distance.

    Persons of a frame are assigned to those seen at most ``max_gap`` frames ago; who is farther
    than ``max_distance`` from everyone left begins a new track. See :func:`track`.
    """
    last: Dict[int, Tuple[int, np.ndarray]] = {}  # id to frame and pose
    ids, count = [], 0
    for number, persons in frames.items():
        present: List[Optional[int]] = [None] * len(persons)
        alive = [i for i, (frame, _) in last.items() if number - frame <= max_gap + 1]
        if alive and persons:
            before = np.stack([last[i][1] for i in alive])
            cost = pose_distances(before, np.stack([person.keypoint for person in persons]))
            allowed = cost <= max_distance
            for old, new in zip(*linear_sum_assignment(np.where(allowed, cost, FAR))):
                present[new] = alive[old] if allowed[old, new] else None
        for place, person in enumerate(persons):
            if present[place] is None:
                present[place], count = count, count + 1
            last[present[place] or 0] = number, person.keypoint
        ids.append(present)
    return ids


def pose_distances(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Mean distance of the joints that both poses show, in diagonals of the earlier body.

    Args:
        before (np.ndarray): Poses of shape (P, V, C), absent joints zero.
        after (np.ndarray): Poses of shape (Q, V, C).

    Returns:
        np.ndarray: Shape (P, Q). Where no joint is in both, the distance of the centres.
    """
    first, second = (np.where(p.any(-1, keepdims=True), p, np.nan) for p in (before, after))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of poses that share no joint
        size = np.linalg.norm(np.nanmax(first, 1) - np.nanmin(first, 1), axis=-1)  # (P,)
        apart = np.linalg.norm(first[:, None] - second[None], axis=-1)  # (P, Q, V)
        joints = np.nanmean(apart, axis=-1)
        centres = np.nanmean(first, 1)[:, None] - np.nanmean(second, 1)[None]
    distance = np.where(np.isnan(joints), np.linalg.norm(centres, axis=-1), joints)
    return np.asarray(distance / np.maximum(size, np.finfo(float).tiny)[:, None])


def count_swaps(keypoint: np.ndarray, max_distance: float) -> int:
    """Frames in which two tracks seem to have exchanged their persons.

    That is, from one frame to the next another assignment is less than half as far in sum, and a
    track jumps by more than ``max_distance``.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C).
        max_distance (float): As in :func:`track`.
    """
    there = np.asarray(keypoint.any(axis=(2, 3)))  # (M, T)
    both = there[:, :-1] & there[:, 1:]
    swaps = 0
    for frame in np.flatnonzero(both.sum(axis=0) > 1):
        rows = np.flatnonzero(both[:, frame])
        cost = pose_distances(keypoint[rows, frame], keypoint[rows, frame + 1])
        stay = np.diagonal(cost)
        if stay.max() > max_distance:
            best = cost[linear_sum_assignment(cost)].sum()
            swaps += bool(best < stay.sum() / 2)
    return swaps


def keep_longest(
    keypoint: np.ndarray, score: Optional[np.ndarray], number: int
) -> Tuple[np.ndarray, Optional[np.ndarray], int]:
    """The persons seen in most frames, in their order, without those never seen.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C).
        score (np.ndarray, optional): Scores of shape (M, T, V).
        number (int): Persons to keep at most.

    Returns:
        tuple: Coordinates, scores, and how many persons were left out.
    """
    seen = keypoint.any(axis=(2, 3)).sum(axis=1)  # (M,)
    order = np.argsort(-seen, kind='stable')
    kept = np.sort(order[:number][seen[order[:number]] > 0])
    left_out = int((seen > 0).sum()) - len(kept)
    return keypoint[kept], None if score is None else score[kept], left_out
