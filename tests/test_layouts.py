"""Layouts against MMAction2's numbers; layouts of one's own from dicts and files."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from mmaction.datasets.transforms import JointToBone
from mmaction.models.utils.graph import Graph

from deeprank_plugin import layouts
from deeprank_plugin.layouts import LAYOUTS, Layout, find_layout

KNOWN = [layout for layout in LAYOUTS.values() if layout.graph]


def test_known_names():
    assert list(LAYOUTS) == ['nturgb+d', 'coco', 'openpose', 'kinect-v1']
    sizes = [(layout.num_joints, layout.dims) for layout in LAYOUTS.values()]
    assert sizes == [(25, 3), (17, 2), (18, 2), (20, 3)]
    assert [layout.name for layout in KNOWN] == ['nturgb+d', 'coco', 'openpose']
    for name, layout in LAYOUTS.items():
        assert find_layout(name) is layout and find_layout(layout) is layout
    with pytest.raises(ValueError, match="'smpl' is not known; expected 'nturgb\\+d', 'co.*json"):
        find_layout('smpl')


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


def test_from_json(tmp_path):
    path = tmp_path / 'arm.json'
    content = dict(num_node=4, edges=[[0, 1], [2, 1], [3, 2]], center=1)
    path.write_text(json.dumps(content))
    layout = find_layout(str(path))
    assert layout == find_layout(path)
    assert layout.edges == layout.bones == [(0, 1), (2, 1), (3, 2)]
    assert layout.pairs == [(0, 1), (1, 1), (2, 1), (3, 2)]
    assert (layout.name, layout.dims, layout.names) == ('arm.json', None, ())
    assert layout.center == layout.origin_joint == 1
    assert layout.setting == dict(num_joints=4, pairs=layout.pairs)
    assert layout.graph_layout == dict(num_node=4, inward=layout.edges, center=1)
    extras = dict(names=list('abcd'), left=[0], right=[3], dims=2)
    path.write_text(json.dumps(dict(content, **extras)))
    layout = find_layout(path)
    assert [layout.side(joint) for joint in range(4)] == ['left', 'trunk', 'trunk', 'right']
    assert layout.planar and layout.names == ('a', 'b', 'c', 'd')
    assert layout.setting == dict(num_joints=4, pairs=layout.pairs, **extras)
    again = find_layout(layout.setting)
    assert again == Layout('custom', layout.parents, 1, tuple('abcd'), (0,), (3,), 2)
    with pytest.raises(FileNotFoundError, match='none.json does not exist'):
        find_layout(tmp_path / 'none.json')


def test_from_a_dict():
    layout = find_layout(dict(num_joints=3, pairs=[[2, 1], [1, 0], [0, 0]]))
    assert layout.parents == (0, 0, 1) and layout.center == 0 and layout.name == 'custom'
    assert not layout.planar and layout.bones == [(1, 0), (2, 1)]


@pytest.mark.parametrize(
    'content, message',
    [
        (dict(num_joints=2), 'num_joints and pairs'),
        (dict(num_joints=1, pairs=[(0, 0)], center=0), 'num_joints and pairs'),
        (dict(num_joints=2, pairs=[(0, 0)]), 'one .joint, parent. pair'),
        (dict(num_joints=2, pairs=[(0, 0), (1, 2)]), 'one .joint, parent. pair'),
        (dict(num_joints=2, pairs=[(0, 0), (1, 0)], left=[0]), r'left=\[0\] and right=\(\)'),
        (dict(num_joints=2, pairs=[(0, 0), (1, 0)], dims=4), 'dims=4'),
    ],
)
def test_wrong_dicts_are_an_error(content, message):
    with pytest.raises(ValueError, match=message):
        find_layout(content)


@pytest.mark.parametrize(
    'content, message',
    [
        ('{', 'arm.json'),
        ('[]', 'expected'),
        ('{"num_node": 0, "edges": [], "center": 0}', 'num_node=0'),
        ('{"num_node": 2, "edges": [[0, 1]], "center": 2}', 'center=2'),
        ('{"num_node": 2, "edges": [[0, 2]], "center": 0}', r'edge \[0, 2\]'),
        ('{"num_node": 3, "edges": [[0, 1]], "center": 0}', r'joints \[2\]'),
        ('{"num_node": 2, "edges": [[0, 1], [1, 0]], "center": 0}', '2 edges join 2 joints'),
        ('{"num_node": 1, "edges": [], "center": 0, "names": ["a", "b"]}', '2 names, 2 of them'),
        ('{"num_node": 2, "edges": [[0, 1]], "center": 0, "names": ["a", "a"]}', '1 of them diff'),
        ('{"num_node": 1, "edges": [], "center": 0, "names": [1]}', r'names \[1\]'),
        ('{"num_node": 1, "edges": [], "center": 0, "names": "a"}', 'names of type str'),
        ('{"num_node": 1, "edges": [], "center": 0, "left": [1], "right": [0]}', r'left=\[1\]'),
        ('{"num_node": 1, "edges": [], "center": 0, "left": [0], "right": [0]}', r'right=\[0\]'),
        ('{"num_node": 1, "edges": [], "center": 0, "left": [], "right": [0]}', r'right=\[0\]'),
        ('{"num_node": 1, "edges": [], "center": 0, "dims": "3"}', "dims='3'"),
        ('{"num_node": 1, "edges": [], "center": 0, "sides": []}', "'sides'"),
    ],
)
def test_wrong_json_is_an_error(tmp_path, content, message):
    path = tmp_path / 'arm.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        find_layout(str(path))


def test_it_stands_alone():
    """The lowest floor: nothing of the package and of MMAction2 is imported."""
    tree = ast.parse(Path(layouts.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    modules = {getattr(node, 'module', None) or node.names[0].name for node in imports}
    assert modules == {'json', 'collections', 'dataclasses', 'pathlib', 'typing'}
