"""Random sequences of skeletons."""

import numpy as np


def sequence(frames=30, bodies=2, joints=25, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(bodies, frames, joints, channels)).astype(np.float32) + 3


def with_absent(frames=30):
    """Two bodies: joints and frames of either are missing."""
    keypoint = sequence(frames)
    keypoint[0, : frames // 3] = 0
    keypoint[0, :, 11] = 0
    keypoint[1, frames // 2 :] = 0
    keypoint[1, :, 4] = 0
    return keypoint
