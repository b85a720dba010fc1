"""Joint layouts, and Kinect v1's joints as NTU's."""

import json

import numpy as np
import pytest

from deeprank_plugin.converters.layouts import find_layout, kinect_v1_to_ntu


def test_known_names():
    assert find_layout('nturgb+d').num_node == 25 and not find_layout('nturgb+d').planar
    assert find_layout('coco').num_node == 17 and find_layout('coco').planar
    kinect = find_layout('kinect-v1')
    assert kinect.num_node == 20 and len(kinect.inward) == 19
    with pytest.raises(ValueError, match="'smpl' is not known; expected 'nturgb\\+d'"):
        find_layout('smpl')


def test_from_json(tmp_path):
    path = tmp_path / 'arm.json'
    path.write_text(json.dumps(dict(num_node=4, edges=[[0, 1], [2, 1], [3, 2]], center=1)))
    layout = find_layout(str(path))
    assert layout.inward == [(0, 1), (2, 1), (3, 2)]
    assert layout.pairs == [(0, 1), (1, 1), (2, 1), (3, 2)]


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
    ],
)
def test_wrong_json_is_an_error(tmp_path, content, message):
    path = tmp_path / 'arm.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        find_layout(str(path))


def test_kinect_v1_by_hand():
    """Each joint stands at x = its number, but the head at y = 1 above the shoulder centre."""
    v1 = np.zeros((1, 2, 20, 3))
    v1[..., 0] = np.arange(20)
    v1[..., 2, :] = (2, 1, 4)
    v1[..., 3, :] = (4, 2, 4)
    v1[0, 1, 3] = 0  # no head in the second frame
    ntu = kinect_v1_to_ntu(v1)
    assert ntu.shape == (1, 2, 25, 3)
    np.testing.assert_allclose(ntu[0, 0, 2], (2.7, 1.35, 4))  # 0.35 of the way
    np.testing.assert_array_equal(ntu[0, 1, 2], 0)
    np.testing.assert_array_equal(ntu[..., 20, :], v1[..., 2, :])
    np.testing.assert_array_equal(ntu[0, 0, [21, 22, 23, 24], 0], [7, 7, 11, 11])
    same = [0, 1, *range(3, 20)]
    np.testing.assert_array_equal(ntu[..., same, :], v1[..., same, :])
    with pytest.raises(ValueError, match=r'shape \(2, 25, 3\)'):
        kinect_v1_to_ntu(np.zeros((2, 25, 3)))
