"""Which layouts the joints, channels and numbers of a file fit."""

from typing import List, Optional, Sequence

import numpy as np

from .built_in import LAYOUTS
from .layout import Layout

PIXELS = 20
"""A coordinate beyond it is no length in metres."""
HIGHEST_SCORE = 2
"""Estimators of poses give scores from 0 to 1, some a little more."""


def fitting_layouts(joints: int, channels: int, scored: bool = False) -> List[Layout]:
    """The built-in layouts that take V joints of C numbers, with scores apart or without.

    Planar layouts take x, y and score; a third channel is that score, where none is stored apart.
    """
    return [
        layout
        for layout in LAYOUTS.values()
        if layout.num_joints == joints
        and (channels == 3 or (layout.planar and scored and channels == 2))
    ]


def recognise_layouts(keypoints: Sequence[np.ndarray], scored: bool = False) -> List[Layout]:
    """The built-in layouts that sequences fit by their joints, their channels and their numbers.

    Where three channels may be x, y, z or x, y, score, the numbers decide: see
    :func:`has_scores`. Several layouts are returned where they do not.

    Args:
        keypoints (Sequence[np.ndarray]): Sequences of shape (M, T, V, C) from one file.
        scored (bool): Whether scores are stored apart. Defaults to False.
    """
    joints, channels = keypoints[0].shape[2:]
    fit = fitting_layouts(joints, channels, scored)
    if channels == 3 and scored:  # then the third channel is no score
        return [layout for layout in fit if not layout.planar]
    if len({layout.planar for layout in fit}) == 2:
        scores = has_scores(keypoints)
        fit = [layout for layout in fit if scores is None or layout.planar == scores]
    return fit


def has_scores(keypoints: Sequence[np.ndarray]) -> Optional[bool]:
    """Whether the third channel of sequences (M, T, V, 3) is a score, as their numbers tell.

    It is if it is not negative, not above 2, and x or y exceed 20, so that they are pixels. It is
    not if it is negative or above 1 somewhere. None: it lies within 0 and 1 and x, y are small,
    which scores beside normalised positions do, and now and then coordinates in metres.
    """
    lowest = min(float(keypoint[..., 2].min()) for keypoint in keypoints)
    highest = max(float(keypoint[..., 2].max()) for keypoint in keypoints)
    largest = max(float(np.abs(keypoint[..., :2]).max()) for keypoint in keypoints)
    if lowest >= 0 and highest <= HIGHEST_SCORE and largest > PIXELS:
        return True
    return None if lowest >= 0 and highest <= 1 else False
