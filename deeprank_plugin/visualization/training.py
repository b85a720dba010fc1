"""Plots of a pretraining run, from arrays."""

from typing import Dict, List, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figure import COLORS, new_figure

MARKERS = 'os^vDPX*'


def plot_embeddings(
    embeddings: Dict[str, np.ndarray], labels: np.ndarray, class_names: Sequence[str]
) -> Figure:
    """Plot two-dimensional embeddings side by side, coloured by class.

    Args:
        embeddings (dict): Title to points of shape (N, 2).
        labels (np.ndarray): Classes of shape (N,).
        class_names (Sequence[str]): Name of each class.
    """
    figure = new_figure(4.6 * len(embeddings) + 1.6, 4.6)
    axes = figure.subplots(1, len(embeddings), squeeze=False)[0]
    for axis, (title, points) in zip(axes, embeddings.items()):
        for label in np.unique(labels):
            chosen = labels == label
            axis.scatter(
                *points[chosen].T,
                s=16,
                color=COLORS[label % len(COLORS)],
                marker=MARKERS[label % len(MARKERS)],
                linewidths=0,
                alpha=0.8,
                label=class_names[label],
            )
        axis.set(title=title, xticks=[], yticks=[])
    figure.legend(*axes[0].get_legend_handles_labels(), loc='outside right upper', fontsize=8)
    return figure


def plot_rounds(rounds: List[Dict[str, float]]) -> Figure:
    """Plot the metrics logged at each relabelling, over the rounds.

    Args:
        rounds (list[dict]): Metrics of ``RelabelHook`` without their prefix, with ``round``.
    """
    panels = [
        (
            'Ranking accuracy',
            {'train_acc_rank': 'training part', 'val_acc': 'held-out part'},
            'share of triplets',
        ),
        ('Labels flipped since the last round', {'flipped': 'flipped'}, 'share of triplets'),
        ('1-NN accuracy (leave-one-out)', {'knn': '1-NN'}, 'share of sequences'),
        ('Effective rank of the features', {'effective_rank': 'effective rank'}, 'dimensions'),
    ]
    figure = new_figure(12, 3)
    for axis, (title, series, unit) in zip(figure.subplots(1, len(panels)), panels):
        for number, (key, name) in enumerate(series.items()):
            known = [(entry['round'], entry[key]) for entry in rounds if key in entry]
            if known:
                style = dict(marker=MARKERS[number], color=COLORS[number])
                axis.plot(*zip(*known), label=name, **style)
        axis.set(title=title, xlabel='rounds completed', ylabel=unit)
        axis.title.set_fontsize(9)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_ylim(0, 1.1 * axis.get_ylim()[1])
        if len(series) > 1:
            axis.legend(fontsize=8)
    return figure
