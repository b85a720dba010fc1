"""Stick figures of skeleton sequences."""

from typing import Dict, Sequence, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprank_plugin.layouts import Layout, find_layout

from .figure import COLORS, new_figure

# left limbs, right limbs, trunk; the second body is paler
LINE_COLORS = dict(left=COLORS[0], right=COLORS[3], trunk=COLORS[6])


def draw_skeletons(
    sequences: Sequence[np.ndarray],
    titles: Sequence[str],
    frames: int = 8,
    layout: Union[str, Dict, Layout] = 'nturgb+d',
) -> Figure:
    """Draw one row per sequence, with some frames side by side, as the camera sees them.

    Left limbs are blue, right limbs orange, the trunk black; a second body is paler. Joints that
    are absent (exactly zero) are not drawn. x points right and y up; in planar layouts, y points
    down.

    Args:
        sequences (Sequence[np.ndarray]): Each of shape (M, T, V, C).
        titles (Sequence[str]): One title per row.
        frames (int): Frames drawn per sequence, evenly spaced. Defaults to 8.
        layout (str, dict or Layout): As for :func:`~deeprank_plugin.layouts.find_layout`.
            Defaults to 'nturgb+d'.
    """
    layout = find_layout(layout)
    figure = new_figure(1.0 * frames + 1.2, 1.25 * len(sequences))
    axes = figure.subplots(len(sequences), frames, squeeze=False)
    for row, sequence, title in zip(axes, sequences, titles):
        shown = np.linspace(0, sequence.shape[1] - 1, frames).round().astype(int)
        present = sequence.any(axis=-1)
        low, high = sequence[present][:, :2].min(axis=0), sequence[present][:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low).max() / 2 + 0.05
        for axis, frame in zip(row, shown):
            for number, body in enumerate(sequence):
                draw_body(axis, body[frame], layout, alpha=0.45 if number else 1.0)
            axis.set(
                xlim=(middle[0] - half, middle[0] + half),
                ylim=(middle[1] - half, middle[1] + half),
                xticks=[],
                yticks=[],
                aspect='equal',
            )
            if layout.planar:
                axis.invert_yaxis()
            axis.set_frame_on(False)
            axis.set_xlabel(f'{frame}', fontsize=7, color='0.4', labelpad=1)
        row[0].set_ylabel(title, rotation=0, ha='right', va='center', fontsize=10)
    return figure


def draw_body(axis: Axes, joints: np.ndarray, layout: Layout, alpha: float) -> None:
    """Draw the bones of one body of shape (V, C)."""
    for joint, parent in layout.bones:
        if joints[joint].any() and joints[parent].any():
            xs, ys = joints[[joint, parent], :2].T
            color = LINE_COLORS[layout.side(joint)]
            axis.plot(xs, ys, color=color, alpha=alpha, lw=1.6, solid_capstyle='round')
