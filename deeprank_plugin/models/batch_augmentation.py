"""Crop, resize and rotation of a whole batch on the device."""

from typing import List, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ..datasets.transforms.crop_resize import count_least_frames
from .utils import to_device


class AugmentationParameters(NamedTuple):
    """Random crops and rotations of B sequences.

    Attributes:
        starts: First frame of each crop, of shape (B,), int64.
        lengths: Number of frames of each crop, of shape (B,), int64.
        angles: Angles about x, y and z in radians, of shape (B, 3).
    """

    starts: Tensor
    lengths: Tensor
    angles: Tensor


class BatchCropResizeRotate:
    """``CropResize`` and ``RandomRotate3D`` for all sequences of a batch at once.

    Computes what these transforms compute, with the same distributions, on the sequences' device
    and without a loop over samples. Random numbers come from PyTorch's CPU generator, which
    ``EpochSeedHook`` seeds by seed, epoch and rank, so a resumed run draws the same numbers as an
    uninterrupted one.

    Args:
        p_interval (Sequence[float]): Range of the share of frames kept. Defaults to (0.5, 1.0).
        clip_len (int): Frames of the output. Defaults to 120.
        min_frames (int, optional): Minimum number of frames in a crop, if the sequence has as many.
            Defaults to None: 64, unless ``min_share`` is given.
        angle (float): Largest angle in radians; 0 for 2D data, with or without a score. Defaults to
            0.3.
        min_share (float, optional): ``min_frames`` as a share of ``clip_len``. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        p_interval: Sequence[float] = (0.5, 1.0),
        clip_len: int = 120,
        min_frames: Optional[int] = None,
        angle: float = 0.3,
        min_share: Optional[float] = None,
    ) -> None:
        if len(p_interval) != 2 or not 0 < p_interval[0] <= p_interval[1] <= 1:
            raise ValueError(f'p_interval={p_interval} must be (low, high) within (0, 1]')
        if angle < 0:
            raise ValueError(f'angle={angle} must be at least 0')
        self.low, self.high = p_interval
        self.clip_len = clip_len
        self.min_frames = count_least_frames(clip_len, min_frames, min_share)
        self.angle = angle

    def sample_parameters(self, frames: Sequence[int]) -> AugmentationParameters:
        """Draw crops and rotations for sequences with these numbers of frames."""
        total = torch.tensor(frames)
        shares, places = torch.rand(2, len(total), dtype=torch.float64)
        shares = self.low + (self.high - self.low) * shares
        lengths = (total * shares).long().clamp(min=self.min_frames).minimum(total)
        starts = (places * (total - lengths + 1)).long()
        angles = (2 * torch.rand(len(total), 3, dtype=torch.float64) - 1) * self.angle
        return AugmentationParameters(starts, lengths, angles)

    def __call__(self, sequences: List[Tensor]) -> Tensor:
        """Draw and apply: B sequences (1, M, T_i, V, C) to (B, 1, M, clip_len, V, C)."""
        return self.apply(sequences, self.sample_parameters([s.shape[2] for s in sequences]))

    def middle(self, sequences: List[Tensor], share: float) -> Tensor:
        """The plain views that ``CropResize(p_interval=(share,))`` gives, without rotation."""
        total = torch.tensor([sequence.shape[2] for sequence in sequences])
        starts = ((1 - share) * total.double() / 2).long()
        draws = AugmentationParameters(starts, total - 2 * starts, torch.zeros(len(total), 3))
        return self.apply(sequences, draws)

    def apply(self, sequences: List[Tensor], draws: AugmentationParameters) -> Tensor:
        """Crop, resize and rotate with given parameters.

        Args:
            sequences (list[Tensor]): B sequences of shape (1, M, T_i, V, C), with the same M, V and
                C; C is 3 unless ``angle`` is 0.
            draws (AugmentationParameters): Crop and angles of each sequence.

        Returns:
            Tensor: Of shape (B, 1, M, clip_len, V, C), in at least float32.
        """
        device = sequences[0].device
        dtype = torch.promote_types(sequences[0].dtype, torch.float32)
        frames = torch.cat([sequence[0].transpose(0, 1) for sequence in sequences])  # (sum T, ...)
        counts = torch.tensor([sequence.shape[2] for sequence in sequences])
        first = (counts.cumsum(0) - counts + draws.starts)[:, None]
        length = draws.lengths[:, None]
        place = (torch.arange(self.clip_len, dtype=torch.float64) + 0.5) * (
            length.double() / self.clip_len
        )
        place = (place - 0.5).clamp(min=0).minimum((length - 1).double())  # (B, clip_len)
        before = place.long()
        after = (before + 1).minimum(length - 1)
        weight = to_device((place - before).to(dtype), device)[..., None, None, None]
        left = frames[to_device(first + before, device)].to(dtype)  # (B, clip_len, M, V, 3)
        right = frames[to_device(first + after, device)].to(dtype)
        clips = left + (right - left) * weight
        if self.angle:  # without rotation the third channel may be the score of 2D data
            matrices = rotation_matrices(draws.angles).to(dtype)
            clips = apply_matrices(clips, to_device(matrices, device))
        return clips.transpose(1, 2)[:, None]


def apply_matrices(joints: Tensor, matrices: Tensor) -> Tensor:
    """Multiply joints (B, ..., 3) by a matrix (B, 3, 3) for each sequence.

    In elementwise products and sums, because a GPU shortens the factors of a matrix product to 10
    bits under TF32, which is 2 mm at a distance of 4 m.
    """
    columns = matrices.view(len(matrices), *[1] * (joints.dim() - 2), 3, 3).unbind(dim=-1)
    parts = [joints[..., axis, None] * columns[axis] for axis in range(3)]
    return parts[0] + parts[1] + parts[2]


def rotation_matrices(angles: Tensor) -> Tensor:
    """Rz · Ry · Rx of shape (B, 3, 3) for angles (B, 3) about x, y and z in radians."""
    (cx, cy, cz), (sx, sy, sz) = angles.cos().T, angles.sin().T
    one, zero = torch.ones_like(cx), torch.zeros_like(cx)
    about_x = torch.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx], dim=1).view(-1, 3, 3)
    about_y = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], dim=1).view(-1, 3, 3)
    about_z = torch.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    return about_z @ about_y @ about_x
