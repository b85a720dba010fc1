"""Plot confusion matrices."""

from typing import Optional, Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from .figure import new_figure


def plot_confusion(
    confusion: np.ndarray, names: Optional[Sequence[str]] = None, title: str = ''
) -> Figure:
    """Draw a confusion matrix, each row in percent of its class; grey where a class has no samples.

    Colours follow the square root of the share, so that rare confusions are visible too. This, grey
    rows, and sizes that keep 120 classes legible are missing from scikit-learn's
    ``ConfusionMatrixDisplay``.

    Args:
        confusion (np.ndarray): Number of samples of class (row) predicted as class (column), of
            shape (C, C).
        names (Sequence[str], optional): Names of the classes. Defaults to their numbers.
        title (str): Title. Defaults to ''.

    Returns:
        Figure: To be saved with ``savefig``.

    Raises:
        ValueError: If the number of names differs from that of classes.
    """
    number = len(confusion)
    numbers = [str(index) for index in range(number)]
    names = numbers if names is None else list(names)
    if len(names) != number:
        raise ValueError(f'{len(names)} names for {number} classes; expected one for each')
    plain = names == numbers
    counts = confusion.sum(axis=1, keepdims=True)
    percent = np.ma.masked_invalid(
        np.where(counts > 0, 100 * confusion / np.maximum(counts, 1), np.nan)
    )
    longest = max(map(len, names))
    cell, font = (0.3, 8) if number <= 30 else (0.15, 7) if number <= 70 else (0.1, 5)
    size = max(4.0, cell * number)
    margin = font / 8 * 0.07 * longest
    figure = new_figure(size + 1.2 + margin, size + 0.4 + margin)
    axes = figure.add_subplot()
    axes.set_facecolor('0.8')
    image = axes.imshow(percent, cmap='Blues', norm=PowerNorm(0.5, 0, 100))
    bar = figure.colorbar(
        image, ax=axes, shrink=0.8, pad=0.02, ticks=[0, 1, 5, 10, 25, 50, 75, 100]
    )
    bar.set_label('share of the class (%)')
    axes.set(xlabel='predicted class', ylabel='true class', title=title)
    ticks = np.arange(0, number, 5 if plain and number > 30 else 1)
    shown = [names[tick] for tick in ticks]
    axes.set_xticks(ticks, shown, fontsize=font, rotation=0 if plain else 90)
    axes.set_yticks(ticks, shown, fontsize=font)
    if number <= 30:  # numbers in the cells while they are legible
        for row, column in zip(*np.nonzero(confusion)):
            axes.text(
                *(column, row, f'{percent[row, column]:.0f}'),
                ha='center',
                va='center',
                fontsize=7,
                color='white' if percent[row, column] > 35 else 'black',
            )
    return figure
