"""Move the skeleton to the origin."""

from pathlib import Path
from typing import Dict, Optional, Union

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...layouts import find_layout


def find_absent(keypoint: np.ndarray) -> np.ndarray:
    """Mask (M, T, V) of joints with all-zero coordinates, for contiguous float32 (M, T, V, C)."""
    bits = keypoint.view(np.uint32)
    seen = bits[..., 0].copy()
    for channel in range(1, bits.shape[-1]):
        seen |= bits[..., channel]
    return (seen << 1) == 0  # drop the sign: -0.0 is zero, too


@TRANSFORMS.register_module()
class CenterSkeleton(BaseTransform):
    """Subtract one joint of the first body, in the first frame that shows it, from everything.

    As in STTFormer and CTR-GCN; no rotation. Joints and bodies that are absent (all coordinates
    exactly zero) stay exactly zero. If the first body never shows that joint, the first body that
    does defines the origin; if none does, nothing moves.

    Required Keys:

        - keypoint (np.ndarray): Coordinates of shape (M, T, V, C) in metres.

    Modified Keys:

        - keypoint

    Args:
        joint (int, optional): Index of the joint. Defaults to None: the layout's.
        layout (str or dict): Joint layout, as for :func:`~deeprank_plugin.layouts.find_layout`;
            its ``origin`` is used if ``joint`` is None. Defaults to 'nturgb+d', whose origin is
            joint 1, the middle of the spine.
    """

    def __init__(
        self, joint: Optional[int] = None, layout: Union[str, Path, Dict] = 'nturgb+d'
    ) -> None:
        self.joint = find_layout(layout).origin_joint if joint is None else joint

    def transform(self, results: Dict) -> Dict:
        """Centre one sequence."""
        keypoint = np.ascontiguousarray(results['keypoint'], dtype=np.float32)
        absent = find_absent(keypoint)
        bodies, frames = np.nonzero(~absent[:, :, self.joint])
        if len(bodies):
            origin = keypoint[bodies[0], frames[0], self.joint]
            # whole rows of joints: NumPy is slow where the last axis has three entries
            rows = keypoint.reshape(*keypoint.shape[:2], -1)
            keypoint = (rows - np.tile(origin, keypoint.shape[2])).reshape(keypoint.shape)
            for body, missing in zip(keypoint, absent):
                if missing.all():
                    body[:] = 0
                elif missing.any():
                    body[missing] = 0
        results['keypoint'] = keypoint
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(joint={self.joint})'
