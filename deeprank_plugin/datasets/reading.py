"""From an annotation to the sequence that a pipeline gets, and warnings about what changes.

``SkeletonDataset`` and the apis share these functions, so that training, test, relabelling and
inference read a sequence alike.
"""

import logging
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np
from mmaction.datasets.transforms import FormatGCNInput, PreNormalize2D
from mmengine.logging import print_log

from ..layouts import Layout
from .bodies import Part, choose_part, median_size

UNITS = {0.001: 'millimetres', 0.01: 'centimetres'}
"""Factor that converts to metres, and the unit that it suggests."""

CLEAR_WAY = 0.3
"""Of a body's size, what lies between ankles and head along an axis that points up or down."""

TURNS = {
    'y': ((0, 1, 2), (1, 1, 1)),
    '-y': ((0, 1, 2), (-1, -1, 1)),
    'z': ((0, 2, 1), (1, 1, -1)),
    '-z': ((0, 2, 1), (1, -1, 1)),
    'x': ((1, 0, 2), (-1, 1, 1)),
    '-x': ((1, 0, 2), (1, -1, 1)),
}
"""The axis that points up, and order and signs of axes that turn it to y; left stays left."""

_warned: Set[str] = set()


def find_num_person(transforms: Sequence[Any]) -> Optional[int]:
    """Number of bodies that the pipeline's ``FormatGCNInput`` keeps, or None without one.

    Args:
        transforms (Sequence): The transforms, built.

    Raises:
        ValueError: If it would keep none.
    """
    formats = [step for step in transforms if isinstance(step, FormatGCNInput)]
    if formats and formats[0].num_person < 1:
        raise ValueError(
            f'num_person={formats[0].num_person} of FormatGCNInput; expected at least 1'
        )
    return formats[0].num_person if formats else None


def has_score(keypoint: np.ndarray, layout: Optional[Layout]) -> bool:
    """Whether the third channel of coordinates (M, T, V, C) is a score, as in planar layouts."""
    return layout is not None and layout.planar and keypoint.shape[-1] == 3


def coordinates_of(keypoint: np.ndarray, layout: Optional[Layout]) -> np.ndarray:
    """The channels that are coordinates: a view without the score."""
    return keypoint[..., :2] if has_score(keypoint, layout) else keypoint


def read_skeleton(
    info: Mapping,
    layout: Optional[Layout] = None,
    num_person: Optional[int] = None,
    scale: float = 1.0,
) -> Dict:
    """Make a pipeline input: float32 coordinates, scores apart, bodies and frames as shown.

    In a planar layout x, y, score in three channels become two channels and ``keypoint_score``,
    so that both notations give the same network input and no transform takes the score for z.
    Bodies and frames are those of :func:`~deeprank_plugin.datasets.bodies.choose_part`;
    ``total_frames`` follows.

    Args:
        info (dict): Annotation, checked.
        layout (Layout, optional): Joint layout. Defaults to None: all channels are coordinates.
        num_person (int, optional): Number of bodies that the pipeline keeps. Defaults to None: all.
        scale (float): Factor for the coordinates. Defaults to 1.0.

    Returns:
        dict: A copy; its arrays may share memory with the annotation's.
    """
    read = read_whole(info, layout)
    keypoint = read['keypoint']
    part = choose_part(keypoint, num_person)
    read['keypoint'] = keypoint if scale == 1 else keypoint * np.float32(scale)
    if part is not None:
        for key in ('keypoint', 'keypoint_score'):
            if key in read:
                bodies = read[key] if part.bodies is None else read[key][part.bodies]
                read[key] = np.ascontiguousarray(bodies[:, part.start : part.stop])
    read['total_frames'] = read['keypoint'].shape[1]
    return read


def read_whole(info: Mapping, layout: Optional[Layout] = None, scale: float = 1.0) -> Dict:
    """Like :func:`read_skeleton`, with all bodies and frames as they are."""
    read = dict(info)
    if has_score(read['keypoint'], layout):
        read['keypoint_score'] = read['keypoint'][..., 2].astype(np.float32)
        read['keypoint'] = np.ascontiguousarray(read['keypoint'][..., :2])
    keypoint = read['keypoint'].astype(np.float32, copy=False)
    read['keypoint'] = keypoint if scale == 1 else keypoint * np.float32(scale)
    if 'keypoint_score' in read:
        read['keypoint_score'] = read['keypoint_score'].astype(np.float32, copy=False)
    return read


def survey_parts(
    infos: Sequence[Mapping], layout: Optional[Layout], num_person: Optional[int]
) -> Dict[str, Tuple[Part, int]]:
    """Sample names to :class:`Part` and number of frames, where not everything is read."""
    found = {}
    for info in infos:
        part = choose_part(coordinates_of(info['keypoint'], layout), num_person)
        if part is not None:
            found[info['frame_dir']] = (part, info['keypoint'].shape[1])
    return found


