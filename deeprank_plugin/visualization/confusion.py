"""Confusion matrices."""

from typing import Optional, Sequence

import numpy as np
from matplotlib.figure import Figure

from .figure import new_figure


def plot_confusion(
    confusion: np.ndarray, names: Optional[Sequence[str]] = None, title: str = ''
) -> Figure:
    """Draw a confusion matrix, each row in percent of its class.

    Args:
        confusion (np.ndarray): Number of samples of class (row) that were given class (column), of
            shape (C, C).
        names (Sequence[str], optional): Names of the classes. Defaults to their numbers.
        title (str): Title. Defaults to ''.

    Returns:
        Figure: To be saved with ``savefig``.
    """
    number = len(confusion)
    names = [str(index) for index in range(number)] if names is None else list(names)
    counts = confusion.sum(axis=1, keepdims=True)
    percent = 100 * confusion / np.maximum(counts, 1)
    longest = max(map(len, names))
    size = min(max(4.0, 0.3 * number), 18.0)
    figure = new_figure(size + 1.2 + 0.07 * longest, size + 0.4 + 0.07 * longest)
    axes = figure.add_subplot()
    image = axes.imshow(percent, cmap='Blues', vmin=0, vmax=100)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label('share of the class (%)')
    axes.set(xlabel='predicted class', ylabel='true class', title=title)
    font = 8 if number <= 30 else 6 if number <= 70 else 4
    ticks = np.arange(number)
    axes.set_xticks(ticks, names, fontsize=font, rotation=90 if longest > 2 else 0)
    axes.set_yticks(ticks, names, fontsize=font)
    if number <= 30:  # figures in the cells as long as they can be read
        for row, column in zip(*np.nonzero(confusion)):
            axes.text(
                *(column, row, f'{percent[row, column]:.0f}'),
                ha='center',
                va='center',
                fontsize=7,
                color='white' if percent[row, column] > 55 else 'black',
            )
    return figure
