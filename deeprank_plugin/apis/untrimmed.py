"""Detect actions in untrimmed recordings with a classifier and sliding windows."""

import warnings
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, cast

import numpy as np
from mmengine.model import BaseModel

from deeprank_plugin.evaluation.functional import Detection

from .inference import Prediction, inference_skeleton_sequence
from .inputs import pack_infos
from .windows import WindowSize, place_windows


def detect_actions(
    model: BaseModel,
    recording: Mapping,
    window: int = 60,
    stride: int = 15,
    threshold: Optional[float] = None,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
) -> List[Detection]:
    """Detect the actions of a recording.

    A frame has the mean scores of the windows that cover it. Frames in a row with the same highest
    class make a detection; its score is the class's mean over them.

    Args:
        model (BaseModel): A classifier from :func:`init_model`.
        recording (dict): Annotation with ``frame_dir`` and keypoint of shape (M, T, V, C), as from
            :func:`read_sequences`.
        window (int): Frames of a window; shorter recordings make one. Defaults to 60.
        stride (int): Frames from a window to the next, at most ``window``. Defaults to 15.
        threshold (float, optional): Frames whose highest score is lower are background. Defaults to
            None: none is, but for those of windows without a body.
        batch_size (int, optional): As for :func:`inference_skeleton_sequence`.
        scale (float, optional): As for :func:`inference_skeleton_sequence`.

    Returns:
        list[Detection]: By time; start and end are frames from 0, the end excluded.

    Raises:
        ValueError: If an argument is invalid.
    """
    pack_infos(model, [recording], scale)  # checked whole, so that messages name it
    length = recording['keypoint'].shape[1]
    places = slide_windows(length, window, stride)
    windows = [cut(recording, start, stop) for start, stop in places]
    shown = [index for index, w in enumerate(windows) if w['keypoint'].any()]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # what they would say has been said of the recording
        found = inference_skeleton_sequence(model, [windows[i] for i in shown], batch_size, scale)
    predictions = cast(List[Prediction], found)
    scores = np.zeros((length, len(predictions[0].scores)))
    covered = np.zeros((length, 1))
    for index, prediction in zip(shown, predictions):
        frames = slice(*places[index])
        scores[frames] += prediction.scores
        covered[frames] += 1
    means = scores / np.maximum(covered, 1)
    means[covered[:, 0] == 0] = -np.inf
    name = str(recording['frame_dir'])
    return [Detection(name, *interval) for interval in merge_frames(means, threshold)]


def slide_windows(length: int, window: int, stride: int) -> List[Tuple[int, int]]:
    """(start, stop) of the windows of a recording; the last one ends with it.

    Raises:
        ValueError: Unless 1 <= stride <= window.
    """
    if not 1 <= stride <= window:
        raise ValueError(
            f'window={window} and stride={stride}; expected 1 <= stride <= window, in frames'
        )
    return place_windows(length, WindowSize(window, stride, fps=1.0))


def merge_frames(
    scores: np.ndarray, threshold: Optional[float] = None
) -> Iterator[Tuple[int, int, int, float]]:
    """(start, end, label, mean score) of frames in a row with the same highest class.

    Args:
        scores (np.ndarray): Of shape (T, C); -inf where there is nobody.
        threshold (float, optional): Frames below it belong to none. Defaults to None: all belong.
    """
    highest = scores.max(axis=1)
    shown = np.isfinite(highest) & (highest >= (-np.inf if threshold is None else threshold))
    labels = np.where(shown, scores.argmax(axis=1), -1)
    borders = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    for start, end in zip(borders[:-1], borders[1:]):
        if labels[start] >= 0:
            yield start, end, int(labels[start]), float(highest[start:end].mean())


def cut(recording: Mapping, start: int, stop: int) -> Dict[str, Any]:
    """The window of a recording, without what describes the whole."""
    found = {k: v for k, v in recording.items() if k not in ('segments', 'label', 'total_frames')}
    for key in ('keypoint', 'keypoint_score'):
        if key in found:
            found[key] = found[key][:, start:stop]
    return found