def describe_parts(
    parts: Mapping[str, Tuple[Part, int]], total: int, source: str, num_person: Optional[int]
) -> List[str]:
    """One sentence for each kind of change, with a count and an example.

    Args:
        parts (dict): What :func:`survey_parts` returned.
        total (int): Number of samples.
        source (str): Where they are from, such as 'samples of data/toy.pkl'.
        num_person (int, optional): Number of bodies that the pipeline keeps.
    """
    sentences = []
    cut = [n for n, (p, _) in parts.items() if num_person is not None and p.shown > num_person]
    if cut:
        sentences.append(
            f'{len(cut)} of {total} {source}, such as {cut[0]!r} ({parts[cut[0]][0].shown}), show '
            f'more than {num_person} bodies, the num_person of FormatGCNInput: those that move '
            'most are used'
        )
    moved = [
        name
        for name, (part, _) in parts.items()
        if name not in cut and part.bodies not in (None, list(range(len(part.bodies or ()))))
    ]
    if moved:
        sentences.append(
            f'{len(moved)} of {total} {source}, such as {moved[0]!r}, have absent bodies before '
            'present ones: present ones are moved to the front'
        )
    ends = {n: frames - (p.stop - p.start) for n, (p, frames) in parts.items()}
    ends = {name: number for name, number in ends.items() if number}
    if ends:
        name = next(iter(ends))
        sentences.append(
            f'{len(ends)} of {total} {source}, such as {name!r} ({ends[name]} of '
            f'{parts[name][1]}), have frames without a body at either end: these are cut'
        )
    return sentences


def suspect_stills(
    infos: Sequence[Mapping], parts: Mapping[str, Tuple[Part, int]], source: str
) -> Optional[str]:
    """A sentence if sequences show a body in a single frame, else None.

    Args:
        infos (Sequence[dict]): Annotations.
        parts (dict): What :func:`survey_parts` returned of them.
        source (str): Where they are from.
    """
    stills = [
        info['frame_dir']
        for info in infos
        if info['keypoint'].shape[1] == 1
        or (info['frame_dir'] in parts and is_still(parts[info['frame_dir']][0]))
    ]
    if not stills:
        return None
    return (
        f'{len(stills)} of {len(infos)} {source}, such as {stills[0]!r}, show a body in a single '
        'frame: it is repeated, and motion is zero throughout'
    )


def is_still(part: Part) -> bool:
    """Whether a part is a single frame."""
    return part.stop - part.start == 1


def suspect_unit(
    keypoints: Sequence[np.ndarray], layout: Optional[Layout], source: str, scale: float = 1.0
) -> Optional[str]:
    """A sentence if bodies do not measure what they should, with the factor that mends it.

    Args:
        keypoints (Sequence[np.ndarray]): Sequences of shape (M, T, V, C), in the file's unit.
        layout (Layout, optional): Joint layout; without bounds for a body's size nothing is known.
        source (str): Where they are from.
        scale (float): Factor that they are multiplied by. Defaults to 1.0.
    """
    if layout is None or layout.planar or layout.body_size is None:
        return None
    (low, high), found = layout.body_size, median_size(keypoints)
    if found == 0 or low <= found * scale <= high:
        return None
    fits = [factor for factor in UNITS if low <= found * factor <= high]
    remedy = f'scale={fits[0]:g} converts {UNITS[fits[0]]}' if fits else 'set scale=FACTOR'
    return (
        f'bodies of {source} measure {found * scale:.4g} (median of the longest side), expected '
        f'{low:g} to {high:g} metres as layout {layout.name!r} has it: {remedy}'
    )


def suspect_axes(
    keypoints: Sequence[np.ndarray], layout: Optional[Layout], source: str
) -> Optional[str]:
    """A sentence if y does not point up: by the way from the ankles to the head, else None.

    Args:
        keypoints (Sequence[np.ndarray]): Sequences of shape (M, T, V, 3) of 3D coordinates.
        layout (Layout, optional): Joint layout; without head and ankles nothing is known.
        source (str): Where they are from.
    """
    if layout is None or layout.planar:
        return None
    top = [j for j, name in enumerate(layout.names) if name in ('head', 'nose')][:1]
    ankles = [j for j, name in enumerate(layout.names) if name.endswith('_ankle')]
    if not top or not ankles:
        return None
    ways = []
    for keypoint in keypoints:
        parts = keypoint[:, :, top + ankles]
        there = parts.any(axis=-1).all(axis=-1)
        ways.append((parts[:, :, 0] - parts[:, :, 1:].mean(axis=2))[there])
    joined = np.concatenate(ways)
    if not len(joined):
        return None
    way = np.median(joined, axis=0).astype(float)
    axis = int(np.abs(way).argmax())
    up = ('' if way[axis] > 0 else '-') + 'xyz'[axis]
    if up == 'y' or abs(way[axis]) < CLEAR_WAY * median_size(keypoints):
        return None
    order, signs = TURNS[up]
    return (
        f'from the ankles to the head of {source} it is {way[axis]:.3g} along {"xyz"[axis]} '
        f'(median): {up} points up; expected y, as in NTU RGB+D: keypoint[..., {order}] * {signs} '
        'turns the coordinates'
    )


def suspect_images(
    infos: Sequence[Mapping], transforms: Sequence[Any], source: str
) -> Optional[str]:
    """A sentence if ``PreNormalize2D`` has to assume the size of some samples' images."""
    steps = [step for step in transforms if isinstance(step, PreNormalize2D)]
    lacking = [info['frame_dir'] for info in infos if 'img_shape' not in info] if steps else []
    if not lacking:
        return None
    height, width = steps[0].img_shape
    return (
        f'{len(lacking)} of {len(infos)} {source}, such as {lacking[0]!r}, have no img_shape: '
        f'PreNormalize2D takes (height, width) = ({height}, {width}) for it; add img_shape to the '
        'annotations, or set it in PreNormalize2D'
    )


def check_scale(scale: float) -> float:
    """Raise ``ValueError`` unless a factor is positive and finite; return it."""
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale < np.inf:
        raise ValueError(f'scale={scale!r}; expected a positive number: 0.001 converts millimetres')
    return scale


def warn_once(sentence: str) -> None:
    """Log a warning, unless this process has logged it: data sets are built several times."""
    if sentence not in _warned:
        _warned.add(sentence)
        print_log(sentence, logger='current', level=logging.WARNING)
