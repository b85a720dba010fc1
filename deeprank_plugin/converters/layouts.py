"""Joint layouts: by name, from a JSON file, and the way from Kinect v1 to NTU's 25 joints."""

import json
from collections import deque
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import numpy as np
from mmaction.models.utils.graph import Graph

NECK_SHARE = 0.35  # of the way from the shoulder centre to the head
# Kinect v1 (SDK 1) numbers its 20 joints as Kinect v2 its first 20, but for number 2: there the
# shoulder centre, which v2 has as number 20, with the neck in its place.
V1_SHOULDER_CENTRE, V1_HEAD, V1_HANDS = 2, 3, (7, 11)
NECK, SHOULDER_CENTRE = 2, 20
TIPS_AND_THUMBS = ((21, 22), (23, 24))  # of the left and the right hand


class Layout(NamedTuple):
    """What a body consists of.

    Attributes:
        name (str): Its name.
        num_node (int): Number of joints V.
        inward (list[tuple[int, int]]): Edges (joint, its neighbour nearer to the centre).
        center (int): The joint that the graph is centred on.
        planar (bool): Whether coordinates are x, y in the picture, and a third channel a score.
        known (bool): Whether MMAction2 knows it by its name.
    """

    name: str
    num_node: int
    inward: List[Tuple[int, int]]
    center: int
    planar: bool
    known: bool

    @property
    def pairs(self) -> List[Tuple[int, int]]:
        """(joint, parent) of every joint for ``SkeletonPreprocessor``, the centre with itself."""
        return sorted([*self.inward, (self.center, self.center)])


def find_layout(layout: str) -> Layout:
    """A layout by its name, or from a JSON file.

    Args:
        layout (str): 'nturgb+d' (25 joints, 3D), 'coco' (17, 2D), 'openpose' (18, 2D), 'kinect-v1'
            (20 joints, 3D, which :func:`kinect_v1_to_ntu` takes to 25) or the path of a ``.json``;
            see :func:`read_layout`.

    Raises:
        ValueError: If it is none of these.
    """
    if layout in ('nturgb+d', 'coco', 'openpose'):
        graph = Graph(layout, mode='spatial')
        return Layout(layout, graph.num_node, graph.inward, graph.center, layout[0] != 'n', True)
    if layout == 'kinect-v1':
        limb = [(0, 1), (1, 2), (2, 3)]
        edges = [(0, 1), (1, 2), (2, 3), (2, 4), (2, 8), (0, 12), (0, 16)]
        edges += [(first + a, first + b) for first in (4, 8, 12, 16) for a, b in limb]
        inward = point_inward(20, edges, V1_SHOULDER_CENTRE)
        return Layout(layout, 20, inward, V1_SHOULDER_CENTRE, False, False)
    if layout.endswith('.json'):
        return read_layout(layout)
    raise ValueError(
        f"layout {layout!r} is not known; expected 'nturgb+d', 'coco', 'openpose', 'kinect-v1' or "
        'the path of a .json file with dict(num_node=..., edges=[[joint, joint], ...], center=...)'
    )


def read_layout(path: Union[str, Path]) -> Layout:
    """A layout from a JSON file, ``{"num_node": 3, "edges": [[0, 1], [1, 2]], "center": 1}``.

    Joints count from 0; the edges, each in either direction, must make a tree: every joint hangs
    together with the centre in one way.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'layout file {path} does not exist; expected a JSON file with num_node, edges, center'
        )
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'layout file {path} is no JSON ({error}); expected JSON text') from error
    fault = find_fault(content)
    if fault is not None:
        raise ValueError(
            f'layout file {path} has {fault}; expected {{"num_node": V, "edges": [[joint, joint], '
            '...] with joints from 0 to V - 1, "center": joint}: correct the file'
        )
    number, edges, center = content['num_node'], content['edges'], content['center']
    try:
        inward = point_inward(number, edges, center)
    except ValueError as error:
        raise ValueError(f'layout file {path}: {error}') from None
    return Layout(path.name, number, inward, center, False, False)


def find_fault(content: Any) -> Optional[str]:
    """What a JSON layout has and should not have; None if its parts are sound."""
    if not isinstance(content, dict) or set(content) != {'num_node', 'edges', 'center'}:
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        return f'the content {found}'
    number, edges, center = content['num_node'], content['edges'], content['center']
    if type(number) is not int or number < 1:
        return f'num_node={number!r}'
    if type(center) is not int or not 0 <= center < number:
        return f'center={center!r} and num_node={number}'
    if not isinstance(edges, list):
        return f'edges of type {type(edges).__name__}'
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 2:
            return f'an edge {edge!r}'
        if any(type(joint) is not int or not 0 <= joint < number for joint in edge):
            return f'an edge {edge!r} and num_node={number}'
    return None


def point_inward(number: int, edges: List, center: int) -> List[Tuple[int, int]]:
    """Edges as (joint, its neighbour nearer to the centre), sorted.

    Raises:
        ValueError: If they make no tree.
    """
    neighbours: Dict[int, List[int]] = {joint: [] for joint in range(number)}
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    parent, queue = {center: center}, deque([center])
    while queue:
        joint = queue.popleft()
        for other in neighbours[joint]:
            if other not in parent:
                parent[other] = joint
                queue.append(other)
    loose = sorted(set(range(number)) - set(parent))
    if loose:
        raise ValueError(
            f'no way along the edges from joints {loose} to the center {center}; expected every '
            'joint to hang together with it: add the missing edges'
        )
    if len(edges) != number - 1:
        raise ValueError(
            f'{len(edges)} edges join {number} joints; expected {number - 1}, without rings and '
            'repetitions: remove those too many'
        )
    return sorted((joint, other) for joint, other in parent.items() if joint != center)


def kinect_v1_to_ntu(keypoint: np.ndarray) -> np.ndarray:
    """The 20 joints of Kinect v1 as the 25 of Kinect v2, which NTU RGB+D uses.

    The order of the 20 is that of Kinect SDK 1: hip centre, spine, shoulder centre, head; shoulder,
    elbow, wrist, hand of the left, then of the right; hip, knee, ankle, foot of the left, then of
    the right. The neck lies 0.35 of the way from the shoulder centre to the head; hand tips and
    thumbs copy their hand. A joint made of an absent one (exactly zero) is absent.

    Args:
        keypoint (np.ndarray): Coordinates of shape (..., 20, 3).

    Returns:
        np.ndarray: Coordinates of shape (..., 25, 3), same unit, at least float32.

    Raises:
        ValueError: If the shape is another.
    """
    if keypoint.ndim < 2 or keypoint.shape[-2:] != (20, 3):
        raise ValueError(
            f"coordinates of shape {keypoint.shape}; expected (..., 20, 3) of layout 'kinect-v1'"
        )
    ntu = np.zeros((*keypoint.shape[:-2], 25, 3), dtype=np.result_type(keypoint, np.float32))
    ntu[..., :20, :] = keypoint
    centre, head = keypoint[..., V1_SHOULDER_CENTRE, :], keypoint[..., V1_HEAD, :]
    there = centre.any(axis=-1, keepdims=True) & head.any(axis=-1, keepdims=True)
    ntu[..., NECK, :] = np.where(there, centre + NECK_SHARE * (head - centre), 0)
    ntu[..., SHOULDER_CENTRE, :] = centre
    for hand, copies in zip(V1_HANDS, TIPS_AND_THUMBS):
        for joint in copies:
            ntu[..., joint, :] = keypoint[..., hand, :]
    return ntu
