"""Select the bodies and frames of a file to keep.

Bodies are distinguished by their ids:

- Bodies of at most 11 frames are dropped, then those that are noisy in a share of at least 0.69754
  of their frames; a frame is noisy if the body is wider than 0.8 of its height.
- The last body is never dropped, since the published splits hold every sample that is not listed as
  having missing skeletons: if all are short, the longest stays; if all are noisy, the least noisy.
  Much of what the filter catches is, after all, a lone performer lying down.
- At most two bodies stay, the one with the most motion first. Where the camera lost a performer and
  found them again under another id, ``join`` merges a body into one with more motion, if they share
  no frame.
- Frames without a remaining body are dropped, along with the time that passed in them: resizing in
  time would blend a body with zeros, that is, shrink it to the origin. A body that is absent from
  some frames while the other is present is exactly zero in them.

Source of the thresholds: the clean-up introduced by SGN and adopted by CTR-GCN and STTFormer.
"""

from pathlib import Path
from typing import List, Sequence, Set, Tuple, Union

import numpy as np

from deeprank_plugin.converters.text import read_lines
from deeprank_plugin.datasets.bodies import measure_motion as measure_points

from .skeleton_file import COORDINATES, EXPECTED, JOINTS, Body, read_bodies

SHORT = 11  # frames
WIDE = 0.8  # of its height
NOISY_SHARE = 0.69754
MOST_BODIES = 2

Note = Tuple[str, str]  # kind of omission, and a sentence


def read_sequence(path: Union[str, Path], join: bool = False) -> np.ndarray:
    """Read a ``.skeleton`` file of any name, cleaned up as the module's docstring describes.

    Args:
        path (str): The file.
        join (bool): Whether to merge a body found again under another id. Defaults to False.

    Returns:
        np.ndarray: Float32 of shape (M, T, 25, 3), M 1 or 2, metres.

    Raises:
        BrokenFile: If the file does not match the format in ``skeleton_file.py``.
    """
    bodies, num_frames = read_bodies(read_lines(path, EXPECTED), str(path))
    return clean_bodies(bodies, num_frames, join)[0]


def measure_motion(body: Body) -> float:
    """Sum of the coordinates' variances over frames and joints, in square metres."""
    return measure_points(body.joints)


def measure_noise(body: Body) -> float:
    """Share of the frames in which a body is wider than 0.8 of its height."""
    width, height, _ = np.ptp(body.joints.astype(np.float64), axis=1).T
    return float((width > WIDE * height).mean())


def clean_bodies(
    bodies: Sequence[Body], num_frames: int, join: bool = False
) -> Tuple[np.ndarray, List[Note]]:
    """Select, order and align bodies as the module's docstring describes.

    Args:
        bodies (Sequence[Body]): At least one, each with at least one frame.
        num_frames (int): Number of frames in the file.
        join (bool): Whether to merge a body found again under another id. Defaults to False.

    Returns:
        tuple: Float32 of shape (M, T, 25, 3), M 1 or 2, and notes on what was dropped, or kept
        although short or noisy: pairs of a kind and a sentence.
    """
    notes: List[Note] = []
    short = {body.number for body in bodies if len(body.frames) <= SHORT}
    # ties are broken by motion, then by order
    longest = max(bodies, key=lambda body: (len(body.frames), measure_motion(body)))
    kept, found = drop_bodies(
        bodies, short, longest, 'short body', lambda b: f'{len(b.frames)} frames'
    )
    notes += found
    noisy = {body.number for body in kept if measure_noise(body) >= NOISY_SHARE}
    calmest = max(kept, key=lambda body: (-measure_noise(body), measure_motion(body)))
    kept, found = drop_bodies(
        kept,
        noisy,
        calmest,
        'noisy body',
        lambda b: f'noisy in {measure_noise(b):.1%} of its frames',
    )
    notes += found
    persons: List[List[Body]] = []
    for body in sorted(kept, key=lambda body: -measure_motion(body)):
        free = [p for p in persons if join and not shares_frame(p, body)]
        if free:
            free[0].append(body)
            notes.append(('joined body', f'body {body.number} continues body {free[0][0].number}'))
        elif len(persons) < MOST_BODIES:
            persons.append([body])
        else:
            notes.append(('further body', f'body {body.number}: two others have more motion'))
    keypoint = np.zeros((len(persons), num_frames, JOINTS, COORDINATES), np.float32)
    for person, parts in zip(keypoint, persons):
        for body in parts:
            person[body.frames] = body.joints
    there = keypoint.any(axis=(0, 2, 3))
    if not there.all():
        notes.append(('empty frames', f'{(~there).sum()} of {num_frames} frames without a body'))
    return np.ascontiguousarray(keypoint[:, there]), notes


def drop_bodies(
    bodies: Sequence[Body], bad: Set[str], best: Body, kind: str, reason
) -> Tuple[List[Body], List[Note]]:
    """Drop bad bodies, but keep the best one if all are bad; with notes."""
    kept = [body for body in bodies if body.number not in bad] or [best]
    numbers = {body.number for body in kept}
    notes = [
        (kind, f'body {body.number}: {reason(body)}')
        for body in bodies
        if body.number not in numbers
    ]
    if best.number in bad and best.number in numbers:
        sentence = f'body {best.number}, for lack of a better one: {reason(best)}'
        notes.append((f'kept {kind}', sentence))
    return kept, notes


def shares_frame(parts: Sequence[Body], body: Body) -> bool:
    """Whether a body appears in a frame of one of the parts."""
    return any(np.intersect1d(part.frames, body.frames).size for part in parts)
