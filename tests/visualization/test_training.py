"""Pictures of a pretraining run show what they were given."""

import numpy as np

from deeprank_plugin.visualization import plot_embeddings, plot_rounds


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
