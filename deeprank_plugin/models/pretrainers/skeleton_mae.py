"""Generative pretraining of skeletons: masked joints and frames are reconstructed (SkeletonMAE)."""

from typing import Dict, List

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .base import EncoderPretrainer


@MODELS.register_module()
class SkeletonMAE(EncoderPretrainer):
    """Masked reconstruction after SkeletonMAE (Wu et al., ICMEW 2023): a peer to compare with.

    Some joints of a sequence are masked in all frames, and all joints in some frames (that paper's
    spatial-temporal masking); the encoder sees a learned token in their place, a light decoder
    gives back the coordinates, and the loss is the squared error where something was masked. Own
    choices: the encoder sees all positions, because STTFormer's attention maps are of fixed size;
    frames are masked in spans of ``span``, STTFormer's tuples; the decoder is two convolutions;
    the two ratios. Bodies and joints that are absent (exactly zero) are not in the loss.

    Args:
        backbone (dict): Config of a backbone that keeps the joints, (N, M, T, V, C) to (N, M, D,
            T / k, V), or folds frames into joints as STTFormer does.
        in_channels (int): Its number of feature channels D.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        joint_ratio (float): Share of the joints that are masked. Defaults to 0.5.
        frame_ratio (float): Share of the spans that are masked. Defaults to 0.4.
        span (int): Frames of a span; T must be a multiple. Defaults to 6.
        hidden_channels (int): Of the decoder. Defaults to 64.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If an argument is out of its range, or backbone and layout do not fit.
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
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if not (0 <= joint_ratio < 1 and 0 <= frame_ratio < 1 and joint_ratio + frame_ratio > 0):
            raise ValueError(
                f'joint_ratio={joint_ratio}, frame_ratio={frame_ratio}; expected both from 0 to '
                'below 1, and one above 0'
            )
        self.backbone = MODELS.build(backbone)
        self.in_channels = in_channels
        self.check_encoder(in_channels)
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
        """What is masked, of shape (number, frames, joints), drawn anew for each sequence.

        Raises:
            ValueError: If the frames are no multiple of the span.
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
        """Mean squared error of the masked coordinates that were there.

        Args:
            inputs (Tensor): Sequences of shape (B, clips, M, T, V, C).
            data_samples (list): Not read.

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
    """In each of ``number`` rows, ``round(ratio * size)`` of ``size`` entries at random."""
    ranks = torch.rand(number, size, device=device).argsort(dim=1).argsort(dim=1)
    return ranks < round(ratio * size)
