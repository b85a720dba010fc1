"""The timeline of a recording: for each person stick figures above a row of named intervals."""

import textwrap
from typing import Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from deeprank_plugin.layouts import Layout, find_layout

from .figure import COLORS, as_clock, new_figure, truncate
from .skeletons import draw_body

WIDTH, STRIP, BARS = 10.0, 0.8, 0.5  # inches
LETTER = 0.062  # inches
MOST_NAMES = 12  # in the legend: those of the longest total time


class TimelineRow(NamedTuple):
    """One person's row; times in seconds.

    Attributes:
        title: Text beside the row.
        body: Index of the person among the recording's bodies.
        seen: (start, end) of the parts that show the person.
        intervals: (start, end, name, score) of the named intervals, scores in [0, 1].
    """

    title: str
    body: int
    seen: Sequence[Tuple[float, float]]
    intervals: Sequence[Tuple[float, float, str, float]]


def plot_timeline(
    keypoint: np.ndarray,
    rows: Sequence[TimelineRow],
    fps: float,
    title: str = '',
    layout: Union[str, Dict, Layout] = 'nturgb+d',
    figures: int = 10,
) -> Figure:
    """Draw, for each person, stick figures at evenly spaced moments above a row of intervals.

    A grey line shows where a person is present, a bar each named interval: its colour is the
    class's, its height the score. Names stand in bars that are wide enough, and in a legend.

    Args:
        keypoint (np.ndarray): The recording, of shape (M, T, V, C).
        rows (Sequence[TimelineRow]): One for each person.
        fps (float): Frames per second.
        title (str): Title. Defaults to ''.
        layout (str, dict or Layout): As for :func:`~deeprank_plugin.layouts.find_layout`.
            Defaults to 'nturgb+d'.
        figures (int): Number of moments drawn. Defaults to 10.
    """
    layout = find_layout(layout)
    duration = keypoint.shape[1] / fps
    colors = choose_colors(rows)
    names = 0.2 * -(-min(len(colors), MOST_NAMES + 1) // 3)
    figure = new_figure(WIDTH, (STRIP + BARS) * len(rows) + 0.75 + names)
    panels = figure.subplots(2 * len(rows), 1, height_ratios=[STRIP, BARS] * len(rows))
    for strip, axis, row in zip(panels[::2], panels[1::2], rows):
        draw_bars(axis, row, colors, duration)
        strip.set(xlim=(0, duration), ylim=(-0.5, 0.5), xticks=[], yticks=[], frame_on=False)
    panels[-1].set_xlabel('time (minutes:seconds)', fontsize=8)
    panels[-1].tick_params(axis='x', labelbottom=True, length=3)
    panels[-1].spines['bottom'].set_visible(True)
    figure.suptitle(title, fontsize=10, x=0.02, ha='left', color='0.35')
    if colors:
        add_legend(figure, colors)
    figure.draw_without_rendering()  # the layout: how wide a strip is says how wide a body is
    for strip, row in zip(panels[::2], rows):
        draw_strip(strip, keypoint[row.body], layout, duration, figures)
    return figure


def choose_colors(rows: Sequence[TimelineRow]) -> Dict[str, str]:
    """A colour for each name, those of the longest total time first and most distinct."""
    totals: Dict[str, float] = {}
    for row in rows:
        for start, end, name, _ in row.intervals:
            totals[name] = totals.get(name, 0.0) + end - start
    names = sorted(totals, key=lambda name: -totals[name])
    usable = [color for color in COLORS if color != COLORS[6]]  # black is the trunk's
    return {name: usable[index % len(usable)] for index, name in enumerate(names)}


def draw_strip(axis: Axes, body: np.ndarray, layout: Layout, duration: float, figures: int) -> None:
    """Stick figures of one body (T, V, C) in a panel whose x is time, where it is present."""
    frames = ((np.arange(figures) + 0.5) / figures * len(body)).astype(int)
    shown = [frame for frame in frames.tolist() if np.any(body[frame])]
    centered = {frame: center(body[frame]) for frame in shown}
    if not shown:
        return
    every = np.concatenate(list(centered.values()))
    size = np.nanmax(np.nanmax(every, axis=0) - np.nanmin(every, axis=0))
    box = axis.get_window_extent()
    seconds = duration * box.height / box.width  # as wide on the paper as the panel is high
    limit = 0.95 * min(1.0, box.width / figures / box.height)
    factors = np.array([limit * seconds, -limit if layout.planar else limit]) / max(size, 1e-6)
    for frame, points in centered.items():
        joints = np.nan_to_num(points * factors)
        joints[:, 0] += np.where(np.isnan(points[:, 0]), 0, (frame + 0.5) / len(body) * duration)
        draw_body(axis, joints, layout, alpha=1.0)


def center(joints: np.ndarray) -> np.ndarray:
    """x and y of present joints (V, C) about the middle of their box; absent joints are NaN."""
    present = np.asarray(joints.any(axis=-1))[:, None]
    points = np.where(present, joints[:, :2], np.nan).astype(float)
    return points - (np.nanmax(points, axis=0) + np.nanmin(points, axis=0)) / 2


def draw_bars(axis: Axes, row: TimelineRow, colors: Dict[str, str], duration: float) -> None:
    """One person's bars, with their names where these fit."""
    for start, end in row.seen:
        axis.plot([start, end], [-0.06] * 2, color='0.6', lw=2, solid_capstyle='butt')
    room = 0.85 * WIDTH / duration  # inches per second
    for start, end, name, score in row.intervals:
        color = colors[name]
        axis.bar(start, score, end - start, align='edge', color=color, edgecolor='white',
                 linewidth=0.6)  # yapf: disable
        letters = int((end - start) * room / LETTER)
        if letters >= 4:
            text = axis.text(
                (start + end) / 2, 0.05, truncate(name, letters), ha='center', fontsize=7
            )
            text.set_path_effects([withStroke(linewidth=2, foreground='white', alpha=0.7)])
    axis.set(xlim=(0, duration), ylim=(-0.12, 1), yticks=[0.5])
    axis.set_yticklabels([row.title], fontsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 5, 6, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda second, _: as_clock(second)))
    axis.tick_params(length=0, labelbottom=False, labelsize=8)
    axis.spines[:].set_visible(False)


def add_legend(figure: Figure, colors: Dict[str, str]) -> None:
    """Names and colours below the figure."""
    shown = list(colors.items())[:MOST_NAMES]
    handles = [Patch(color=color, label=name) for name, color in shown]
    if len(colors) > len(shown):
        handles.append(Patch(color='none', label=f'and {len(colors) - len(shown)} more'))
    figure.legend(handles=handles, loc='outside lower center', ncols=3, fontsize=7, frameon=False)


def running_labels(rows: Sequence[TimelineRow], frames: int, fps: float) -> List[List[str]]:
    """For an animation: the text of each person in each frame, '' where there is none."""
    labels = [[''] * frames for _ in rows]
    for texts, row in zip(labels, rows):
        for start, end, name, score in row.intervals:
            first, last = round(start * fps), min(round(end * fps), frames)
            text = f'{textwrap.fill(truncate(name), 22)}\n{score:.0%}'
            texts[first:last] = [text] * (last - first)
    return labels
