"""From a recording of any length to named intervals: one timeline for each person."""

import warnings
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.model import BaseModel
from rich.table import Table

from deeprank_plugin.visualization.figure import as_clock

from .inference import shared_names
from .inputs import Keypoints, pack_recordings
from .windows import (
    NEAR,
    Place,
    WindowSize,
    check_near,
    find_clip_len,
    plan_windows,
    require_positive,
    score_windows,
    size_windows,
)

FPS = 30.0
"""Frame rate of recordings that do not state theirs: that of NTU, Kinect and most cameras."""


class Interval(NamedTuple):
    """What a person does in a part of a recording.

    Attributes:
        start: Beginning in seconds.
        end: End in seconds.
        label: Class, from 0.
        name: Its name.
        score: Mean over the interval's frames of the smoothed probability of the class.
    """

    start: float
    end: float
    label: int
    name: str
    score: float


class Timeline(NamedTuple):
    """What one person does in a recording.

    Attributes:
        name: Name of the recording.
        track: Index of the person among the recording's bodies.
        duration: Length of the recording in seconds.
        fps: Frames per second.
        seen: (start, end) in seconds of the parts that show the person, ascending.
        intervals: Named intervals within these parts, ascending, without overlap.
        windows: (start, end) in seconds of the person's K windows, of shape (K, 2).
        scores: Their probabilities, not smoothed, of shape (K, C).
    """

    name: str
    track: int
    duration: float
    fps: float
    seen: List[Tuple[float, float]]
    intervals: List[Interval]
    windows: np.ndarray
    scores: np.ndarray

    def at(self, second: float) -> Optional[Interval]:
        """The interval at a moment, or None."""
        return next((i for i in self.intervals if i.start <= second < i.end), None)


def name_actions(
    model: Union[BaseModel, Sequence[BaseModel]],
    recordings: Keypoints,
    window: float = 2.0,
    stride: float = 0.5,
    fps: Optional[float] = None,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
    near: float = NEAR,
    show_progress: bool = False,
) -> Union[List[Timeline], List[List[Timeline]]]:
    """Name what each person does in one recording, or in several.

    Windows of ``window`` seconds begin every ``stride`` seconds, and one ends with the recording; a
    recording shorter than a window is one window, with a warning. Whom a window shows:
    :func:`~deeprank_plugin.apis.windows.group_persons`. The probabilities of a moment are the mean
    of those of the person's windows that cover it; the highest is its class. Where the person is
    absent (all joints zero) for a stride or longer, the timeline has a gap; shorter absences are
    bridged. The windows of all persons and recordings share batches.

    Args:
        model (BaseModel or Sequence[BaseModel]): A classifier from :func:`init_model`, or several
            with the same classes, whose probabilities are averaged: joint, bone, motion.
        recordings (np.ndarray, Tensor, dict or list of these): Of shape (M, T, V, C), or
            annotations, as for :func:`inference_skeleton_sequence`; an absent person is zero.
        window (float): Length of a window in seconds, best that of the training data's actions.
            Defaults to 2.0.
        stride (float): Seconds from one window to the next. Defaults to 0.5.
        fps (float, optional): Frames per second. Defaults to None: the key ``fps`` of each
            recording; where there is none, 30, with a warning.
        batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.
        scale (float, optional): As for :func:`inference_skeleton_sequence`.
        near (float): With a model of two persons, the largest distance of a partner in body sizes.
            Defaults to 1.5.
        show_progress (bool): Show a progress bar. Defaults to False.

    Returns:
        list[Timeline] or list[list[Timeline]]: Of a single recording, one for each person who is
        ever present; for a list, a list of these.

    Raises:
        ValueError: If a recording, window, stride or frame rate is invalid, the models have
            different classes or return no probabilities.
    """
    models = [model] if isinstance(model, BaseModel) else list(model)
    names = shared_names(models)
    infos, single, rules = pack_recordings(models[0], recordings, scale)
    check_near(near)
    clip_len = find_clip_len(rules.transforms)
    sizes = [size_windows(window, stride, rate, clip_len) for rate in find_rates(infos, fps)]
    warn_of_short(infos, sizes, window)
    windows, rows = plan_windows(infos, sizes, rules.num_person, near)
    scores = np.zeros((0, len(names)))
    if len(windows):
        scores = score_windows(models, windows, batch_size, show_progress=show_progress)
    timelines = [
        [
            make_timeline(info, person, chosen, windows.places, scores, size, names)
            for person, chosen in persons.items()
        ]
        for info, persons, size in zip(infos, rows, sizes)
    ]
    warn_of_unnamed(timelines, window)
    return timelines[0] if single else timelines


