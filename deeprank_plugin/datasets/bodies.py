"""Bodies of a skeleton sequence: which are present, how much they move, how large they are."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np

MEASURED = 100  # sequences whose bodies are measured
FRAMES = 8  # frames of each


class Part(NamedTuple):
    """The part of a sequence that is read.

    Attributes:
        start: First frame that shows a body.
        stop: One after the last frame that shows a body.
        bodies: Bodies to keep, in this order; None keeps all as they are.
        shown: Number of bodies that are present in some frame.
    """

    start: int
    stop: int
    bodies: Optional[List[int]]
    shown: int


def measure_motion(points: np.ndarray) -> float:
    """Sum of the coordinates' variances over all points (..., C), in squared units."""
    return float(points.reshape(-1, points.shape[-1]).astype(np.float64).var(axis=0).sum())


def choose_part(keypoint: np.ndarray, num_person: Optional[int] = None) -> Optional[Part]:
    """The bodies and frames to read: present bodies first, without empty frames at either end.

    Bodies that are absent throughout (exactly zero) go to the end; in 2D they are left out, since
    ``PreNormalize2D`` would move them away from zero. If more than ``num_person`` bodies are
    present, those with the most motion are kept, the one that moves most first, as NTU's clean-up
    orders them; otherwise present bodies keep their order. Frames without any of these bodies are
    cut at either end; gaps in between stay.

    Args:
        keypoint (np.ndarray): Coordinates, without scores, of shape (M, T, V, C).
        num_person (int, optional): Number of bodies that the pipeline keeps. Defaults to None: all.

    Returns:
        Part, optional: None if the sequence is read as it is, or is zero throughout.
    """
    planar = keypoint.shape[-1] == 2
    if len(keypoint) <= min(1 if planar else 2, num_person or 2) and is_shown(keypoint):
        return None
    present: np.ndarray = np.any(keypoint, axis=(2, 3))  # (M, T)
    there = present.any(axis=1)
    if not there.any():
        return None
    rows = np.flatnonzero(there).tolist()
    if num_person is not None and len(rows) > num_person:
        motion = [measure_motion(keypoint[row][keypoint[row].any(axis=-1)]) for row in rows]
        order = [rows[place] for place in np.argsort(-np.array(motion), kind='stable')]
    else:
        order = rows if planar else rows + np.flatnonzero(~there).tolist()
    order = order[:num_person]
    frames = np.flatnonzero(present[order].any(axis=0))
    start, stop = int(frames[0]), int(frames[-1]) + 1
    same = order == list(range(len(keypoint)))
    if same and (start, stop) == (0, keypoint.shape[1]):
        return None
    return Part(start, stop, None if same else order, len(rows))


def is_shown(keypoint: np.ndarray) -> bool:
    """Whether four numbers suffice to see the first body in the first and in the last frame.

    Much faster than looking at all joints, and true of nearly all sequences.
    """
    return bool(
        (keypoint[0, 0, 0, 0] or keypoint[0, 0, -1, 0])
        and (keypoint[0, -1, 0, 0] or keypoint[0, -1, -1, 0])
    )


def body_size(keypoint: np.ndarray) -> float:
    """Median over bodies and frames of the longest side of the present joints' bounding box.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C); absent joints are exactly zero.

    Returns:
        float: Size in the unit of the coordinates; 0 if no frame shows two joints.
    """
    present = keypoint.any(axis=-1)  # (M, T, V)
    shown = keypoint[present.sum(axis=-1) > 1].astype(np.float64)  # (frames, V, C)
    if not len(shown):
        return 0.0
    absent = ~shown.any(axis=-1)[..., None]
    high = np.where(absent, -np.inf, shown).max(axis=1)
    low = np.where(absent, np.inf, shown).min(axis=1)
    return float(np.median((high - low).max(axis=-1)))


def median_size(keypoints: Sequence[np.ndarray]) -> float:
    """Median of :func:`body_size` over at most 100 sequences, of each a few frames; 0 if unknown.

    Args:
        keypoints (Sequence[np.ndarray]): Sequences of shape (M, T, V, C).
    """
    step = -(-len(keypoints) // MEASURED)
    parts = [k[:, :: -(-k.shape[1] // FRAMES)] for k in keypoints[:: max(step, 1)]]
    sizes = [size for size in map(body_size, parts) if size > 0]
    return float(np.median(sizes)) if sizes else 0.0
