"""Skeleton layouts: the joints of a body, how they connect, and what is known about them.

The only place that describes a skeleton. ``LAYOUTS`` holds the built-in ones, :func:`find_layout`
also takes files of one's own, :func:`map_joints` goes from one layout to another.
"""

from .built_in import COCO, JOINTS_OF_GRAPHS, KINECT_V1, LAYOUTS, NTU, OPENPOSE
from .layout import BODY_SIZE, Layout
from .maps import find_map, map_joints
from .reading import find_layout, read_layout
from .recognition import recognise_layouts

__all__ = [
    'BODY_SIZE',
    'COCO',
    'JOINTS_OF_GRAPHS',
    'KINECT_V1',
    'LAYOUTS',
    'NTU',
    'OPENPOSE',
    'Layout',
    'find_layout',
    'find_map',
    'map_joints',
    'read_layout',
    'recognise_layouts',
]
