"""Pictures and animations of timelines."""

from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from mmengine.model import BaseModel

from deeprank_plugin.visualization.animation import animate_skeleton
from deeprank_plugin.visualization.figure import write_whole
from deeprank_plugin.visualization.timeline import TimelineRow, plot_timeline, running_labels

from .inputs import require_layout
from .timeline import Timeline

MOST_FRAMES = 600
"""Frames of an animation: a minute at ten per second."""


def draw_timeline(model: BaseModel, info: Dict, timelines: Sequence[Timeline], path: Path) -> Path:
    """Draw the timelines of one recording, below stick figures, into a picture file.

    Args:
        model (BaseModel): The classifier; its config names the layout.
        info (dict): The recording, with ``frame_dir`` and ``keypoint`` (M, T, V, C).
        timelines (Sequence[Timeline]): Its timelines.
        path (Path): File to write, such as ``.png``.
    """
    figure = plot_timeline(
        info['keypoint'],
        to_rows(timelines),
        timelines[0].fps,
        title=str(info['frame_dir']),
        layout=require_layout(model),
    )
    with write_whole(path) as temporary:
        figure.savefig(temporary)
    return path


def animate_timeline(
    model: BaseModel, info: Dict, timelines: Sequence[Timeline], path: Path
) -> Path:
    """Animate one recording, each person with her current class above her.

    Recordings of more than 600 frames are subsampled, at their own speed.

    Args:
        model, info, timelines: As for :func:`draw_timeline`.
        path (Path): File to write, ``.gif`` or ``.mp4``.
    """
    keypoint, fps = info['keypoint'], timelines[0].fps
    frames = keypoint.shape[1]
    labels = [[''] * frames for _ in range(len(keypoint))]
    for timeline, texts in zip(timelines, running_labels(to_rows(timelines), frames, fps)):
        labels[timeline.track] = texts
    shown = np.asarray(keypoint.any(axis=(1, 2, 3)))
    return animate_skeleton(
        keypoint[shown],
        path,
        title=str(info['frame_dir']),
        labels=[texts for texts, there in zip(labels, shown) if there],
        layout=require_layout(model),
        fps=fps,
        max_frames=MOST_FRAMES,
    )


def to_rows(timelines: Sequence[Timeline]) -> List[TimelineRow]:
    """What the pictures need of timelines."""
    return [
        TimelineRow(
            f'person {timeline.track}',
            timeline.track,
            timeline.seen,
            [(i.start, i.end, i.name, i.score) for i in timeline.intervals],
        )
        for timeline in timelines
    ]
