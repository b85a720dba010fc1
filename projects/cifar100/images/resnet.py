"""ResNet for small images (He et al., CVPR 2016)."""

from typing import Sequence

from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, channels, H / stride, W / stride)."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + self.downsample(x))


@MODELS.register_module()
class ImageResNet(BaseModule):
    """ResNet with a 3 x 3 stem and no max-pooling; the defaults are ResNet-18 with 512 features.

    Args:
        base_channels (int): Width of the stem; each stage after the first doubles it.
            Defaults to 64.
        blocks (Sequence[int]): Blocks of each stage. Defaults to (2, 2, 2, 2).
        strides (Sequence[int]): Stride of each stage. Defaults to (1, 2, 2, 2).
        in_channels (int): Of the images. Defaults to 3.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None: normal with
            fan-out, as in He et al.
    """

    def __init__(
        self,
        base_channels: int = 64,
        blocks: Sequence[int] = (2, 2, 2, 2),
        strides: Sequence[int] = (1, 2, 2, 2),
        in_channels: int = 3,
        init_cfg=None,
    ) -> None:
        super().__init__(init_cfg or [dict(type='Kaiming', layer='Conv2d')])
        self.in_channels = in_channels
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, base_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(base_channels),
            nn.ReLU(inplace=True),
        )
        layers, width = [], base_channels
        for stage, (number, stride) in enumerate(zip(blocks, strides)):
            channels = base_channels * 2**stage
            for block in range(number):
                layers.append(BasicBlock(width, channels, stride if block == 0 else 1))
                width = channels
        self.stages = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, H, W, C), as skeleton pipelines shape it, to (N, M, D, H / 8, W / 8)."""
        bodies = x.shape[:2]
        features = self.stages(self.stem(x.flatten(0, 1).movedim(-1, 1)))
        return features.unflatten(0, bodies)