def find_rates(infos: Sequence[Dict], fps: Optional[float]) -> List[float]:
    """The frame rate of each recording; warns where it is a guess."""
    rates = [find_rate(info, fps) for info in infos]
    guessed = [info['frame_dir'] for info, rate in zip(infos, rates) if rate is None]
    if guessed:
        warnings.warn(
            f'{len(guessed)} of {len(infos)} recordings, such as {guessed[0]!r}, state no fps: '
            f'{FPS:g} frames per second are assumed; set fps',
            stacklevel=3,
        )
    return [FPS if rate is None else rate for rate in rates]


def find_rate(info: Mapping, fps: Optional[float] = None) -> Optional[float]:
    """The frame rate that is given, else the one that a recording states; None if it states none.

    Raises:
        ValueError: If it is not a positive number.
    """
    rate = info.get('fps') if fps is None else fps
    if rate is not None:
        owner = '' if fps is not None else f'recording {info.get("frame_dir")!r}: '
        require_positive(f'{owner}fps', rate, 'frames per second')
    return rate


def warn_of_short(infos: Sequence[Dict], sizes: Sequence[WindowSize], window: float) -> None:
    """Warn of recordings that are shorter than a window."""
    short = [i for i, size in zip(infos, sizes) if i['keypoint'].shape[1] < size.frames]
    if short:
        frames = short[0]['keypoint'].shape[1]
        warnings.warn(
            f'{len(short)} of {len(infos)} recordings, such as {short[0]["frame_dir"]!r} ({frames} '
            f'frames), are shorter than window={window:g} seconds: one window covers each',
            stacklevel=3,
        )


def warn_of_unnamed(timelines: Sequence[Sequence[Timeline]], window: float) -> None:
    """Warn of persons of whom no window shows enough."""
    persons = [timeline for persons in timelines for timeline in persons]
    unnamed = [timeline for timeline in persons if not timeline.intervals]
    if unnamed:
        first = unnamed[0]
        warnings.warn(
            f'{len(unnamed)} of {len(persons)} persons, such as {first.track} of {first.name!r}, '
            f'are present in less than half of every window of {window:g} seconds: they have no '
            'intervals; take a shorter window',
            stacklevel=3,
        )


def make_timeline(
    info: Dict,
    person: int,
    chosen: Sequence[int],
    places: Sequence[Place],
    scores: np.ndarray,
    size: WindowSize,
    names: Sequence[str],
) -> Timeline:
    """The timeline of one person from the scores (N, C) of her windows among all N."""
    present = info['keypoint'][person].any(axis=(1, 2))
    bounds = np.array([places[index][2:] for index in chosen], dtype=np.int64).reshape(-1, 2)
    own = scores[list(chosen)]
    spans = find_spans(present, size.step)
    edges, means = smooth_scores(bounds, own)
    return Timeline(
        name=str(info['frame_dir']),
        track=person,
        duration=len(present) / size.fps,
        fps=size.fps,
        seen=[(start / size.fps, stop / size.fps) for start, stop in spans],
        intervals=find_intervals(spans, edges, means, names, size.fps),
        windows=bounds / size.fps,
        scores=own,
    )


