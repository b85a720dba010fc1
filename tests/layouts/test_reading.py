"""Layouts by name, and of one's own from dicts and files."""

import json

import pytest

from deeprank_plugin.layouts import LAYOUTS, Layout, find_layout


def test_names():
    for name, layout in LAYOUTS.items():
        assert find_layout(name) is layout and find_layout(layout) is layout
    with pytest.raises(ValueError, match="'ntu' is not known; expected 'nturgb\\+d', 'co.*json"):
        find_layout('ntu')


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
