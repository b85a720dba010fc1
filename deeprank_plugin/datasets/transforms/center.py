"""Put the skeleton at the origin."""

from typing import Dict

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
class CenterSkeleton(BaseTransform):
    """Subtract one joint of the first body, in the first frame that has it, from everything.

    As in STTFormer and CTR-GCN; no rotation. Joints and bodies that are absent (all coordinates
    exactly zero) stay exactly zero. If the first body never shows that joint, the first body that
    does gives the origin; if none does, nothing is moved.

    Required Keys:

        - keypoint (np.ndarray): Coordinates of shape (M, T, V, C) in metres.

    Modified Keys:

        - keypoint

    Args:
        joint (int): Index of the joint. Defaults to 1, NTU's middle of the spine.
    """

    def __init__(self, joint: int = 1) -> None:
        self.joint = joint

    def transform(self, results: Dict) -> Dict:
        """Centre one sequence."""
        keypoint = np.asarray(results['keypoint'], dtype=np.float32)
        # (M, T, V); a sixth of the time of keypoint.any(axis=-1)
        present = np.logical_or.reduce([channel != 0 for channel in np.moveaxis(keypoint, -1, 0)])
        bodies, frames = np.nonzero(present[:, :, self.joint])
        if len(bodies):
            origin = keypoint[bodies[0], frames[0], self.joint]
            keypoint = keypoint - origin
            keypoint[~present] = 0
        results['keypoint'] = keypoint
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(joint={self.joint})'
