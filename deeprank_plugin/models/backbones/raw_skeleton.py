"""The coordinates themselves as features: what any trained encoder must beat."""

from typing import Optional, Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn.functional import interpolate


@MODELS.register_module()
class RawSkeleton(BaseModule):
    """A backbone without parameters that returns resampled coordinates.

    k-NN, linear probe and retrieval then work on raw coordinates by the same commands as on an
    encoder's features. The pipeline centres the sequences and crops them; the data preprocessor
    chooses the modality. The usual pooling averages the bodies and leaves the rest as it is, so
    D = frames * V * C. Features cannot be pooled in segments: they keep the order of time.

    Args:
        frames (int): Frames T' to which every sequence is resampled linearly. Defaults to 24.
        align (Sequence[int], optional): Two joints (left, right), such as the shoulders, whose
            mean direction in the horizontal plane is turned to the first axis of that plane: a
            body faces the same way in every sequence. They must have the same parent if the
            modality is bone, and motion says nothing about a body's direction. Defaults to None:
            not turned.
        up (int): The vertical axis, 0, 1 or 2. Defaults to 1, as in the NTU data.
        in_channels (int): Coordinates C of a joint. Defaults to 3.
        init_cfg (dict or list[dict], optional): Unused. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        frames: int = 24,
        align: Optional[Sequence[int]] = None,
        up: int = 1,
        in_channels: int = 3,
        init_cfg=None,
    ) -> None:
        super().__init__(init_cfg)
        if frames < 1 or up not in (0, 1, 2) or in_channels < 1:
            raise ValueError(
                f'frames={frames}, up={up}, in_channels={in_channels}; expected at least 1, one of '
                '0, 1 and 2, and at least 1'
            )
        if align is not None and (len(set(align)) != 2 or in_channels != 3):
            raise ValueError(
                f'align={align} with in_channels={in_channels}; expected two different joints of '
                '3D data, or None'
            )
        self.frames = frames
        self.align = align
        self.up = up
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) to (N, M, T' * V * C, 1, 1)."""
        batch, bodies, _, joints, channels = x.shape
        if self.align is not None:
            left, right = self.align
            x = turn_bodies(x, left, right, self.up)
        x = x.flatten(3).flatten(0, 1).transpose(1, 2)  # (N * M, V * C, T)
        x = interpolate(x, self.frames, mode='linear', align_corners=False)
        x = x.transpose(1, 2)  # (N * M, T', V * C)
        return x.reshape(batch, bodies, self.frames * joints * channels, 1, 1)


def turn_bodies(x: Tensor, left: int, right: int, up: int) -> Tensor:
    """Turn each body about the vertical axis until right to left points along the first other axis.

    Args:
        x (Tensor): Sequences of shape (..., T, V, 3).
        left (int): A joint of the left side.
        right (int): The same joint of the right side.
        up (int): Index of the vertical axis.

    Returns:
        Tensor: Of the same shape. A body whose mean direction has no horizontal part, such as an
        absent one, stays as it is.
    """
    first, second = (axis for axis in range(3) if axis != up)
    across = (x[..., left, :] - x[..., right, :]).mean(dim=-2)[..., None, None, :]
    length = torch.hypot(across[..., first], across[..., second])
    turned = length > 0
    safe = torch.where(turned, length, 1)
    cos = torch.where(turned, across[..., first] / safe, 1)
    sin = torch.where(turned, across[..., second] / safe, 0)
    result = x.clone()
    result[..., first] = cos * x[..., first] + sin * x[..., second]
    result[..., second] = cos * x[..., second] - sin * x[..., first]
    return result
