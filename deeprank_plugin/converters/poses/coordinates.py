"""Axes and frame rates of pose recordings."""

from typing import Optional, Tuple

import numpy as np

from deeprank_plugin.datasets.reading import TURNS

MIRRORED = {'z mirrored': ((0, 2, 1), (1, 1, 1))}
"""What MMPose's 3D inferencer does to the axes, undone: left and right are right again."""

MOMENT = 1e-6  # of a frame: closer than this is the frame itself


def turn_up(keypoint: np.ndarray, up: str) -> np.ndarray:
    """Rotate 3D coordinates (..., 3) so that y points up, as in NTU RGB+D; absent joints stay zero.

    Args:
        keypoint (np.ndarray): Coordinates of shape (..., 3).
        up (str): The axis that points up in them, a key of :data:`TURNS` or :data:`MIRRORED`.
    """
    order, signs = {**TURNS, **MIRRORED}[up]
    return keypoint[..., order] * np.array(signs, dtype=keypoint.dtype)


def resample(
    keypoint: np.ndarray, score: Optional[np.ndarray], fps: float, to_fps: float
) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Interpolate linearly to another frame rate, only between frames that show the joint.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C), absent joints zero.
        score (np.ndarray, optional): Scores of shape (M, T, V).
        fps (float): Their frame rate, in frames per second.
        to_fps (float): The frame rate to get.

    Returns:
        tuple: Coordinates (M, T', V, C) and scores (M, T', V), or None. The first frame is kept.
    """
    frames = keypoint.shape[1]
    number = int((frames - 1) * to_fps / fps + MOMENT) + 1
    place = np.minimum(np.arange(number) * (fps / to_fps), frames - 1)  # in frames
    before = np.floor(place + MOMENT).astype(int)
    weight = np.where(place - before < MOMENT, 0, place - before)[:, None]  # (T', 1)
    after = np.minimum(before + 1, frames - 1)
    there = np.asarray(keypoint.any(axis=-1))  # (M, T, V)
    valid = there[:, before] & ((weight == 0) | there[:, after])  # (M, T', V)
    mixed = (1 - weight)[..., None] * keypoint[:, before] + weight[..., None] * keypoint[:, after]
    keypoint = np.where(valid[..., None], mixed, 0)
    if score is not None:
        score = np.where(valid, (1 - weight) * score[:, before] + weight * score[:, after], 0)
    return keypoint, score
