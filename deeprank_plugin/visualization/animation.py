"""Animate a skeleton beside a model's prediction, as GIF or MP4."""

import math
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from PIL.Image import Image

from deeprank_plugin.layouts import Layout, find_layout

from .figure import COLORS, new_figure, truncate, write_whole
from .skeletons import LINE_COLORS

DOTS_PER_INCH = 100
SUFFIXES = ('.gif', '.mp4')
FASTEST_GIF = 50
"""Pictures per second: viewers slow down delays below 2/100 s."""


class SkeletonFigure:
    """A figure with a skeleton that can show any frame.

    Left limbs are blue, right limbs orange, the trunk black; further bodies are paler. Joints that
    are absent (exactly zero) are not drawn. The view is that of the camera, x to the right and y
    up; planar layouts ('coco', 'openpose') are in pixels, y down.

    Args:
        keypoint (np.ndarray): Of shape (M, T, V, C), C at least 2.
        title (str): Title of the figure. Defaults to ''.
        top (Sequence): (name, score) of the classes to list, highest score first, scores in
            [0, 1]. Defaults to (): only the skeleton.
        truth (str, optional): Name of the true class, if known. Defaults to None.
        layout (str, dict or Layout): As for :func:`~deeprank_plugin.layouts.find_layout`.
            Defaults to 'nturgb+d'.
        labels (Sequence[Sequence[str]], optional): Text above each of the M bodies in each of the T
            frames. Defaults to None: no text.

    Raises:
        ValueError: If the shape does not match the layout, no frame shows a joint, or labels are
            not M times T texts.
    """

    def __init__(
        self,
        keypoint: np.ndarray,
        title: str = '',
        top: Sequence[Tuple[str, float]] = (),
        truth: Optional[str] = None,
        layout: Union[str, Dict, Layout] = 'nturgb+d',
        labels: Optional[Sequence[Sequence[str]]] = None,
    ) -> None:
        layout = find_layout(layout)
        joints = layout.num_joints
        keypoint = np.asarray(keypoint)
        if keypoint.ndim != 4 or keypoint.shape[2] != joints or keypoint.shape[3] < 2:
            raise ValueError(
                f'keypoint has shape {keypoint.shape}; expected (M, T, {joints}, 2 or 3) for '
                f'layout {layout.name!r}'
            )
        if labels is not None and [len(texts) for texts in labels] != (
            [keypoint.shape[1]] * len(keypoint)
        ):
            raise ValueError(
                f'labels of lengths {[len(texts) for texts in labels]}; expected one text for each '
                f'of {len(keypoint)} bodies and {keypoint.shape[1]} frames'
            )
        self.labels = [] if labels is None else labels
        self.present = np.asarray(keypoint.any(axis=-1))
        if not self.present.any():
            raise ValueError('keypoint is zero throughout; expected at least one joint to draw')
        self.points = keypoint[..., :2].astype(float)
        self.bones, self.planar = layout.bones, layout.planar
        self.colors = [LINE_COLORS[layout.side(joint)] for joint, _ in self.bones]
        self.figure, body, side = new_panels(bool(top))
        self.set_up_axes(body, upright=not layout.planar)
        self.figure.suptitle(truncate(title, 60), fontsize=10, x=0.02, ha='left', color='0.35')
        if side is not None:
            list_classes(side, top, truth)
        self.show_frame(self.num_frames - 1)  # the longest text, so the layout leaves room for it
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine('none')  # or every frame would recompute it

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return self.points.shape[1]

    def set_up_axes(self, axis: Axes, upright: bool) -> None:
        """Set the limits for all frames, and add the artists that :meth:`show_frame` updates."""
        seen = self.points[self.present]
        low, high = seen.min(axis=0), seen.max(axis=0)
        middle, half = (low + high) / 2, 0.54 * (high - low).max() + 1e-6
        axis.set(xlim=(middle[0] - half, middle[0] + half), xticks=[], yticks=[], aspect='equal')
        axis.set_ylim(middle[1] - half, middle[1] + half)
        ground = low[1]
        if not upright:
            axis.invert_yaxis()
            ground = high[1]
        axis.set_frame_on(False)
        axis.axhline(ground, color='0.85', lw=1, zorder=0)
        self.lines: List[LineCollection] = []
        self.dots: List[PathCollection] = []
        for body in range(len(self.points)):
            alpha = 1.0 if body == 0 else 0.45
            lines = LineCollection([], linewidths=3, alpha=alpha, capstyle='round', zorder=2)
            axis.add_collection(lines)
            self.lines.append(lines)
            self.dots.append(
                axis.scatter([], [], s=9, color='white', edgecolors='0.25', linewidths=0.7,
                             alpha=alpha, zorder=3)
            )  # yapf: disable
        self.texts = [
            axis.annotate('', (0, 0), (0, 4), textcoords='offset points', fontsize=8, ha='center')
            for _ in self.labels
        ]
        self.clock = axis.text(
            0.0, 0.0, '', transform=axis.transAxes, fontsize=8, color='0.45', va='top'
        )

    def show_frame(self, frame: int) -> None:
        """Draw one frame, from 0."""
        for body, (lines, dots) in enumerate(zip(self.lines, self.dots)):
            points, present = self.points[body, frame], self.present[body, frame]
            drawn = [i for i, (a, b) in enumerate(self.bones) if present[a] and present[b]]
            lines.set_segments([points[list(self.bones[i])] for i in drawn])
            lines.set_color([self.colors[i] for i in drawn])
            dots.set_offsets(points[present])
        for body, text in enumerate(self.texts):
            points = self.points[body, frame][self.present[body, frame]]
            text.set_text(self.labels[body][frame] if len(points) else '')
            if len(points):
                top = points[points[:, 1].argmin() if self.planar else points[:, 1].argmax()]
                text.xy = (points[:, 0].mean(), top[1])
        self.clock.set_text(f'frame {frame + 1} of {self.num_frames}')


