"""Pictures of the analysis tools show what they were given."""

import numpy as np

from deeprank_plugin.visualization.analysis import (
    plot_agreement,
    plot_class_distances,
    plot_precision,
)


def test_agreement_has_a_panel_a_stream_and_a_curve_a_view():
    curves = {
        'joint': dict(bone=np.array([0.1, 0.2]), motion=np.array([0.3, 0.25])),
        'bone': dict(joint=np.array([0.1, 0.4])),
    }
    figure = plot_agreement(np.array([10, 100]), curves)
    assert [axes.get_title() for axes in figure.axes] == ['joint', 'bone']
    lines = figure.axes[0].lines
    np.testing.assert_allclose([line.get_ydata() for line in lines], [[10, 20], [30, 25]])
    assert [text.get_text() for text in figure.axes[0].texts] == ['20.0 %', '25.0 %']
    assert figure.axes[0].get_ylim()[1] > 40


def test_class_distances_share_one_scale():
    first, second = np.array([[0.1, 0.5], [0.5, np.nan]]), np.array([[0.2, 0.9], [0.9, 0.3]])
    figure = plot_class_distances(dict(before=first, after=second), ['wave', 'sit'])
    images = [axes.images[0] for axes in figure.axes[:2]]
    assert [image.get_clim() for image in images] == [(0.1, 0.9)] * 2
    np.testing.assert_array_equal(images[1].get_array(), second)
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ['wave  0', 'sit  1']


def test_precision_marks_chance_where_it_is_known():
    figure = plot_precision(dict(DeepRank=0.8, clusters=0.6), dict(DeepRank=0.5))
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches[:2]] == [80, 60]
    assert [text.get_text() for text in axes.texts] == ['80.0', '60.0']
    marks = [line.get_xdata() for line in axes.lines if len(line.get_xdata())]
    np.testing.assert_array_equal(marks, [[50, 50]])
