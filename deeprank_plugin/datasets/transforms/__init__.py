"""Transforms that importing the package registers in MMAction2's ``TRANSFORMS``."""

from .add_plain_view import AddPlainView
from .center import CenterSkeleton
from .crop_resize import CropResize
from .distort import JointMask, JointNoise, RandomSwapSides
from .map_joints import MapJoints
from .rotate import RandomRotate3D
from .shear import RandomShear3D
from .two_views import TwoViews

__all__ = [
    'AddPlainView',
    'CenterSkeleton',
    'CropResize',
    'JointMask',
    'JointNoise',
    'MapJoints',
    'RandomRotate3D',
    'RandomShear3D',
    'RandomSwapSides',
    'TwoViews',
]
