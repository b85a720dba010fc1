"""STTFormer: spatio-temporal tuples attention (Qiu et al., arXiv 2201.02849)."""

from typing import Optional, Sequence, Tuple

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

DEFAULT_BLOCKS = (
    (64, 64, 16),
    (64, 64, 16),
    (64, 128, 32),
    (128, 128, 32),
    (128, 256, 64),
    (256, 256, 64),
    (256, 256, 64),
    (256, 256, 64),
)


def sine_positions(channels: int, positions: int) -> Tensor:
    """Sine-cosine encoding of the index of a joint in its tuple.

    Args:
        channels (int): Number of channels C; even ones are sines, odd ones cosines.
        positions (int): Number of positions P.

    Returns:
        Tensor: Encoding of shape (C, 1, P), in float32.
    """
    index = torch.arange(positions, dtype=torch.float64)
    frequency = 10000.0 ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    angle = frequency[:, None] * index  # (ceil(C / 2), P)
    encoding = torch.stack([angle.sin(), angle.cos()], dim=1).flatten(0, 1)
    return encoding[:channels, None].float()


def conv_bn(in_channels: int, out_channels: int, kernel: Tuple[int, int] = (1, 1)) -> nn.Sequential:
    """A convolution that keeps (T, V), followed by BatchNorm."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding), nn.BatchNorm2d(out_channels)
    )


class STTBlock(nn.Module):
    """Attention between the joints of a tuple, then a convolution between tuples.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        qk_channels (int): Channels of queries and keys per head.
        positions (int): Joints in a tuple, P = V * tuple length.
        num_heads (int): Number of heads.
        kernel_sizes (tuple[int, int]): Kernels over tuples and over the joints in a tuple.
        dropout (float): Share of attention weights that are dropped in training.
    """

    position: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        qk_channels: int,
        positions: int,
        num_heads: int,
        kernel_sizes: Tuple[int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qk_channels = qk_channels
        # not in the state dict: it is a function of the shapes
        self.register_buffer('position', sine_positions(in_channels, positions), persistent=False)
        self.to_qk = nn.Conv2d(in_channels, 2 * num_heads * qk_channels, 1)
        self.attention_scale = nn.Parameter(torch.ones(1, num_heads, 1, 1))
        self.attention_map = nn.Parameter(
            torch.full((1, num_heads, positions, positions), 1.0 / positions)
        )
        self.dropout = nn.Dropout(dropout)
        self.merge_heads = conv_bn(in_channels * num_heads, out_channels, (1, kernel_sizes[1]))
        self.feed_forward = conv_bn(out_channels, out_channels)
        self.temporal = conv_bn(out_channels, out_channels, (kernel_sizes[0], 1))
        if in_channels == out_channels:
            self.spatial_residual: nn.Module = nn.Identity()
            self.temporal_residual: nn.Module = nn.Identity()
        else:
            self.spatial_residual = conv_bn(in_channels, out_channels)
            self.temporal_residual = conv_bn(out_channels, out_channels)
        self.act = nn.LeakyReLU(0.1, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T', P) to (N, C_out, T', P)."""
        batch, channels, tuples, positions = x.shape
        # attention = tanh(Q^T K / (d T')) * scale + map, over channels and tuples at once
        qk = self.to_qk(x + self.position.to(x.dtype)).reshape(
            batch, 2, self.num_heads, self.qk_channels * tuples, positions
        )
        query, key = qk[:, 0], qk[:, 1]
        attention = query.transpose(2, 3) @ key / (self.qk_channels * tuples)  # (N, heads, P, P)
        attention = attention.tanh() * self.attention_scale + self.attention_map
        attention = self.dropout(attention)
        residual = self.spatial_residual(x)
        x = self.act(self.attend(x, attention) + residual)
        x = self.act(self.feed_forward(x) + residual)
        return self.act(self.temporal(x) + self.temporal_residual(x))

    def attend(self, x: Tensor, attention: Tensor) -> Tensor:
        """Apply the heads' attention (N, heads, P, P) to (N, C, T', P), and merge the heads."""
        # the values of all heads are the input itself: one product serves them all
        batch, channels, tuples, positions = x.shape
        attention = attention.transpose(1, 2).reshape(batch, positions, self.num_heads * positions)
        mixed = x.reshape(batch, channels * tuples, positions) @ attention
        mixed = mixed.reshape(batch, channels, tuples, self.num_heads, positions)
        mixed = mixed.permute(0, 3, 1, 2, 4).reshape(batch, -1, tuples, positions)
        return self.merge_heads(mixed)


