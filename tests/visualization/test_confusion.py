"""The picture of a confusion matrix shows its shares, its names, and classes without samples."""

import numpy as np
import pytest

from deeprank_plugin.visualization import plot_confusion


def test_shares_of_rows_and_absent_classes():
    confusion = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]])
    figure = plot_confusion(confusion, ['sit', 'stand', 'walk'], 'title')
    axes, bar = figure.axes
    shown = axes.images[0].get_array()
    assert shown.mask.tolist() == [[False] * 3, [True] * 3, [False] * 3]
    np.testing.assert_allclose(shown[[0, 2]], [[75, 25, 0], [50, 0, 50]])
    assert {t.get_position(): t.get_text() for t in axes.texts} == {
        (0, 0): '75',
        (1, 0): '25',
        (0, 2): '50',
        (2, 2): '50',
    }
    assert axes.get_xlabel() == 'predicted class' and axes.get_ylabel() == 'true class'
    assert [t.get_text() for t in axes.get_yticklabels()] == ['sit', 'stand', 'walk']
    assert bar.get_ylabel() == 'share of the class (%)'


@pytest.mark.parametrize('number, ticks', [(11, 11), (60, 12), (120, 24)])
def test_many_classes(number, ticks):
    axes = plot_confusion(np.eye(number, dtype=int)).axes[0]
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == ticks
    named = plot_confusion(np.eye(number, dtype=int), [f'name {i}' for i in range(number)])
    assert len(named.axes[0].get_yticks()) == number
    assert max(named.get_size_inches()) < 15


def test_names_that_do_not_fit():
    with pytest.raises(ValueError, match='2 names for 3 classes'):
        plot_confusion(np.eye(3, dtype=int), ['a', 'b'])


def test_confusion_shows_shares_of_each_class():
    confusion = np.array([[3, 1, 0], [0, 5, 0], [0, 0, 0]])
    figure = plot_confusion(confusion, ['wave', 'sit', 'jump'], 'title')
    axis = figure.axes[0]
    np.testing.assert_allclose(axis.images[0].get_array(), [[75, 25, 0], [0, 100, 0], [0, 0, 0]])
    assert [text.get_text() for text in axis.texts] == ['75', '25', '100']
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ['wave', 'sit', 'jump']
    assert axis.get_ylabel() == 'true class'
    many = plot_confusion(np.eye(60, dtype=int))
    assert not many.axes[0].texts
