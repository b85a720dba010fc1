"""Noise, missing joints and exchanged sides: a student's view is harder than the plain one."""

from pathlib import Path
from typing import Dict, Union

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...layouts import find_layout


@TRANSFORMS.register_module()
class JointNoise(BaseTransform):
    """Add Gaussian noise to every coordinate, drawn anew for each frame and joint.

    Joints and bodies that are absent (all coordinates exactly zero) stay exactly zero.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).

    Modified Keys:

        - keypoint

    Args:
        std (float): Standard deviation in the unit of the coordinates: metres in 3D, half the size
            of the image after ``PreNormalize2D``. Defaults to 0.01.

    Raises:
        ValueError: If ``std`` is negative.
    """

    def __init__(self, std: float = 0.01) -> None:
        if std < 0:
            raise ValueError(f'std={std} must not be negative')
        self.std = std

    def transform(self, results: Dict) -> Dict:
        """Disturb one sequence."""
        keypoint = results['keypoint'].astype(np.float32, copy=False)
        noise = np.random.normal(scale=self.std, size=keypoint.shape).astype(np.float32)
        present = (keypoint != 0).any(axis=-1, keepdims=True)
        results['keypoint'] = keypoint + noise * present
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(std={self.std})'


@TRANSFORMS.register_module()
class JointMask(BaseTransform):
    """Set joints to zero in all frames and bodies of the clip, as if no sensor had seen them.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint
        - keypoint_score (optional)

    Args:
        share (float): Probability of each joint to be masked. Defaults to 0.15.

    Raises:
        ValueError: If ``share`` is not within [0, 1).
    """

    def __init__(self, share: float = 0.15) -> None:
        if not 0 <= share < 1:
            raise ValueError(f'share={share} must be within [0, 1)')
        self.share = share

    def transform(self, results: Dict) -> Dict:
        """Mask joints of one sequence."""
        kept = np.random.uniform(size=results['keypoint'].shape[2]) >= self.share  # (V,)
        results['keypoint'] = results['keypoint'] * kept[:, None]
        if 'keypoint_score' in results:
            results['keypoint_score'] = results['keypoint_score'] * kept
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(share={self.share})'


@TRANSFORMS.register_module()
class RandomSwapSides(BaseTransform):
    """Exchange the joints of the left and the right of the body, the spatial flip of AimCLR.

    Where the side is part of the class (exercises of one arm), this makes two classes alike.

    Required Keys:

        - keypoint (np.ndarray): Of shape (M, T, V, C).
        - keypoint_score (np.ndarray, optional): Of shape (M, T, V).

    Modified Keys:

        - keypoint
        - keypoint_score (optional)

    Args:
        prob (float): Probability. Defaults to 0.5.
        layout (str or dict): Joint layout, as for :func:`~deeprank_plugin.layouts.find_layout`; its
            ``mirrored`` joints are exchanged. Defaults to 'nturgb+d'.

    Raises:
        ValueError: If ``prob`` is not within [0, 1], or the layout has no sides.
    """

    def __init__(self, prob: float = 0.5, layout: Union[str, Path, Dict] = 'nturgb+d') -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob={prob} must be within [0, 1]')
        self.prob = prob
        self.mirrored = find_layout(layout).mirrored

    def transform(self, results: Dict) -> Dict:
        """Exchange the sides of one sequence, or leave it as it is."""
        if np.random.uniform() < self.prob:
            for key in ('keypoint', 'keypoint_score'):
                if key in results:
                    results[key] = results[key][:, :, self.mirrored]
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(prob={self.prob})'
