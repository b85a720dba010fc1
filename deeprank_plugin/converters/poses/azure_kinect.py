"""Poses of an Azure Kinect, as the offline processor of Azure-Kinect-Samples writes them.

``{"joint_names": [...], "frames": [{"frame_id", "timestamp_usec", "bodies": [{"body_id",
"joint_positions": [[x, y, z], ...]}]}]}``: 32 joints in millimetres, y down, seen by the depth
camera. Captures without a depth image have no frame.
"""

from pathlib import Path
from typing import Any, Optional

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile

from .recording import Person, Recording, find_rate, take, to_numbers

LAYOUT_OF = {(32, 3): 'azure-kinect'}
NAMES = (
    'PELVIS SPINE_NAVEL SPINE_CHEST NECK CLAVICLE_LEFT SHOULDER_LEFT ELBOW_LEFT WRIST_LEFT '
    'HAND_LEFT HANDTIP_LEFT THUMB_LEFT CLAVICLE_RIGHT SHOULDER_RIGHT ELBOW_RIGHT WRIST_RIGHT '
    'HAND_RIGHT HANDTIP_RIGHT THUMB_RIGHT HIP_LEFT KNEE_LEFT ANKLE_LEFT FOOT_LEFT HIP_RIGHT '
    'KNEE_RIGHT ANKLE_RIGHT FOOT_RIGHT HEAD NOSE EYE_LEFT EAR_LEFT EYE_RIGHT EAR_RIGHT'
).split()
MILLIMETRE = 0.001


def matches(content: Any) -> bool:
    """Whether a file is of this format."""
    frames = content.get('frames') if isinstance(content, dict) else None
    first = frames[0] if isinstance(frames, list) and frames else None
    return isinstance(first, dict) and 'bodies' in first


def read(content: Any, path: Path, dims: Optional[int] = None) -> Recording:
    """Read a recording.

    Args:
        content (dict): The JSON.
        path (Path): For messages.
        dims (int, optional): Not used: the format is 3D.

    Raises:
        BrokenFile: If the joints are others, or a body has no positions.
    """
    names = content.get('joint_names')
    if names is not None and names != NAMES:
        raise BrokenFile(
            f'{path} has the joint_names {str(names)[:80]}; expected the {len(NAMES)} of the body '
            f'tracking SDK, {NAMES[0]} to {NAMES[-1]}'
        )
    frames, times = {}, {}
    for row, frame in enumerate(take(content, 'frames', list, str(path))):
        where = f'{path}, frame {row}'
        number = take(frame, 'frame_id', int, where)
        if number in frames:
            raise BrokenFile(f'{path} has frame_id {number} twice; expected each frame once')
        times[number] = frame.get('timestamp_usec')
        frames[number] = [
            Person(read_joints(body, where), track=take(body, 'body_id', int, where))
            for body in take(frame, 'bodies', list, where)
        ]
    return Recording(frames, fps=find_rate(times, 1e6), scale=MILLIMETRE, up='-y')


def read_joints(body: Any, where: str) -> np.ndarray:
    """Positions (V, 3) of the joints of a body.

    Raises:
        BrokenFile: If a joint has no three numbers.
    """
    positions = to_numbers(take(body, 'joint_positions', list, where), where)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise BrokenFile(
            f'{where} has joint_positions of shape {positions.shape}; expected x, y and z of each '
            'joint'
        )
    return positions
