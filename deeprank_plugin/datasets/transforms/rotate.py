"""Rotate the skeleton."""

from typing import Dict

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


def rotation_matrix(angles: np.ndarray) -> np.ndarray:
    """R = Rz · Ry · Rx, float32, of shape (3, 3), for angles about x, y and z in radians.

    SciPy's ``Rotation.from_euler('xyz', angles)`` is the same rotation, but computed through
    quaternions: the last digits would differ from earlier runs.
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


@TRANSFORMS.register_module()
class RandomRotate3D(BaseTransform):
    """Rotate the whole clip about the origin by one random rotation.

    The angles about x, y and z are drawn from U(-angle, angle); R = Rz · Ry · Rx. Values that are
    exactly zero stay exactly zero.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, 3).

    Modified Keys:

        - keypoint

    Args:
        angle (float): Largest angle in radians. Defaults to 0.3.

    Raises:
        ValueError: If ``angle`` is negative, or if the coordinates are not 3D.
    """

    def __init__(self, angle: float = 0.3) -> None:
        if angle < 0:
            raise ValueError(f'angle={angle} must not be negative')
        self.angle = angle

    def transform(self, results: Dict) -> Dict:
        """Rotate one sequence."""
        keypoint = results['keypoint']
        if keypoint.shape[-1] != 3:
            raise ValueError(
                f'sample {results.get("frame_dir")!r} has {keypoint.shape[-1]} coordinates per '
                'joint; RandomRotate3D expects 3: drop it from the pipeline of 2D data'
            )
        rotation = rotation_matrix(np.random.uniform(-self.angle, self.angle, 3))
        flat = keypoint.astype(np.float32, copy=False).reshape(-1, 3)
        results['keypoint'] = (flat @ rotation.T).reshape(keypoint.shape)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(angle={self.angle})'
