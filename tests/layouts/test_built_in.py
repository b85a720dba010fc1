"""The built-in layouts against the numbers of MMAction2 and of their sources."""

import numpy as np
import pytest
from mmaction.datasets.transforms import JointToBone
from mmaction.models.utils.graph import Graph

from deeprank_plugin.layouts import LAYOUTS

KNOWN = [layout for layout in LAYOUTS.values() if layout.graph]


def test_known_names():
    sizes = {name: (layout.num_joints, layout.dims) for name, layout in LAYOUTS.items()}
    assert sizes == {
        'nturgb+d': (25, 3),
        'coco': (17, 2),
        'openpose': (18, 2),
        'kinect-v1': (20, 3),
        'azure-kinect': (32, 3),
        'body25': (25, 2),
        'mediapipe': (33, 3),
        'mediapipe-2d': (33, 2),
        'h36m': (17, 3),
        'smpl': (24, 3),
    }
    assert [layout.name for layout in KNOWN] == ['nturgb+d', 'coco', 'openpose']


@pytest.mark.parametrize(
    ('name', 'numbers'),
    [
        # k4abt_joint_id_t: K4ABT_JOINT_PELVIS = 0 to K4ABT_JOINT_EAR_RIGHT = 31
        ('azure-kinect', dict(pelvis=0, neck=3, left_thumb=10, right_wrist=14, right_hip=22)),
        ('azure-kinect', dict(right_foot=25, head=26, nose=27, left_ear=29, right_ear=31)),
        # POSE_BODY_25_BODY_PARTS: the right side comes first
        ('body25', dict(neck=1, right_wrist=4, left_wrist=7, mid_hip=8, right_ankle=11)),
        ('body25', dict(left_ear=18, left_big_toe=19, left_heel=21, right_heel=24)),
        # PoseLandmark
        ('mediapipe', dict(left_ear=7, left_mouth=9, left_shoulder=11, right_pinky=18)),
        ('mediapipe', dict(left_thumb=21, left_hip=23, right_ankle=28, right_foot_index=32)),
        # VideoPose3D: joints_left = [4, 5, 6, 11, 12, 13]
        ('h36m', dict(right_hip=1, left_hip=4, left_ankle=6, thorax=8, head=10, left_wrist=13)),
        # JOINT_NAMES_DICT['smpl']
        ('smpl', dict(left_hip=1, spine1=3, spine3=9, neck=12, head=15, left_hand=22)),
    ],
)
def test_numbers_of_the_sources(name, numbers):
    assert {joint: LAYOUTS[name].names.index(joint) for joint in numbers} == numbers


@pytest.mark.parametrize(
    ('name', 'bones'),
    [
        ('azure-kinect', [(10, 7), (18, 0), (26, 3), (27, 26), (29, 26), (31, 26)]),
        ('body25', [(1, 8), (8, 9), (8, 12), (0, 15), (15, 17), (14, 21), (19, 20), (22, 23)]),
        ('mediapipe', [(11, 13), (15, 21), (23, 25), (27, 29), (27, 31), (3, 7)]),
        ('h36m', [(0, 7), (7, 8), (8, 9), (9, 10), (8, 11), (8, 14)]),
        ('smpl', [(0, 3), (3, 6), (6, 9), (9, 12), (9, 13), (13, 16), (12, 15)]),
    ],
)
def test_bones_of_the_sources(name, bones):
    own = {frozenset(bone) for bone in LAYOUTS[name].bones}
    assert all(frozenset(bone) in own for bone in bones)


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=list(LAYOUTS))
def test_graphs_of_networks(layout):
    graph = Graph(layout.graph_layout, mode='stgcn_spatial', max_hop=2)
    assert graph.num_node == layout.num_joints and graph.center == layout.center
    assert graph.A.shape[1:] == (layout.num_joints, layout.num_joints)
    assert graph.A.sum(axis=0).any(axis=0).all()  # no joint stands alone


@pytest.mark.parametrize('layout', KNOWN, ids=lambda layout: layout.name)
def test_the_numbers_of_mmaction2(layout):
    assert layout.pairs == sorted(map(tuple, JointToBone(layout.graph).pairs))
    graph = Graph(layout.graph, mode='spatial')
    assert (layout.num_joints, layout.center) == (graph.num_node, graph.center)
    assert sorted(layout.edges) == sorted(graph.inward)
    for mode in ('spatial', 'stgcn_spatial'):
        content = dict(num_node=layout.num_joints, inward=layout.edges, center=layout.center)
        ours = Graph(content, mode=mode).A
        np.testing.assert_array_equal(ours, Graph(layout.graph, mode=mode).A)


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=list(LAYOUTS))
def test_parts_fit_each_other(layout):
    number = layout.num_joints
    assert len(layout.names) == len(set(layout.names)) == number
    assert len(layout.bones) == len(layout.edges) == number - 1
    assert 0 <= layout.origin_joint < number and layout.planar == (layout.dims == 2)
    # bones and edges each hang together: from every joint there is a way to the root
    for parents in (layout.parents, layout.inward or layout.parents):
        for joint in range(number):
            for _ in range(number):
                joint = parents[joint]
            assert parents[joint] == joint
    assert (layout.inward or layout.parents)[layout.center] == layout.center
    # sides are those that the names tell, and mirror each other
    for joint, name in enumerate(layout.names):
        side = name.split('_')[0]
        assert layout.side(joint) == (side if side in ('left', 'right') else 'trunk')
    for left, right in zip(layout.left, layout.right, strict=True):
        assert layout.names[left].replace('left', 'right') == layout.names[right]
    assert layout.setting == layout.name


def test_kinect_v1_has_ntus_bones():
    """But for the shoulder centre, its number 2 and NTU's 20, the first 20 joints are the same."""
    kinect, ntu = LAYOUTS['kinect-v1'], LAYOUTS['nturgb+d']
    rename = {20: 2}
    same = [joint for joint in range(20) if joint not in (2, 3)]
    assert all(kinect.parents[j] == rename.get(ntu.parents[j], ntu.parents[j]) for j in same)
    assert kinect.origin_joint == ntu.origin_joint == 1 and kinect.body_size == ntu.body_size
    content = kinect.graph_layout
    assert content['num_node'] == 20 and content['center'] == 2 and len(content['inward']) == 19
