"""Images for DeepRank and DeepCluster, in the shape of skeleton sequences."""

from .cifar100 import CIFAR100
from .preprocessor import ImagePreprocessor
from .resnet import ImageResNet
from .transforms import FormatImage, PadCrop, RandomHorizontalFlip

__all__ = [
    'CIFAR100',
    'FormatImage',
    'ImagePreprocessor',
    'ImageResNet',
    'PadCrop',
    'RandomHorizontalFlip',
]
