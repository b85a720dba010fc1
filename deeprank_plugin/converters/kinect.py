"""Conversion of Kinect v1's 20 joints to the 25 of Kinect v2, which NTU RGB+D uses."""

import numpy as np

from deeprank_plugin.layouts import KINECT_V1, NTU

NECK_SHARE = 0.35  # of the way from the shoulder centre to the head
# Kinect v1 (SDK 1) numbers its 20 joints like the first 20 of Kinect v2, except for number 2: the
# shoulder centre in v1, which is number 20 in v2, where number 2 is the neck.
SHOULDERS, HEAD = KINECT_V1.names.index('shoulder_center'), KINECT_V1.names.index('head')
TIPS_AND_THUMBS = (
    ('left_hand', ('left_hand_tip', 'left_thumb')),
    ('right_hand', ('right_hand_tip', 'right_thumb')),
)
COPIES = {
    NTU.names.index(copy): KINECT_V1.names.index(hand)
    for hand, copies in TIPS_AND_THUMBS
    for copy in copies
}


def kinect_v1_to_ntu(keypoint: np.ndarray) -> np.ndarray:
    """Convert the 20 joints of Kinect v1 to the 25 of Kinect v2, which NTU RGB+D uses.

    The 20 joints are in the order of Kinect SDK 1: hip centre, spine, shoulder centre, head;
    shoulder, elbow, wrist, hand of the left, then of the right; hip, knee, ankle, foot of the left,
    then of the right. The neck lies 0.35 of the way from the shoulder centre to the head; hand tips
    and thumbs copy their hand. A joint derived from an absent one (exactly zero) is absent.

    Args:
        keypoint (np.ndarray): Coordinates of shape (..., 20, 3).

    Returns:
        np.ndarray: Coordinates of shape (..., 25, 3), same unit, at least float32.

    Raises:
        ValueError: If the shape is different.
    """
    if keypoint.ndim < 2 or keypoint.shape[-2:] != (20, 3):
        raise ValueError(
            f"coordinates of shape {keypoint.shape}; expected (..., 20, 3) of layout 'kinect-v1'"
        )
    dtype = np.result_type(keypoint, np.float32)
    ntu = np.zeros((*keypoint.shape[:-2], NTU.num_joints, 3), dtype=dtype)
    ntu[..., : KINECT_V1.num_joints, :] = keypoint
    centre, head = keypoint[..., SHOULDERS, :], keypoint[..., HEAD, :]
    there = centre.any(axis=-1, keepdims=True) & head.any(axis=-1, keepdims=True)
    neck = np.where(there, centre + NECK_SHARE * (head - centre), 0)
    ntu[..., NTU.names.index('neck'), :] = neck
    ntu[..., NTU.names.index('spine_shoulder'), :] = centre
    for joint, hand in COPIES.items():
        ntu[..., joint, :] = keypoint[..., hand, :]
    return ntu
