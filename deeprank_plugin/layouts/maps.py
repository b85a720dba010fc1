"""Joints of one layout from those of another: copied, means of several, or missing.

A map is derived from the names of the joints by two tables: ``SYNONYMS``, names of one place on the
body, and ``MEANS``, ways to compute a joint from others. So there is a map between any two layouts
with names, files of one's own included; :func:`find_map` shows it.
"""

from functools import cache
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .layout import Layout
from .reading import find_layout

SYNONYMS = (
    ('spine_base', 'hip_center', 'pelvis', 'root', 'mid_hip'),
    ('spine_mid', 'spine', 'spine2'),
    ('spine_shoulder', 'shoulder_center', 'thorax'),
    ('neck', 'neck_base'),
    ('left_clavicle', 'left_collar'),
    ('right_clavicle', 'right_collar'),
    ('left_foot', 'left_foot_index', 'left_big_toe'),
    ('right_foot', 'right_foot_index', 'right_big_toe'),
)
"""Names of the same place. OpenPose's 'neck' lies between the shoulders, and is used in 2D only."""

NECK_SHARE = 0.35  # of the way from between the shoulders to the head


def between(*names: str) -> Dict[str, float]:
    """Equal weights."""
    return {name: 1 / len(names) for name in names}


def of_one_side(side: str) -> Dict[str, List[Dict[str, float]]]:
    """Ways to compute the joints of an arm and a leg, the best first.

    The end of a limb that a layout lacks lies on the joint before it: a bone of length zero is
    nearer to the truth than a joint at the origin. MediaPipe's index and pinky are knuckles.
    """
    wrist, hand, ankle = between(f'{side}_wrist'), between(f'{side}_hand'), between(f'{side}_ankle')
    knuckles = (f'{side}_index', f'{side}_pinky')
    return {
        f'{side}_hand': [between(f'{side}_wrist', *knuckles), wrist],
        f'{side}_hand_tip': [between(*knuckles), hand, wrist],
        f'{side}_thumb': [hand, wrist],
        f'{side}_foot': [ankle],
    }


SHOULDERS = ('left_shoulder', 'right_shoulder')
HIPS = ('left_hip', 'right_hip')
EARS = ('left_ear', 'right_ear')
MEANS: Dict[str, List[Dict[str, float]]] = {
    'spine_base': [between(*HIPS)],
    'spine_mid': [between('spine_navel', 'spine_chest'), between(*HIPS, *SHOULDERS)],
    'spine_shoulder': [between('left_clavicle', 'right_clavicle'), between(*SHOULDERS)],
    'neck': [
        {'spine_shoulder': 1 - NECK_SHARE, 'head': NECK_SHARE},
        {
            **dict.fromkeys(SHOULDERS, (1 - NECK_SHARE) / 2),
            **dict.fromkeys(EARS, NECK_SHARE / 2),
        },
    ],
    'head': [between(*EARS)],
    **of_one_side('left'),
    **of_one_side('right'),
}
"""For a joint, weights of others; the first way of which a layout has all joints is taken."""

MEANS_2D: Dict[str, List[Dict[str, float]]] = {
    'neck': [between(*SHOULDERS)],
    'spine_base': MEANS['spine_base'],
}
"""The same in images: nothing is put where no estimator has seen it."""

Parts = Tuple[Tuple[int, float], ...]


def find_map(
    source: Union[str, Path, Mapping, Layout],
    target: Union[str, Path, Mapping, Layout],
    planar: Optional[bool] = None,
) -> Dict[str, Dict[str, float]]:
    """For each joint of the target its parts: names of joints of the source, and their weights.

    One part is a copy, several are a mean, none means that the joint is missing.

    Args:
        source (str, dict or Layout): As for :func:`~deeprank_plugin.layouts.find_layout`.
        target (str, dict or Layout): The same.
        planar (bool, optional): Whether coordinates are positions in an image. Defaults to None:
            as the target has them.

    Raises:
        ValueError: If the joints of one have no names.
    """
    source, target = find_layout(source), find_layout(target)
    parts = plan_parts(source, target, target.planar if planar is None else planar)
    return {
        name: {source.names[joint]: weight for joint, weight in found}
        for name, found in zip(target.names, parts)
    }


@cache
def plan_parts(source: Layout, target: Layout, planar: bool) -> Tuple[Parts, ...]:
    """What :func:`find_map` finds, by numbers of joints."""
    for layout in (source, target):
        if not layout.names:
            raise ValueError(
                f'layout {layout.name!r} has joints without names; expected names to map them by: '
                'add "names" to its JSON file'
            )
    groups = {name: group for group in SYNONYMS for name in group}
    number = {name: joint for joint, name in enumerate(source.names)}

    def locate(name: str) -> Optional[int]:
        names = (name, *groups.get(name, ()))
        return next((number[same] for same in names if same in number), None)

    def compute(name: str) -> Parts:
        own = locate(name)
        if own is not None:
            return ((own, 1.0),)
        for way in (MEANS_2D if planar else MEANS).get(groups.get(name, (name,))[0], ()):
            found = [(locate(part), weight) for part, weight in way.items()]
            joints = tuple((joint, weight) for joint, weight in found if joint is not None)
            if len(joints) == len(way):
                return joints
        return ()

    return tuple(compute(name) for name in target.names)


