"""What is known about the joints of a body, and how they connect."""

from collections import deque
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple, Union

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
        from .built_in import LAYOUTS  # which are made of this class

        if LAYOUTS.get(self.name) == self:
            return self.name
        extras = {key: getattr(self, key) for key in EXTRAS if getattr(self, key)}
        lists = {key: list(v) if isinstance(v, tuple) else v for key, v in extras.items()}
        return dict(num_joints=self.num_joints, pairs=self.pairs, **lists)

    def side(self, joint: int) -> str:
        """'left', 'right' or 'trunk'."""
        return 'left' if joint in self.left else 'right' if joint in self.right else 'trunk'


EXTRAS = ('names', 'left', 'right', 'dims')  # optional keys of a custom layout


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
