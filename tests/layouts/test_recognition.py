"""Layouts that files fit: by joints and channels, and where several do by the numbers."""

import ast
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin import layouts
from deeprank_plugin.layouts import LAYOUTS, recognise_layouts
from deeprank_plugin.layouts.recognition import fitting_layouts


def poses(joints, kind, rng=None):
    """Two sequences (1, 5, V, C): metres, millimetres, pixels with scores or without, unit box."""
    rng = np.random.default_rng(0) if rng is None else rng
    metres = rng.normal(0, 0.4, (2, 1, 5, joints, 3)) + (0, 0.9, 3)
    pixels = rng.uniform(50, 400, (2, 1, 5, joints, 2))
    scores = rng.uniform(0, 1, (2, 1, 5, joints, 1))
    return list(
        dict(
            metres=metres,
            millimetres=1000 * metres,
            scored=np.concatenate([pixels, scores], axis=-1),
            pixels=pixels,
            unit=np.concatenate([pixels / 500, scores], axis=-1),
        )[kind]
    )


@pytest.mark.parametrize(
    ('joints', 'kind', 'apart', 'names'),
    [
        (25, 'metres', False, ['nturgb+d']),
        (25, 'millimetres', False, ['nturgb+d']),
        (25, 'scored', False, ['body25']),
        (25, 'pixels', True, ['body25']),
        (25, 'pixels', False, []),
        (25, 'unit', False, ['nturgb+d', 'body25']),
        (25, 'unit', True, ['nturgb+d']),  # scores stored apart: z is a coordinate
        (17, 'metres', False, ['h36m']),
        (17, 'scored', False, ['coco']),
        (17, 'pixels', True, ['coco']),
        (17, 'unit', False, ['coco', 'h36m']),
        (33, 'metres', False, ['mediapipe']),
        (33, 'scored', False, ['mediapipe-2d']),
        (33, 'pixels', True, ['mediapipe-2d']),
        (18, 'scored', False, ['openpose']),
        (18, 'metres', False, ['openpose']),  # no other has 18 joints
        (20, 'metres', False, ['kinect-v1']),
        (24, 'metres', False, ['smpl']),
        (32, 'millimetres', False, ['azure-kinect']),
        (15, 'metres', False, []),
    ],
)
def test_numbers_decide(joints, kind, apart, names):
    assert [layout.name for layout in recognise_layouts(poses(joints, kind), apart)] == names


def test_one_number_that_is_no_score_is_enough():
    for value in (-0.01, 1.01):
        first, second = poses(17, 'unit')
        second[0, 3, 16, 2] = value
        assert [layout.name for layout in recognise_layouts([first, second])] == ['h36m']
    first, second = poses(17, 'scored')
    second[0, 3, 16, 2] = 1.2  # estimators exceed 1 now and then
    assert [layout.name for layout in recognise_layouts([first, second])] == ['coco']


def test_metres_whose_depth_could_be_scores_are_left_open():
    metres = poses(17, 'unit')
    for sequence in metres:
        sequence[..., 0] += 6  # metres to the side of the camera: no pixels
    assert [layout.name for layout in recognise_layouts(metres)] == ['coco', 'h36m']


def test_joints_and_channels():
    assert [layout.name for layout in fitting_layouts(25, 3)] == ['nturgb+d', 'body25']
    assert [layout.name for layout in fitting_layouts(33, 2, scored=True)] == ['mediapipe-2d']
    assert fitting_layouts(17, 2) == []
    for layout in LAYOUTS.values():
        assert layout in fitting_layouts(layout.num_joints, layout.dims, scored=True)


def test_the_package_stands_alone():
    """The lowest floor: nothing of the package and of MMAction2 is imported."""
    modules = set()
    for path in Path(layouts.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level != 1:
                modules.add(node.module)
    known = {'json', 'collections', 'dataclasses', 'functools', 'numpy', 'pathlib', 'typing'}
    assert modules == known