def map_joints(
    keypoint: np.ndarray,
    source: Union[str, Path, Mapping, Layout],
    target: Union[str, Path, Mapping, Layout],
    score: Optional[np.ndarray] = None,
) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Give a skeleton the joints of another layout; axes and units stay as they are.

    Copied joints are exact. A joint that the target has and the source lacks is exactly zero and
    scored 0. So is a mean of which a part is absent (exactly zero, or scored 0): half of a mean
    lies somewhere else. The score of a mean is its lowest part's.

    Args:
        keypoint (np.ndarray): Coordinates of shape (..., V, C), such as (M, T, V, C): x, y, z; or
            x, y in an image, with the score as a third channel if the source is a 2D layout.
        source (str, dict or Layout): Their layout, as for
            :func:`~deeprank_plugin.layouts.find_layout`. MediaPipe's image landmarks are
            'mediapipe-2d', or 'mediapipe' with two channels.
        target (str, dict or Layout): The layout that they get.
        score (np.ndarray, optional): Scores of shape (..., V). Defaults to None.

    Returns:
        tuple: Coordinates (..., V of the target, C), at least float32, and scores (..., V of the
        target), or None if there were none.

    Raises:
        ValueError: If shapes do not fit, joints have no names, or one is 2D and the other 3D.
    """
    source, target = find_layout(source), find_layout(target)
    check_shapes(keypoint, source, score)
    planar = keypoint.shape[-1] == 2 or source.planar
    check_dimensions(planar, source, target)
    if source.planar and keypoint.shape[-1] == 3:
        places, scores = apply_parts(
            plan_parts(source, target, True), keypoint[..., :2], keypoint[..., 2]
        )
        return np.concatenate([places, scores[..., None]], axis=-1), None
    mapped, scores = apply_parts(
        plan_parts(source, target, planar),
        keypoint,
        np.ones(keypoint.shape[:-1], np.float32) if score is None else score,
    )
    return mapped, None if score is None else scores


def apply_parts(
    parts: Sequence[Parts], keypoint: np.ndarray, score: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Coordinates (..., V, C) and scores (..., V) of joints with these parts."""
    shape, kind = (*keypoint.shape[:-2], len(parts)), np.result_type(keypoint, np.float32)
    mapped, scores = np.zeros((*shape, keypoint.shape[-1]), kind), np.zeros(shape, score.dtype)
    copies = [(joint, found[0][0]) for joint, found in enumerate(parts) if len(found) == 1]
    to, of = np.array(copies, dtype=int).reshape(-1, 2).T
    mapped[..., to, :], scores[..., to] = keypoint[..., of, :], score[..., of]
    for joint, found in enumerate(parts):
        if len(found) > 1:
            joints = [part for part, _ in found]
            points = keypoint[..., joints, :].astype(kind)
            there = np.all(points.any(axis=-1) & (score[..., joints] > 0), axis=-1)
            mean = points[..., 0, :]  # the weights add up to 1
            for index, (_, weight) in enumerate(found[1:], 1):
                mean = mean + weight * (points[..., index, :] - points[..., 0, :])
            mapped[..., joint, :] = np.where(there[..., None], mean, 0)
            scores[..., joint] = np.where(there, score[..., joints].min(axis=-1), 0)
    return mapped, scores


def check_shapes(keypoint: np.ndarray, source: Layout, score: Optional[np.ndarray]) -> None:
    """Raise ``ValueError`` unless coordinates and scores have the joints of a layout."""
    number = source.num_joints
    if keypoint.ndim < 2 or keypoint.shape[-2] != number or keypoint.shape[-1] not in (2, 3):
        raise ValueError(
            f'coordinates of shape {keypoint.shape}; expected (..., {number}, 2 or 3) of layout '
            f'{source.name!r}'
        )
    if score is not None and score.shape != keypoint.shape[:-1]:
        raise ValueError(
            f'scores of shape {score.shape} beside coordinates of shape {keypoint.shape}; expected '
            f'{keypoint.shape[:-1]}'
        )
    if score is not None and source.planar and keypoint.shape[-1] == 3:
        raise ValueError(
            f'three channels of layout {source.name!r} and scores; expected x and y with scores, '
            'or x, y and score as three channels: drop one of the scores'
        )


def check_dimensions(planar: bool, source: Layout, target: Layout) -> None:
    """Raise ``ValueError`` if coordinates in an image should become 3D ones, or the reverse."""
    if planar and target.dims == 3:
        raise ValueError(
            f'2D coordinates of layout {source.name!r} for layout {target.name!r}, which is 3D; '
            "expected a 2D target such as 'coco', or 3D coordinates"
        )
    if not planar and target.planar:
        raise ValueError(
            f'3D coordinates of layout {source.name!r} for layout {target.name!r}, which is 2D; '
            "expected a 3D target such as 'nturgb+d', or x and y in the image"
        )
