"""Stick figures have the bones whose joints are present."""

import numpy as np

from deeprank_plugin.visualization import draw_skeletons
from deeprank_plugin.visualization.skeletons import LINE_COLORS


def test_skeletons_draw_the_bones_of_present_joints():
    sequence = np.random.default_rng(0).normal(size=(2, 9, 25, 3))
    sequence[1] = 0
    sequence[0, 4, 7] = 0  # a hand that carries two more joints: three bones are not drawn
    figure = draw_skeletons([sequence, sequence[:1]], ['first', 'second'], frames=3)
    assert len(figure.axes) == 6
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ['first', 'second']
    assert [axis.get_xlabel() for axis in figure.axes[:3]] == ['0', '4', '8']
    assert [len(axis.lines) for axis in figure.axes[:3]] == [24, 22, 24]


def test_skeletons_of_another_layout_point_as_it_does():
    sequence = np.random.default_rng(0).normal(size=(1, 2, 17, 2))
    (axis,) = draw_skeletons([sequence], ['pixels'], frames=1, layout='coco').axes
    assert len(axis.lines) == 16 and axis.yaxis_inverted()
    colors = [line.get_color() for line in axis.lines]
    assert [colors.count(LINE_COLORS[side]) for side in ('left', 'right', 'trunk')] == [8, 8, 0]
    star = dict(num_joints=3, pairs=[(0, 0), (1, 0), (2, 0)])
    (axis,) = draw_skeletons([sequence[:, :, :3]], ['star'], frames=1, layout=star).axes
    assert len(axis.lines) == 2 and not axis.yaxis_inverted()
