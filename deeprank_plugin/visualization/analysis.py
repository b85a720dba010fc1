"""Plots of the analysis tools."""

from typing import Dict, Optional, Sequence

import numpy as np
from matplotlib.figure import Figure

from .figure import COLORS, new_figure


def plot_agreement(triplets: np.ndarray, curves: Dict[str, Dict[str, np.ndarray]]) -> Figure:
    """Share of labels that differ from view self against the number of triplets (Fig. 4).

    Args:
        triplets (np.ndarray): Triplet counts of shape (K,).
        curves (dict): Stream to view to shares in [0, 1], of shape (K,).
    """
    figure = new_figure(3.2 * len(curves) + 0.4, 2.9)
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (stream, views) in zip(panels, curves.items()):
        for index, (view, shares) in enumerate(views.items()):
            color, style = COLORS[3 * index], ('-', '--')[index]
            axes.plot(triplets, 100 * shares, style, color=color, label=f'{view}')
            axes.annotate(
                f'{100 * shares[-1]:.1f} %',
                (triplets[-1], 100 * shares[-1]),
                xytext=(-2, 4),
                textcoords='offset points',
                ha='right',
                fontsize=8,
                color=color,
            )
        axes.set(xscale='log', xlabel='triplets', title=stream)
        axes.grid(alpha=0.3)
    largest = max(shares.max() for views in curves.values() for shares in views.values())
    panels[0].set_ylim(0, max(115 * largest, 1))
    panels[0].set_ylabel("labels that differ from\nview 'self' (%)")
    panels[0].legend(title='view', fontsize=8, title_fontsize=8)
    return figure


def plot_class_distances(
    matrices: Dict[str, np.ndarray], names: Optional[Sequence[str]] = None
) -> Figure:
    """Mean cosine distances between classes, side by side with a shared colour scale (Fig. 6).

    Args:
        matrices (dict): Title to matrix of shape (C, C).
        names (Sequence[str], optional): Names of the classes. Defaults to their numbers.
    """
    number = len(next(iter(matrices.values())))
    margin = 0.4 if names is None else 0.055 * max(map(len, names))
    figure = new_figure(2.6 * len(matrices) + 1.0 + margin, 3.2)
    panels = figure.subplots(1, len(matrices), sharey=True, squeeze=False)[0]
    low = min(np.nanmin(matrix) for matrix in matrices.values())
    high = max(np.nanmax(matrix) for matrix in matrices.values())
    for axes, (title, matrix) in zip(panels, matrices.items()):
        image = axes.imshow(matrix, cmap='cividis', vmin=low, vmax=high)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel('class')
        step = 1 if number <= 12 else 5 if number <= 60 else 10
        axes.set_xticks(range(0, number, step))
        axes.set_yticks(range(0, number, step))
    panels[0].set_ylabel('class')
    if names is not None and number <= 30:
        labels = [f'{name}  {index}' for index, name in enumerate(names)]
        panels[0].set_yticks(range(number), labels, fontsize=6)
    figure.colorbar(image, ax=list(panels), shrink=0.85, label='mean cosine distance')
    return figure


def plot_precision(shares: Dict[str, float], chance: Dict[str, float]) -> Figure:
    """Share of correct pseudo-labels as bars, with chance level marked (Fig. 8).

    Args:
        shares (dict): Title to share in [0, 1].
        chance (dict): Title to the share expected by chance, where known; the other bars, in
            another colour, are cluster purities.
    """
    figure = new_figure(5.2, 0.36 * len(shares) + 1.2)
    axes = figure.add_subplot()
    for row, (title, share) in enumerate(shares.items()):
        axes.barh(row, 100 * share, height=0.6, color=COLORS[0 if title in chance else 1])
        axes.text(100 * share + 1, row, f'{100 * share:.1f}', va='center', fontsize=8)
        if title in chance:
            level = 100 * chance[title]
            axes.plot([level, level], [row - 0.4, row + 0.4], color='black', lw=1.5)
    axes.plot([], [], color='black', lw=1.5, label='chance')
    axes.barh(0, 0, color=COLORS[0], label='triplets that one candidate decides')
    if len(chance) < len(shares):
        axes.barh(0, 0, color=COLORS[1], label='samples in their cluster')
    axes.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axes.set(xlabel='pseudo-labels that agree with the classes (%)', xlim=(0, 108))
    axes.invert_yaxis()
    figure.legend(fontsize=7, loc='outside upper center', ncols=3)
    return figure