def new_panels(listed: bool) -> Tuple[Figure, Axes, Optional[Axes]]:
    """A figure with a panel for the skeleton and, optionally, one for a list of classes."""
    if not listed:
        figure = new_figure(4.0, 4.2)
        return figure, figure.subplots(), None
    figure = new_figure(7.2, 4.2)
    body, side = figure.subplots(1, 2, width_ratios=(4, 3.2))
    return figure, body, side


def list_classes(axis: Axes, top: Sequence[Tuple[str, float]], truth: Optional[str]) -> None:
    """Draw class names above bars of their scores; the first in bold."""
    for row, (name, score) in enumerate(top):
        color = COLORS[0] if row == 0 else COLORS[5]
        axis.barh(row, 1, height=0.22, color='0.93')
        axis.barh(row, score, height=0.22, color=color)
        weight = 'bold' if row == 0 else 'normal'
        axis.text(0, row - 0.2, truncate(name), fontsize=9, fontweight=weight, va='bottom')
        axis.text(1.03, row, f'{score:.1%}', fontsize=9, fontweight=weight, va='center')
    if truth is not None:
        right = truth == top[0][0]
        axis.text(0, len(top) - 0.35, f'true class: {truncate(truth)}', fontsize=9, va='top',
                  color=COLORS[2] if right else COLORS[3])  # yapf: disable
    axis.set(xlim=(0, 1.2), ylim=(max(len(top), 5) + 0.1, -0.9), xticks=[], yticks=[])
    axis.set_frame_on(False)


class GifWriter(PillowWriter):
    """A ``PillowWriter`` that keeps the duration: each picture ends at its time, to 1/100 s.

    One delay for all pictures, as ``PillowWriter`` has it, would add up its rounding.
    """

    _frames: List[Image]

    def finish(self) -> None:
        """Write the pictures, each with its own delay."""
        ends = np.round(np.arange(len(self._frames) + 1) * 100 / self.fps).astype(int)
        self._frames[0].save(
            self.outfile,
            save_all=True,
            append_images=self._frames[1:],
            duration=(10 * np.diff(ends)).tolist(),  # in milliseconds
            loop=0,
        )


def animate_skeleton(
    keypoint: np.ndarray,
    path: Union[str, Path],
    title: str = '',
    top: Sequence[Tuple[str, float]] = (),
    truth: Optional[str] = None,
    layout: Union[str, Dict, Layout] = 'nturgb+d',
    fps: float = 30,
    max_frames: int = 120,
    labels: Optional[Sequence[Sequence[str]]] = None,
) -> Path:
    """Write the animation of one sequence, whole or not at all.

    Longer sequences are subsampled to ``max_frames`` frames, and those of a GIF to at most 50 a
    second. The animation lasts as long as the sequence, a GIF to the nearest 1/100 s.

    Args:
        keypoint (np.ndarray): Of shape (M, T, V, C).
        path (str or Path): File to write, ``.gif``, or ``.mp4`` if ffmpeg is installed; missing
            folders are created.
        title, top, truth, layout, labels: See :class:`SkeletonFigure`.
        fps (float): Frames per second of the sequence. Defaults to 30, as in NTU and Kinect.
        max_frames (int): Largest number of frames drawn. Defaults to 120.

    Raises:
        ValueError: If the file has another extension, ``fps`` and ``max_frames`` are not positive
            and finite, the sequence cannot be drawn, or an MP4 is requested without ffmpeg.
    """
    path = Path(path)
    check_format(path.suffix)
    if not 0 < fps < math.inf or max_frames < 1:
        raise ValueError(f'fps={fps}, max_frames={max_frames}; expected both positive and finite')
    drawing = SkeletonFigure(keypoint, title, top, truth, layout, labels)
    as_gif = path.suffix.lower() == '.gif'
    total = drawing.num_frames
    shown = min(total, max_frames)
    if as_gif:
        shown = min(shown, max(1, int(total * FASTEST_GIF / fps)))
    writer = (GifWriter if as_gif else FFMpegWriter)(fps=fps * shown / total)  # type: ignore[arg-type]
    with write_whole(path) as temporary:
        with writer.saving(drawing.figure, str(temporary), dpi=DOTS_PER_INCH):
            for number in range(shown):
                drawing.show_frame(number * total // shown)
                writer.grab_frame()
    return path


def check_format(suffix: str) -> None:
    """Raise unless animations with this extension can be written here."""
    if suffix.lower() not in SUFFIXES:
        raise ValueError(f'an animation cannot end in {suffix!r}; expected one of {SUFFIXES}')
    if suffix.lower() == '.mp4' and not FFMpegWriter.isAvailable():
        raise ValueError(
            'MP4 needs the program ffmpeg, which was not found on PATH: install it, or write a .gif'
        )
