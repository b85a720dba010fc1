"""Strong student views of a whole batch on the device."""

from typing import NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ..layouts import Layout
from .batch_augmentation import apply_matrices
from .utils import to_device


class DistortionParameters(NamedTuple):
    """Random distortions of B clips.

    Attributes:
        swapped: Whether left and right are exchanged, of shape (B,).
        shears: Shear matrices of shape (B, 3, 3).
        noise: What is added to the coordinates, of shape (B, 1, M, T, V, dims), dims at most C.
        kept: Joints that are not masked, of shape (B, V).
    """

    swapped: Tensor
    shears: Tensor
    noise: Tensor
    kept: Tensor


class BatchDistortion:
    """``RandomSwapSides``, ``RandomShear3D``, ``JointNoise`` and ``JointMask`` for a whole batch.

    Computes what these transforms compute in this order, with the same distributions. Random
    numbers come from PyTorch's CPU generator, as in :class:`BatchCropResizeRotate`.

    Args:
        layout (Layout): The joints; in 2D layouts a third channel is a score and gets no noise.
            A shear needs three channels, x, y and z.
        shear (float): Largest shear factor. Defaults to 0.0.
        noise (float): Standard deviation of the noise. Defaults to 0.0.
        mask (float): Probability of each joint to be masked. Defaults to 0.0.
        swap (float): Probability that left and right are exchanged. Defaults to 0.0.

    Raises:
        ValueError: If an argument is out of range, 2D data are to be sheared, or the sides of a
            layout without any are to be exchanged.
    """

    def __init__(
        self,
        layout: Layout,
        shear: float = 0.0,
        noise: float = 0.0,
        mask: float = 0.0,
        swap: float = 0.0,
    ) -> None:
        if min(shear, noise, mask, swap) < 0 or mask >= 1 or swap > 1:
            raise ValueError(
                f'shear={shear} and noise={noise} must be at least 0, mask={mask} within [0, 1) '
                f'and swap={swap} within [0, 1]'
            )
        if layout.planar and shear:
            raise ValueError(
                f'shear={shear} for layout {layout.name!r}, which is 2D, its third channel a '
                'score; expected no shear: set shear=0'
            )
        self.dims = 2 if layout.planar else 3
        self.mirrored: Optional[Sequence[int]] = layout.mirrored if swap else None
        self.shear, self.noise, self.mask, self.swap = shear, noise, mask, swap

    def sample_parameters(self, shape: Sequence[int]) -> DistortionParameters:
        """Draw distortions for clips of shape (B, 1, M, T, V, C)."""
        batch, joints = shape[0], shape[-2]
        shears = (2 * torch.rand(batch, 3, 3) - 1) * self.shear
        shears.diagonal(dim1=1, dim2=2).fill_(1)
        noise = torch.zeros(())
        if self.noise:
            noise = torch.randn(*shape[:-1], min(self.dims, shape[-1])) * self.noise
        kept = torch.rand(batch, joints) >= self.mask
        return DistortionParameters(torch.rand(batch) < self.swap, shears, noise, kept)

    def __call__(self, clips: Tensor) -> Tensor:
        """Draw and apply."""
        return self.apply(clips, self.sample_parameters(clips.shape))

    def apply(self, clips: Tensor, draws: DistortionParameters) -> Tensor:
        """Distort clips (B, 1, M, T, V, C) with given parameters; the shape stays the same."""
        swapped, shears, noise, kept = (to_device(part, clips.device) for part in draws)
        if self.mirrored is not None:
            order = to_device(torch.tensor(self.mirrored), clips.device)  # a list would wait
            mirror = clips[..., order, :]
            clips = torch.where(swapped[:, None, None, None, None, None], mirror, clips)
        if self.shear:
            clips = apply_matrices(clips, shears.to(clips))
        if self.noise:
            points = clips[..., : self.dims]
            present = (points != 0).any(dim=-1, keepdim=True)
            points = points + noise.to(clips) * present
            clips = torch.cat([points, clips[..., self.dims :]], dim=-1)
        return clips * kept[:, None, None, None, :, None]
