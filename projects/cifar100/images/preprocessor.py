"""Stacks images into batches and normalises them on the device."""

from typing import List, Sequence, Tuple

import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.registry import MODELS
from torch import Tensor

MEAN = (129.3, 124.1, 112.4)  # of CIFAR-100's training images, by channel, in 0 ... 255
STD = (68.2, 65.4, 70.4)


@MODELS.register_module()
class ImagePreprocessor(ActionDataPreprocessor):
    """Stacks images and normalises them.

    Args:
        modality (str): 'joint', which stands for the image itself: the tools name streams by
            skeleton modalities. Defaults to 'joint'.
        width (int): Columns of an image. Defaults to 32.
        mean (Sequence[float]), std (Sequence[float]): By channel, of values in 0 ... 255. Defaults
            to those of CIFAR-100's training images.

    Raises:
        ValueError: If the modality is not 'joint', or an image has the wrong shape.
    """

    def __init__(
        self,
        modality: str = 'joint',
        width: int = 32,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        super().__init__()
        if modality != 'joint':
            raise ValueError(
                f"modality={modality!r}: an image has neither bones nor motion; expected 'joint'"
            )
        self.modality = modality
        self.num_joints = width
        self.register_buffer('shift', torch.tensor(mean), persistent=False)
        self.register_buffer('scale', torch.tensor(std), persistent=False)

    def preprocess(self, inputs: List[Tensor], data_samples, training: bool = False) -> Tuple:
        """Stack B images (1, 1, H, W, C) to (B, 1, 1, H, W, C), with mean 0 and deviation 1."""
        for image, sample in zip(inputs, data_samples):
            if image.shape[-2:] != (self.num_joints, len(self.shift)):
                raise ValueError(
                    f'image {sample.metainfo.get("frame_dir")!r} has shape {tuple(image.shape)}; '
                    f'expected (1, 1, H, {self.num_joints}, {len(self.shift)})'
                )
        return (torch.stack(inputs).float() - self.shift) / self.scale, data_samples
