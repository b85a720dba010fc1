"""Timelines: bars lie where intervals do, bodies stand at their moment."""

import numpy as np
import pytest

from deeprank_plugin.visualization.figure import COLORS
from deeprank_plugin.visualization.timeline import (
    MOST_NAMES,
    TimelineRow,
    choose_colors,
    plot_timeline,
    running_labels,
)

ROWS = [
    TimelineRow('one', 0, [(0, 20)], [(0, 12, 'waving both hands', 0.9), (12, 20, 'sit', 0.5)]),
    TimelineRow('two', 1, [(4, 8), (10, 12)], [(4, 8, 'sit', 0.25)]),
]


def bodies(joints=25):
    keypoint = np.random.default_rng(0).normal(size=(2, 40, joints, 3)) + 7
    keypoint[1, :8] = keypoint[1, 24:] = 0  # two frames per second
    return keypoint


@pytest.fixture(scope='module')
def panels():
    figure = plot_timeline(bodies(), ROWS, fps=2, title='hall', figures=5)
    return figure, figure.axes[::2], figure.axes[1::2]


def test_bars_are_the_intervals(panels):
    _, _, (one, two) = panels
    colors = choose_colors(ROWS)
    assert list(colors) == ['waving both hands', 'sit'] and COLORS[6] not in colors.values()
    for axis, row in ((one, ROWS[0]), (two, ROWS[1])):
        assert axis.get_xlim() == (0, 20)
        for bar, (start, end, name, score) in zip(axis.patches, row.intervals):
            assert (bar.get_x(), bar.get_width(), bar.get_height()) == (start, end - start, score)
            assert bar.get_facecolor()[:3] == pytest.approx(
                [int(colors[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
            )
        lines = [tuple(line.get_xdata()) for line in axis.lines]
        assert lines == row.seen
        assert [label.get_text() for label in axis.get_yticklabels()] == [row.title]
    assert [text.get_text() for text in one.texts] == ['waving both hands', 'sit']


def test_bodies_stand_at_their_moments_where_they_are_present(panels):
    _, (one, two), _ = panels
    middles = [2, 6, 10, 14, 18]  # of five parts of 20 seconds
    for axis, expected in ((one, middles), (two, [6, 10])):
        assert len(axis.lines) == 24 * len(expected)
        for group, moment in zip(np.array_split(np.arange(len(axis.lines)), len(expected)),
                                 expected):  # yapf: disable
            points = np.concatenate([axis.lines[i].get_xydata() for i in group])
            assert abs((points[:, 0].max() + points[:, 0].min()) / 2 - moment) < 0.3
            assert np.abs(points[:, 1]).max() <= 0.5
            assert np.ptp(points[:, 0]) < 4  # beside each other


def test_bodies_keep_their_proportions():
    square = np.zeros((1, 10, 3, 3))
    square[:, :, 1, 0] = square[:, :, 2, 1] = 2.0
    square[:, :, 0, 2] = 1.0  # present
    layout = dict(num_joints=3, pairs=[(0, 0), (1, 0), (2, 0)])
    rows = [TimelineRow('p', 0, [(0, 5)], [])]
    figure = plot_timeline(square, rows, 2, layout=layout, figures=1)
    axis = figure.axes[0]
    pixels = [axis.transData.transform(line.get_xydata()) for line in axis.lines]
    assert len(pixels) == 2
    lengths = [np.linalg.norm(line[1] - line[0]) for line in pixels]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.01)


def test_pixels_point_down():
    rows = [TimelineRow('p', 0, [(0, 20)], [])]
    keypoint = bodies(17)[:1]
    keypoint[..., 0, 1] = 100  # the nose is lowest in the image
    figure = plot_timeline(keypoint, rows, 2, layout='coco', figures=2)
    ends = np.concatenate([line.get_xydata() for line in figure.axes[0].lines])
    assert ends[:, 1].min() < -0.4 and np.median(ends[:, 1]) > 0.3


def test_a_person_who_is_never_at_a_drawn_moment():
    rows = [TimelineRow('p', 1, [(4, 12)], [])]
    assert not plot_timeline(bodies(), rows, 2, figures=1).axes[0].lines == []
    late = bodies()
    late[1, 8:23] = 0
    assert not plot_timeline(late, rows, 2, figures=1).axes[0].lines


def test_the_legend_ends():
    many = [(i, i + 1, f'class {i}', 0.5) for i in range(MOST_NAMES + 3)]
    figure = plot_timeline(bodies(), [TimelineRow('p', 0, [(0, 20)], many)], 2)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == MOST_NAMES + 1 and texts[-1] == 'and 3 more'


def test_running_labels():
    one, two = running_labels(ROWS, frames=39, fps=2)
    assert one[0] == one[23] == 'waving both hands\n90%' and one[24] == 'sit\n50%'
    assert len(one) == len(two) == 39 and two[7] == two[16] == '' and two[8] == 'sit\n25%'
