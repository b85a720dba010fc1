"""The usual augmentations of CIFAR-100, for single images."""

from typing import Dict

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform


@TRANSFORMS.register_module()
class PadCrop(BaseTransform):
    """Pad with zeros on all sides, and crop to the original size at random.

    Args:
        padding (int): Pixels on each side. Defaults to 4.
    """

    def __init__(self, padding: int = 4) -> None:
        self.padding = padding

    def transform(self, results: Dict) -> Dict:
        """Crop ``img`` of shape (H, W, C)."""
        image = results['img']
        height, width = image.shape[:2]
        top, left = np.random.randint(2 * self.padding + 1, size=2)
        sides = [(self.padding, self.padding)] * 2 + [(0, 0)]
        results['img'] = np.pad(image, sides)[top : top + height, left : left + width]
        return results


@TRANSFORMS.register_module()
class RandomHorizontalFlip(BaseTransform):
    """Mirror half of the images left to right."""

    def transform(self, results: Dict) -> Dict:
        """Flip ``img`` of shape (H, W, C), or not."""
        if np.random.rand() < 0.5:
            results['img'] = results['img'][:, ::-1]
        return results


@TRANSFORMS.register_module()
class FormatImage(BaseTransform):
    """An image in the shape of a skeleton sequence: rows as frames, columns as joints."""

    def transform(self, results: Dict) -> Dict:
        """Turn ``img`` (H, W, C) into a tensor ``imgs`` of shape (1, 1, H, W, C)."""
        image = np.ascontiguousarray(results['img'])
        results['imgs'] = torch.from_numpy(image)[None, None]
        return results
