"""Generative pretraining of skeletons: reconstruct masked joints and frames (SkeletonMAE)."""

from typing import Dict, List

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..utils.fit import check_fit
from .base import EncoderPretrainer


@MODELS.register_module()
class SkeletonMAE(EncoderPretrainer):
    """Masked reconstruction after SkeletonMAE (Wu et al., ICMEW 2023), for comparison.

    Some joints are masked in all frames, and all joints in some frames (that paper's
    spatial-temporal masking). The encoder sees a learned token in their place, a light decoder
    reconstructs the coordinates, and the loss is the squared error at masked positions. Choices of
    our own: the encoder sees all positions, because STTFormer's attention maps have a fixed size;
    frames are masked in spans of ``span``, STTFormer's tuples; the decoder is two convolutions; the
    two ratios. Absent bodies and joints (exactly zero) do not count in the loss.

    Args:
        backbone (dict): Config of a backbone that keeps the joints, (N, M, T, V, C) to (N, M, D,
            T / k, V), or folds frames into joints as STTFormer does.
        in_channels (int): Its number of feature channels D.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        joint_ratio (float): Share of the joints that are masked. Defaults to 0.5.
        frame_ratio (float): Share of the spans that are masked. Defaults to 0.4.
        span (int): Frames of a span; T must be a multiple. Defaults to 6.
        hidden_channels (int): Hidden channels of the decoder. Defaults to 64.
        segments (int): Equal parts of the time that are pooled separately in extracted features;
            the decoder sees all positions. Defaults to 1.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If an argument is out of range, or backbone and layout do not match.
    """

    def __init__(
        self,
        backbone: Dict,
        in_channels: int,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        joint_ratio: float = 0.5,
        frame_ratio: float = 0.4,
        span: int = 6,
        hidden_channels: int = 64,
        segments: int = 1,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg, segments)
        if not (0 <= joint_ratio < 1 and 0 <= frame_ratio < 1 and joint_ratio + frame_ratio > 0):
            raise ValueError(
                f'joint_ratio={joint_ratio}, frame_ratio={frame_ratio}; expected both from 0 to '
                'below 1, and one above 0'
            )
        self.backbone = MODELS.build(backbone)
        self.in_channels = in_channels
        check_fit(self.backbone, self.data_preprocessor, in_channels)
        self.joint_ratio = joint_ratio
        self.frame_ratio = frame_ratio
        self.span = span
        coordinates = getattr(self.backbone, 'in_channels', 3)
        self.token = nn.Parameter(torch.zeros(coordinates))
        self.decoder = nn.Sequential(
            nn.Conv2d(in_channels, hidden_channels, (3, 1), padding=(1, 0)),
            nn.LeakyReLU(0.1),
            nn.Conv2d(hidden_channels, coordinates, (3, 1), padding=(1, 0)),
        )

    def random_mask(self, number: int, frames: int, joints: int, device) -> Tensor:
        """Random mask of shape (number, frames, joints), True where masked, for each sequence.

        Raises:
            ValueError: If the number of frames is not a multiple of the span.
        """
        if frames % self.span:
            raise ValueError(
                f'{frames} frames do not divide into spans of {self.span}; expected a multiple: '
                'change clip_len of CropResize, or span of SkeletonMAE'
            )
        spans = frames // self.span
        of_joints = random_subsets(number, joints, self.joint_ratio, device)
        of_spans = random_subsets(number, spans, self.frame_ratio, device)
        of_frames = of_spans.repeat_interleave(self.span, dim=1)
        return of_frames.unsqueeze(2) | of_joints.unsqueeze(1)

    def decode(self, maps: Tensor, frames: int, joints: int) -> Tensor:
        """Coordinates (N, T, V, C) from feature maps (N, D, T', V').

        Raises:
            ValueError: If the maps keep neither the joints nor all positions.
        """
        number, channels, length, width = maps.shape
        if length * width == frames * joints:
            maps = maps.reshape(number, channels, frames, joints)  # STTFormer's tuples unfolded
        elif width == joints:
            maps = interpolate(maps, (frames, joints), mode='bilinear', align_corners=False)
        else:
            raise ValueError(
                f'feature maps of {length} x {width} positions for {frames} frames and {joints} '
                'joints; expected the joints as they are, or all positions: use STGCN or STTFormer'
            )
        return self.decoder(maps).permute(0, 2, 3, 1)

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Mean squared error of masked coordinates, absent ones excluded.

        Args:
            inputs (Tensor): Sequences of shape (B, clips, M, T, V, C).
            data_samples (list): Unused.

        Returns:
            dict: ``loss_reconstruct``, a scalar.
        """
        sequences = inputs.flatten(0, 1)
        number, bodies, frames, joints, _ = sequences.shape
        mask = self.random_mask(number * bodies, frames, joints, sequences.device)
        mask = mask.view(number, bodies, frames, joints, 1)
        there = (sequences != 0).any(dim=-1, keepdim=True)
        seen = torch.where(mask & there, self.token.to(sequences), sequences)
        maps = self.backbone(seen).flatten(0, 1)
        found = self.decode(maps, frames, joints).view_as(sequences)
        counted = (mask & there).expand_as(sequences)
        errors = (found.float() - sequences.float()).pow(2) * counted
        return dict(loss_reconstruct=errors.sum() / counted.sum().clamp(min=1))


def random_subsets(number: int, size: int, ratio: float, device) -> Tensor:
    """Mask (number, size) with ``round(ratio * size)`` random entries set in each row."""
    ranks = torch.rand(number, size, device=device).argsort(dim=1).argsort(dim=1)
    return ranks < round(ratio * size)
