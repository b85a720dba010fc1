"""Skeleton layouts: the joints of a body, how they connect, and what is known about them.

The only place that describes a skeleton. To add a layout, add it to ``LAYOUTS`` as data (or write a
JSON file, see :func:`read_layout`); the built-in ones match MMAction2's ``Graph`` and
``JointToBone`` joint by joint, where MMAction2 has them.
"""

import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

BODY_SIZE = (0.2, 4.0)  # metres: from a crouching child to an adult with one or two outlying joints


@dataclass(frozen=True)
class Layout:
    """The joints of a body and their relations. Joints count from 0.

    Attributes:
        name (str): Name of the layout.
        parents (tuple[int]): For each of the V joints, the joint at the other end of its bone; a
            root is its own parent. The bone modality is the joint minus its parent.
        center (int): The joint at the centre of a network's graph.
        names (tuple[str]): Names of the joints, or () if they have no names.
        left (tuple[int]): Joints on the left of the body.
        right (tuple[int]): Joints on the right; ``right[i]`` mirrors ``left[i]``.
        dims (int, optional): 3, or 2 where coordinates are x, y in the image (y down) and come with
            a score, as a third channel or separately. None: 2 or 3, without a score.
        inward (tuple[int], optional): For each joint, its neighbour nearer to the centre, where
            MMAction2's graph differs from the bones. Defaults to None: ``parents``.
        origin (int, optional): The joint that ``CenterSkeleton`` puts at the origin. Defaults to
            None: ``center``.
        graph (str, optional): MMAction2's own name for the layout. None: it has none.
        body_size (tuple[float], optional): Plausible range of body sizes in metres, measured as the
            longest side of the bounding box. None where coordinates are not in metres, or nothing
            is known.
    """

    name: str
    parents: Tuple[int, ...]
    center: int
    names: Tuple[str, ...] = ()
    left: Tuple[int, ...] = ()
    right: Tuple[int, ...] = ()
    dims: Optional[int] = None
    inward: Optional[Tuple[int, ...]] = None
    origin: Optional[int] = None
    graph: Optional[str] = None
    body_size: Optional[Tuple[float, float]] = None

    @property
    def num_joints(self) -> int:
        """Number of joints V."""
        return len(self.parents)

    @property
    def pairs(self) -> List[Tuple[int, int]]:
        """(joint, parent) of every joint, as in MMAction2's ``JointToBone``, sorted by joint."""
        return list(enumerate(self.parents))

    @property
    def bones(self) -> List[Tuple[int, int]]:
        """(joint, parent) of every joint that has a bone, without the roots."""
        return [(joint, parent) for joint, parent in self.pairs if joint != parent]

    @property
    def edges(self) -> List[Tuple[int, int]]:
        """(joint, neighbour nearer to the centre), as ``inward`` in MMAction2's ``Graph``."""
        pairs = enumerate(self.inward or self.parents)
        return [(joint, other) for joint, other in pairs if joint != other]

    @property
    def origin_joint(self) -> int:
        """The joint at the origin of a centred skeleton."""
        return self.center if self.origin is None else self.origin

    @property
    def planar(self) -> bool:
        """Whether coordinates are x, y in the image, and a third channel is a score."""
        return self.dims == 2

    @property
    def graph_layout(self) -> Union[str, Dict]:
        """Value for ``graph_cfg.layout`` of an MMAction2 backbone."""
        if self.graph is not None:
            return self.graph
        return dict(num_node=self.num_joints, inward=self.edges, center=self.center)

    @property
    def mirrored(self) -> List[int]:
        """For each joint, the one in its place if left and right are exchanged.

        Raises:
            ValueError: If the layout has no sides.
        """
        if not self.left:
            raise ValueError(
                f'layout {self.name!r} has no sides; expected joints "left" and "right" to '
                'exchange: name them in its JSON file, or do not swap sides'
            )
        other = dict(zip(self.left + self.right, self.right + self.left))
        return [other.get(joint, joint) for joint in range(self.num_joints)]

    @property
    def setting(self) -> Union[str, Dict]:
        """Value for ``layout`` in a config: the name, or a dict for :func:`find_layout`."""
        if LAYOUTS.get(self.name) == self:
            return self.name
        extras = {key: getattr(self, key) for key in EXTRAS if getattr(self, key)}
        lists = {key: list(v) if isinstance(v, tuple) else v for key, v in extras.items()}
        return dict(num_joints=self.num_joints, pairs=self.pairs, **lists)

    def side(self, joint: int) -> str:
        """'left', 'right' or 'trunk'."""
        return 'left' if joint in self.left else 'right' if joint in self.right else 'trunk'


EXTRAS = ('names', 'left', 'right', 'dims')  # optional keys of a custom layout

