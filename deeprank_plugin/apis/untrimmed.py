"""Detect actions in untrimmed recordings with a classifier and sliding windows."""

import warnings
from typing import List, Mapping, Optional

import numpy as np
from mmengine.model import BaseModel

from deeprank_plugin.evaluation.functional import Detection

from .inputs import pack_infos, pack_recordings
from .models import label_names, require_classifier
from .timeline import find_intervals, find_rates, smooth_scores
from .windows import (
    Place,
    Windows,
    find_clip_len,
    place_windows,
    score_windows,
    size_windows,
)


def detect_actions(
    model: BaseModel,
    recording: Mapping,
    window: float = 2.0,
    stride: float = 0.5,
    fps: Optional[float] = None,
    threshold: Optional[float] = None,
    batch_size: Optional[int] = None,
    scale: Optional[float] = None,
) -> List[Detection]:
    """Detect the actions of a recording.

    A frame has the mean scores of the windows that cover it. Frames in a row with the same highest
    class make a detection; its score is the class's mean over them. Unlike those of
    :func:`~deeprank_plugin.apis.name_actions`, windows show all bodies, of which the pipeline keeps
    as many as in training.

    Args:
        model (BaseModel): A classifier from :func:`init_model`.
        recording (dict): Annotation with ``frame_dir`` and keypoint of shape (M, T, V, C), as from
            :func:`read_sequences`.
        window, stride, fps (float): As for :func:`~deeprank_plugin.apis.name_actions`.
        threshold (float, optional): Frames whose highest score is lower are background. Defaults to
            None: none is, but for those of windows without a body.
        batch_size (int, optional): As for :func:`inference_skeleton_sequence`.
        scale (float, optional): As for :func:`inference_skeleton_sequence`.

    Returns:
        list[Detection]: By time; start and end are frames from 0, the end excluded.

    Raises:
        ValueError: If an argument is invalid, or the model returns no probabilities.
    """
    require_classifier(model)
    pack_infos(model, [recording], scale)  # says which bodies and frames are not used
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the rest has been said as well
        (info,), _, rules = pack_recordings(model, [recording], scale)
    rate = find_rates([info], fps)[0]
    size = size_windows(window, stride, rate, find_clip_len(rules.transforms))
    keypoint, bodies = info['keypoint'], tuple(range(len(info['keypoint'])))
    places = [
        Place(0, bodies, *bounds)
        for bounds in place_windows(keypoint.shape[1], size)
        if keypoint[:, slice(*bounds)].any()
    ]
    scores = score_windows([model], Windows([info], places, rules.num_person), batch_size)
    edges, means = smooth_scores(np.array([place[2:] for place in places]), scores)
    if threshold is not None:
        means[means.max(axis=1) < threshold] = np.nan
    whole = [(0, keypoint.shape[1])]
    return [
        Detection(str(info['frame_dir']), round(start), round(end), label, score)
        for start, end, label, _, score in find_intervals(
            whole, edges, means, label_names(model), fps=1.0
        )
    ]
