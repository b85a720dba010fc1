"""What a layout says about its joints, and trees that point to a centre."""

import pytest

from deeprank_plugin.layouts import LAYOUTS, Layout
from deeprank_plugin.layouts.layout import point_inward

ARM = Layout('arm', (1, 1, 1, 2), 1, ('a', 'b', 'c', 'd'), (0,), (2,))


def test_a_small_layout():
    assert ARM.num_joints == 4 and ARM.bones == ARM.edges == [(0, 1), (2, 1), (3, 2)]
    assert ARM.mirrored == [2, 1, 0, 3] and ARM.origin_joint == 1 and not ARM.planar
    assert ARM.graph_layout == dict(num_node=4, inward=ARM.edges, center=1)
    assert ARM.setting == dict(
        num_joints=4, pairs=ARM.pairs, names=list('abcd'), left=[0], right=[2]
    )
    assert LAYOUTS['smpl'].setting == 'smpl'
    with pytest.raises(ValueError, match="layout 'arm' has no sides"):
        Layout('arm', (0, 0), 0).mirrored  # noqa: B018


def test_bones_point_to_any_centre():
    edges = [[0, 1], [1, 2], [3, 2]]
    assert point_inward(4, edges, 0) == (0, 0, 1, 2)
    assert point_inward(4, edges, 2) == (1, 2, 2, 2)
    with pytest.raises(ValueError, match=r'joints \[3\]'):
        point_inward(4, edges[:2], 0)
    with pytest.raises(ValueError, match='4 edges join 4 joints'):
        point_inward(4, [*edges, [0, 3]], 0)
