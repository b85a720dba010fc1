"""Which bodies of a file stay, and which frames.

Of bodies as their ids tell them apart:

- Bodies of at most 11 frames are dropped, then those that are noisy in a share of at least 0.69754
  of their frames; a frame is noisy if the body is wider than 0.8 of its height.
- The last body is never dropped, since the published splits hold every sample that is not listed as
  having missing skeletons: if all are short the longest stays, if all are noisy the least noisy.
  Much of what is filtered is a lone performer who lies down, after all.
- At most two bodies stay, the one of the most motion first. Where the camera lost a performer and
  found the same one under another id, ``join`` lets a body go on in one that has more motion, if
  they share no frame.
- Frames that are left without a body are dropped, and so is time that passed in them: a resize in
  time would blend a body with zeros, that is, shrink it to the origin. A body that is absent from
  some frames while the other is there is exactly zero in them.

Source of the thresholds: the clean-up that SGN introduced and CTR-GCN and STTFormer took over.
"""

from pathlib import Path
from typing import List, Sequence, Set, Tuple, Union

import numpy as np

from deeprank_plugin.converters.text import read_lines

from .skeleton_file import COORDINATES, EXPECTED, JOINTS, Body, read_bodies

SHORT = 11  # frames
WIDE = 0.8  # of its height
NOISY_SHARE = 0.69754
MOST_BODIES = 2

Note = Tuple[str, str]  # kind of what was left out, and a sentence


def read_sequence(path: Union[str, Path], join: bool = False) -> np.ndarray:
    """Coordinates in a ``.skeleton`` file of any name, cleaned up as the module's docstring says.

    Args:
        path (str): The file.
        join (bool): Whether a body may go on under another id. Defaults to False.

    Returns:
        np.ndarray: Float32 of shape (M, T, 25, 3), M 1 or 2, metres.

    Raises:
        BrokenFile: If the file is not as ``skeleton_file.py`` says.
    """
    bodies, num_frames = read_bodies(read_lines(path, EXPECTED), str(path))
    return clean_bodies(bodies, num_frames, join)[0]


def measure_motion(body: Body) -> float:
    """Sum of the coordinates' variances over frames and joints, square metres."""
    return float(body.joints.reshape(-1, COORDINATES).astype(np.float64).var(axis=0).sum())


def measure_noise(body: Body) -> float:
    """Share of the frames in which a body is wider than 0.8 of its height."""
    width, height, _ = np.ptp(body.joints.astype(np.float64), axis=1).T
    return float((width > WIDE * height).mean())


def clean_bodies(
    bodies: Sequence[Body], num_frames: int, join: bool = False
) -> Tuple[np.ndarray, List[Note]]:
    """Choose, order and align bodies as the module's docstring says.

    Args:
        bodies (Sequence[Body]): At least one, none of them without a frame.
        num_frames (int): Of the file.
        join (bool): Whether a body may go on under another id. Defaults to False.

    Returns:
        tuple: Float32 of shape (M, T, 25, 3), M 1 or 2, and what was left out or kept
        nevertheless: pairs of a kind and a sentence.
    """
    notes: List[Note] = []
    short = {body.number for body in bodies if len(body.frames) <= SHORT}
    # the most motion decides among equals; max() takes the first of those
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
            notes.append(('joined body', f'body {body.number} goes on for {free[0][0].number}'))
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
    """Bodies without the bad ones, or the best one if all are bad; and notes on it."""
    kept = [body for body in bodies if body.number not in bad] or [best]
    numbers = {body.number for body in kept}
    notes = [
        (kind, f'body {body.number}: {reason(body)}')
        for body in bodies
        if body.number not in numbers
    ]
    if best.number in bad and best.number in numbers:
        sentence = f'body {best.number}, since there is no better one: {reason(best)}'
        notes.append((f'kept {kind}', sentence))
    return kept, notes


def shares_frame(parts: Sequence[Body], body: Body) -> bool:
    """Whether a body is in a frame of one of others."""
    return any(np.intersect1d(part.frames, body.frames).size for part in parts)
