"""Shear the skeleton."""

from typing import Dict

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
class RandomShear3D(BaseTransform):
    """Shear the whole clip by one random matrix, as contrastive methods do.

    Each joint x becomes A x, where A has ones on its diagonal and six shear factors from
    U(-beta, beta) off it (Rao et al., Information Sciences 2021; SkeletonCLR and AimCLR use it).
    Values that are exactly zero stay exactly zero.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, 3).

    Modified Keys:

        - keypoint

    Args:
        beta (float): Largest factor. Defaults to 0.5.

    Raises:
        ValueError: If ``beta`` is negative, or if the coordinates are not 3D.
    """

    def __init__(self, beta: float = 0.5) -> None:
        if beta < 0:
            raise ValueError(f'beta={beta} must not be negative')
        self.beta = beta

    def transform(self, results: Dict) -> Dict:
        """Shear one sequence."""
        keypoint = results['keypoint']
        if keypoint.shape[-1] != 3:
            raise ValueError(
                f'sample {results.get("frame_dir")!r} has {keypoint.shape[-1]} coordinates per '
                'joint; RandomShear3D expects 3: drop it from the pipeline of 2D data'
            )
        matrix = np.random.uniform(-self.beta, self.beta, (3, 3)).astype(np.float32)
        np.fill_diagonal(matrix, 1)
        flat = keypoint.astype(np.float32, copy=False).reshape(-1, 3)
        results['keypoint'] = (flat @ matrix.T).reshape(keypoint.shape)
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(beta={self.beta})'
