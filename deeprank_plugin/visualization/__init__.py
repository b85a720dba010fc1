"""Plots and animations from arrays; nothing here computes results."""

from .confusion import plot_confusion
from .skeletons import draw_skeletons
from .training import plot_embeddings, plot_rounds

__all__ = ['draw_skeletons', 'plot_confusion', 'plot_embeddings', 'plot_rounds']