LIMBS = 'left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow right_wrist '
LIMBS += 'right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle '
LIMBS += 'right_foot'

NTU = Layout(
    name='nturgb+d',  # Kinect v2
    parents=(1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20)
    + (22, 7, 24, 11),
    inward=(1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20)
    + (7, 7, 11, 11),
    center=20,
    origin=1,
    names=(
        *('spine_base', 'spine_mid', 'neck', 'head', *LIMBS.split(), 'spine_shoulder'),
        *('left_hand_tip', 'left_thumb', 'right_hand_tip', 'right_thumb'),
    ),
    left=(4, 5, 6, 7, 12, 13, 14, 15, 21, 22),
    right=(8, 9, 10, 11, 16, 17, 18, 19, 23, 24),
    dims=3,
    graph='nturgb+d',
    body_size=BODY_SIZE,
)

COCO = Layout(
    name='coco',
    parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14),
    inward=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    center=0,
    names=tuple(
        'nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow '
        'right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle '
        'right_ankle'.split()
    ),
    left=(1, 3, 5, 7, 9, 11, 13, 15),
    right=(2, 4, 6, 8, 10, 12, 14, 16),
    dims=2,
    graph='coco',
)

OPENPOSE = Layout(
    name='openpose',
    parents=(0, 0, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    inward=(1, 1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    center=1,
    names=tuple(
        'nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist '
        'right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye '
        'right_ear left_ear'.split()
    ),
    left=(5, 6, 7, 11, 12, 13, 15, 17),
    right=(2, 3, 4, 8, 9, 10, 14, 16),
    dims=2,
    graph='openpose',
)

KINECT_V1 = Layout(
    name='kinect-v1',  # SDK 1
    parents=(1, 2, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    center=2,
    origin=1,
    names=('hip_center', 'spine', 'shoulder_center', 'head', *LIMBS.split()),
    left=(4, 5, 6, 7, 12, 13, 14, 15),
    right=(8, 9, 10, 11, 16, 17, 18, 19),
    dims=3,
    body_size=BODY_SIZE,
)

LAYOUTS = {layout.name: layout for layout in (NTU, COCO, OPENPOSE, KINECT_V1)}
JOINTS_OF_GRAPHS = ', '.join(
    f'{layout.name}: {layout.num_joints}' for layout in LAYOUTS.values() if layout.graph
)
"""For messages: the layouts that MMAction2 has, with their numbers of joints."""


def find_layout(layout: Union[str, Path, Mapping, Layout]) -> Layout:
    """Look up a layout by name, or make one from a JSON file or a dict.

    Args:
        layout (str, Path, dict or Layout): 'nturgb+d' (25 joints, 3D), 'coco' (17, 2D), 'openpose'
            (18, 2D), 'kinect-v1' (20, 3D); the path of a ``.json`` file, see :func:`read_layout`;
            ``dict(num_joints=V, pairs=[(joint, parent), ...])`` with one pair per joint, a root
            paired with itself, and optionally ``names``, ``left``, ``right`` and ``dims`` as in
            :class:`Layout`; or a layout, which is returned as it is.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is none of these; the message says what is wrong.
    """
    if isinstance(layout, Layout):
        return layout
    if isinstance(layout, Mapping):
        return from_pairs(layout)
    if str(layout) in LAYOUTS:
        return LAYOUTS[str(layout)]
    if isinstance(layout, (str, Path)) and str(layout).endswith('.json'):
        return read_layout(layout)
    known = ', '.join(map(repr, LAYOUTS))
    raise ValueError(
        f'layout {layout!r} is not known; expected {known}, the path of a .json file with num_node,'
        ' edges and center, or dict(num_joints=V, pairs=[(joint, parent), ...])'
    )


def fitting_layouts(joints: int, channels: int, scored: bool = False) -> List[Layout]:
    """The built-in layouts that take V joints of C numbers, with scores apart or without.

    Planar layouts take x, y and score; a third channel is that score, where none is stored apart.
    """
    return [
        layout
        for layout in LAYOUTS.values()
        if layout.num_joints == joints
        and (channels == 3 or (layout.planar and scored and channels == 2))
    ]


def from_pairs(content: Mapping) -> Layout:
    """Make a layout from a dict of ``num_joints`` and ``pairs``, see :func:`find_layout`."""
    unknown = set(content) - {'num_joints', 'pairs', *EXTRAS}
    if unknown or not {'num_joints', 'pairs'} <= set(content):
        raise ValueError(
            f'the layout dict has the keys {sorted(content)}; expected num_joints and pairs, and '
            f'optionally {", ".join(EXTRAS)}'
        )
    number, pairs = content['num_joints'], [tuple(pair) for pair in content['pairs']]
    if sorted(joint for joint, _ in pairs) != list(range(number)) or not all(
        0 <= parent < number for _, parent in pairs
    ):
        raise ValueError(
            f'pairs={pairs} do not fit num_joints={number}; expected one (joint, parent) pair for '
            'each joint, the root paired with itself'
        )
    fault = find_fault_of_extras(content, number)
    if fault is not None:
        raise ValueError(f'the layout dict has {fault}; expected it to fit its {number} joints')
    parents = tuple(parent for _, parent in sorted(pairs))
    roots = [joint for joint, parent in enumerate(parents) if joint == parent]
    return Layout('custom', parents, center=(roots or [0])[0], **take_extras(content))


def read_layout(path: Union[str, Path]) -> Layout:
    """Read a layout from a JSON file, ``{"num_node": 3, "edges": [[0, 1], [1, 2]], "center": 1}``.

    Joints count from 0; the edges, each in either direction, must form a tree: exactly one path
    connects every joint to the centre. ``"names"`` (V strings), ``"left"`` and ``"right"``
    (mirrored joints) and ``"dims"`` (2 or 3) are optional, as in :class:`Layout`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'layout file {path} does not exist; expected a JSON file with num_node, edges, center'
        )
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'layout file {path} is not valid JSON ({error}); expected JSON'
        ) from error
    fault = find_fault(content)
    if fault is not None:
        raise ValueError(
            f'layout file {path} has {fault}; expected {{"num_node": V, "edges": [[joint, joint], '
            '...] with joints from 0 to V - 1, "center": joint}, and optionally names, left, '
            'right, dims: correct the file'
        )
    center = content['center']
    try:
        parents = point_inward(content['num_node'], content['edges'], center)
    except ValueError as error:
        raise ValueError(f'layout file {path}: {error}') from None
    return Layout(path.name, parents, center, **take_extras(content))


def take_extras(content: Mapping) -> Dict:
    """The optional parts of a custom layout, as :class:`Layout` takes them."""
    found = {key: content[key] for key in EXTRAS if key in content}
    return {key: tuple(v) if isinstance(v, (list, tuple)) else v for key, v in found.items()}


def find_fault(content: Any) -> Optional[str]:
    """The first invalid part of a JSON layout, in words; None if all parts are valid."""
    needed = {'num_node', 'edges', 'center'}
    if not isinstance(content, dict) or not needed <= set(content) <= needed | set(EXTRAS):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        return f'the content {found}'
    number, edges, center = content['num_node'], content['edges'], content['center']
    if type(number) is not int or number < 1:
        return f'num_node={number!r}'
    if not is_joint(center, number):
        return f'center={center!r} and num_node={number}'
    if not isinstance(edges, list):
        return f'edges of type {type(edges).__name__}'
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 2:
            return f'an edge {edge!r}'
        if not all(is_joint(joint, number) for joint in edge):
            return f'an edge {edge!r} and num_node={number}'
    return find_fault_of_extras(content, number)


def find_fault_of_extras(content: Mapping, number: int) -> Optional[str]:
    """The first invalid optional part of a layout of V joints, in words; None if all are valid."""
    names, dims = content.get('names', ()), content.get('dims')
    left, right = content.get('left', ()), content.get('right', ())
    lists = dict(names=names, left=left, right=right)
    for key, values in lists.items():
        if not isinstance(values, (list, tuple)):
            return f'{key} of type {type(values).__name__}'
    if names and (len(set(map(str, names))) != number or len(names) != number):
        return f'{len(names)} names, {len(set(map(str, names)))} of them different'
    if not all(isinstance(name, str) for name in names):
        return f'names {names!r:.80}'
    sides = [*left, *right]
    odd = [joint for joint in sides if not is_joint(joint, number)]
    if odd or len(left) != len(right) or len(set(sides)) != len(sides):
        return f'left={left!r:.80} and right={right!r:.80}'
    return None if dims in (None, 2, 3) else f'dims={dims!r}'


def is_joint(value: Any, number: int) -> bool:
    """Whether a value is the index of one of V joints."""
    return type(value) is int and 0 <= value < number


def point_inward(number: int, edges: List, center: int) -> Tuple[int, ...]:
    """For each joint, its neighbour nearer to the centre; for the centre, itself.

    Raises:
        ValueError: If the edges do not form a tree.
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
            f'no path of edges connects joints {loose} to the center {center}; expected every '
            'joint to be connected: add the missing edges'
        )
    if len(edges) != number - 1:
        raise ValueError(
            f'{len(edges)} edges join {number} joints; expected {number - 1}, without cycles and '
            'duplicates: remove the surplus'
        )
    return tuple(parent[joint] for joint in range(number))