@MODELS.register_module()
class STTFormer(BaseModule):
    """Spatio-temporal tuples transformer, with the interface of MMAction2's GCN backbones.

    A sequence is cut into tuples of a few frames. A block first lets all joints of a tuple
    attend to each other (no softmax: scaled tanh plus a learned map), then convolves between
    tuples. With the defaults and a linear layer to 60 classes it has 6,233,588 parameters.

    Args:
        num_joints (int): Joints V of the data. Defaults to 25.
        tuple_length (int): Frames in a tuple; T must be a multiple. Defaults to 6.
        blocks (Sequence[tuple[int, int, int]]): Channels of each block: in, out, and of queries and
            keys per head. Defaults to the paper's eight blocks.
        num_heads (int): Number of heads. Defaults to 3.
        kernel_sizes (tuple[int, int]): Kernels over tuples and over the joints in a tuple, odd.
            Defaults to (3, 5).
        dropout (float): Dropout of the attention in training. Defaults to 0.0.
        in_channels (int): Channels C of the input. Defaults to 3.
        with_cp (bool): Recompute each block in the backward pass: less memory, more time. Running
            statistics of BatchNorm are then updated twice in a step. Defaults to False.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to Kaiming (fan-out) for
            convolutions and 1 and 0 for BatchNorm.

    Raises:
        ValueError: If an argument is out of range, or the channels of successive blocks differ.
    """

    __jit_unused_properties__ = [
        'is_init'
    ]  # of MMEngine's BaseModule; TorchScript cannot compile it

    def __init__(
        self,
        num_joints: int = 25,
        tuple_length: int = 6,
        blocks: Sequence[Sequence[int]] = DEFAULT_BLOCKS,
        num_heads: int = 3,
        kernel_sizes: Tuple[int, int] = (3, 5),
        dropout: float = 0.0,
        in_channels: int = 3,
        with_cp: bool = False,
        init_cfg: Optional[object] = (
            dict(type='Kaiming', layer='Conv2d', mode='fan_out'),
            dict(type='Constant', layer='BatchNorm2d', val=1, bias=0),
        ),
    ) -> None:
        super().__init__(init_cfg=list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg)
        check_arguments(num_joints, tuple_length, blocks, num_heads, kernel_sizes)
        self.num_joints = num_joints
        self.tuple_length = tuple_length
        self.in_channels = in_channels
        self.with_cp = with_cp
        first = blocks[0][0]
        self.embed = nn.Sequential(
            nn.Conv2d(in_channels, first, 1), nn.BatchNorm2d(first), nn.LeakyReLU(0.1)
        )
        self.blocks = nn.ModuleList(
            STTBlock(
                in_channels=before,
                out_channels=after,
                qk_channels=query_key,
                positions=num_joints * tuple_length,
                num_heads=num_heads,
                kernel_sizes=(kernel_sizes[0], kernel_sizes[1]),
                dropout=dropout,
            )
            for before, after, query_key in blocks
        )

    def forward(self, x: Tensor) -> Tensor:
        """Feature map of sequences.

        Args:
            x (Tensor): Sequences of shape (N, M, T, V, C).

        Returns:
            Tensor: Feature map of shape (N, M, D, T / tuple_length, V * tuple_length).

        Raises:
            ValueError: If T is not a multiple of the tuple length, or V or C differ from those that
                the network was built for.
        """
        batch, bodies, frames, joints, channels = x.shape
        if frames % self.tuple_length != 0:
            raise ValueError(
                f'{frames} frames do not divide into tuples of {self.tuple_length}; expected a '
                'multiple: change clip_len of CropResize in the pipelines, or tuple_length of '
                'STTFormer'
            )
        if joints != self.num_joints or channels != self.in_channels:
            raise ValueError(
                f'sequences have {joints} joints and {channels} channels; expected '
                f'{self.num_joints} and {self.in_channels}: set num_joints and in_channels of '
                'STTFormer to those of the data'
            )
        x = x.flatten(0, 1).permute(0, 3, 1, 2)  # (N * M, C, T, V)
        x = x.reshape(
            batch * bodies, channels, frames // self.tuple_length, joints * self.tuple_length
        )
        x = self.embed(x)
        for block in self.blocks:
            if torch.jit.is_scripting():
                x = block(x)
            elif self.with_cp and x.requires_grad:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return x.reshape(batch, bodies, x.shape[1], x.shape[2], x.shape[3])


def check_arguments(num_joints, tuple_length, blocks, num_heads, kernel_sizes) -> None:
    """Raise a ``ValueError`` that names the invalid argument."""
    numbers = dict(num_joints=num_joints, tuple_length=tuple_length, num_heads=num_heads)
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f'{name}={value} must be at least 1')
    if len(kernel_sizes) != 2 or any(size < 1 or size % 2 == 0 for size in kernel_sizes):
        raise ValueError(
            f'kernel_sizes={tuple(kernel_sizes)}; expected two odd numbers, over tuples and over '
            'joints, such as (3, 5)'
        )
    if not blocks or any(len(block) != 3 or min(block) < 1 for block in blocks):
        raise ValueError(f'blocks={blocks!r}; expected (in, out, queries and keys) for each block')
    for number, (before, after) in enumerate(zip(blocks, blocks[1:])):
        if before[1] != after[0]:
            raise ValueError(
                f'block {number} ends with {before[1]} channels and block {number + 1} begins '
                f'with {after[0]}; expected the same'
            )