def find_spans(present: np.ndarray, least_gap: int) -> List[Tuple[int, int]]:
    """Runs of present frames of a mask (T,), with gaps below ``least_gap`` frames bridged."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], present.astype(np.int8), [0]])))
    spans: List[Tuple[int, int]] = []
    for start, stop in change.reshape(-1, 2).tolist():
        if spans and start - spans[-1][1] < least_gap:
            start = spans.pop()[0]
        spans.append((start, stop))
    return spans


def smooth_scores(bounds: np.ndarray, scores: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Mean scores of the windows that cover each moment.

    Args:
        bounds (np.ndarray): First frame and one after the last of K windows, of shape (K, 2).
        scores (np.ndarray): Of shape (K, C).

    Returns:
        tuple[np.ndarray]: Frames where a window begins or ends, of shape (E + 1,); mean scores
        between them, of shape (E, C), NaN where there is no window.
    """
    if not len(bounds):
        return np.zeros(1, np.int64), np.zeros((0, scores.shape[1]))
    edges = np.unique(bounds)
    first, last = np.searchsorted(edges, bounds.T)
    sums, counts = np.zeros((len(edges), scores.shape[1])), np.zeros(len(edges), np.int64)
    for array, change in ((sums, scores), (counts, 1)):
        np.add.at(array, first, change)
        np.subtract.at(array, last, change)
    covering = counts.cumsum()[:-1, None]
    means = np.full((len(edges) - 1, scores.shape[1]), np.nan)
    return edges, np.divide(sums.cumsum(axis=0)[:-1], covering, out=means, where=covering > 0)


def find_intervals(
    spans: Sequence[Tuple[int, int]],
    edges: np.ndarray,
    means: np.ndarray,
    names: Sequence[str],
    fps: float,
) -> List[Interval]:
    """Join neighbouring moments of the same class, within spans of present frames."""
    covered = ~np.isnan(means).any(axis=1)
    labels = np.where(covered, np.nan_to_num(means).argmax(axis=1), -1).tolist()
    found: List[List[Any]] = []  # start, stop, label, sum of the class's scores over frames
    for low, high in spans:
        first = max(int(np.searchsorted(edges, low, 'right')) - 1, 0)
        new = True
        for part in range(first, len(means)):
            start, stop = max(int(edges[part]), low), min(int(edges[part + 1]), high)
            if start >= stop:
                break
            label = labels[part]
            total = float(means[part, label]) * (stop - start)
            if label < 0:
                new = True
            elif not new and found[-1][2] == label:
                found[-1][1] = stop
                found[-1][3] += total
            else:
                found.append([start, stop, label, total])
                new = False
    return [
        Interval(start / fps, stop / fps, label, names[label], total / (stop - start))
        for start, stop, label, total in found
    ]


def to_timeline_record(timelines: Sequence[Timeline]) -> Dict[str, Any]:
    """The record written for one recording: plain values for JSON, times in seconds."""
    first = timelines[0]
    return dict(
        frame_dir=first.name,
        duration=round(first.duration, 3),
        fps=first.fps,
        persons=[
            dict(
                track=timeline.track,
                seen=[[round(second, 3) for second in part] for part in timeline.seen],
                intervals=[
                    dict(i._asdict(), start=round(i.start, 3), end=round(i.end, 3))
                    for i in timeline.intervals
                ],
            )
            for timeline in timelines
        ],
    )


def tabulate(timelines: Sequence[Timeline]) -> Table:
    """A table with one row for each interval."""
    table = Table(box=None, header_style='bold')
    table.add_column('recording', overflow='fold')
    for column in ('person', 'start', 'end', 'score', 'label'):
        table.add_column(column, justify='right')
    table.add_column('class', overflow='fold')
    for timeline in timelines:
        for index, interval in enumerate(timeline.intervals):
            head = ('', '') if index else (timeline.name, str(timeline.track))
            times = [as_clock(second, tenths=True) for second in interval[:2]]
            table.add_row(
                *(*head, *times, f'{interval.score:.1%}'),
                *(str(interval.label), interval.name),
                end_section=index + 1 == len(timeline.intervals),
            )
        if not timeline.intervals:
            table.add_row(timeline.name, str(timeline.track), *('-',) * 4, 'no interval')
    return table
