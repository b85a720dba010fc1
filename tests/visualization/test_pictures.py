"""Pictures show what they were given."""

import numpy as np

from deeprank_plugin.visualization import (
    draw_skeletons,
    plot_confusion,
    plot_embeddings,
    plot_rounds,
)


def test_skeletons_draw_the_bones_of_present_joints():
    sequence = np.random.default_rng(0).normal(size=(2, 9, 25, 3))
    sequence[1] = 0
    sequence[0, 4, 7] = 0  # a hand that carries two more joints: three bones are not drawn
    figure = draw_skeletons([sequence, sequence[:1]], ['first', 'second'], frames=3)
    assert len(figure.axes) == 6
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ['first', 'second']
    assert [axis.get_xlabel() for axis in figure.axes[:3]] == ['0', '4', '8']
    assert [len(axis.lines) for axis in figure.axes[:3]] == [24, 22, 24]


def test_embeddings_have_a_panel_each_and_a_legend():
    points = np.random.default_rng(0).normal(size=(30, 2))
    labels = np.arange(30) % 3
    figure = plot_embeddings(dict(before=points, after=-points), labels, ['a', 'b', 'c'])
    assert [axis.get_title() for axis in figure.axes] == ['before', 'after']
    shown = np.concatenate([c.get_offsets() for c in figure.axes[1].collections])
    np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(-points, axis=0))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['a', 'b', 'c']


def test_rounds_show_what_was_logged():
    rounds = [
        dict(round=0, knn=0.4, effective_rank=7),
        dict(round=1, knn=0.5, effective_rank=6, flipped=0.2, train_acc_rank=0.8, val_acc=0.7),
    ]
    figure = plot_rounds(rounds)
    by_title = {axis.get_title(): axis for axis in figure.axes}
    (line,) = by_title['1-NN accuracy (leave-one-out)'].lines
    assert line.get_xydata().tolist() == [[0, 0.4], [1, 0.5]]
    accuracies = [line.get_ydata().tolist() for line in by_title['Ranking accuracy'].lines]
    assert accuracies == [[0.8], [0.7]]


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
