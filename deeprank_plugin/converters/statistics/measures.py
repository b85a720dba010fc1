"""Counts, lengths, bodies, sizes and bones of the samples in an annotation file."""

from collections import Counter
from typing import Dict, Optional, Sequence, Tuple

import numpy as np

from deeprank_plugin.datasets.bodies import body_size
from deeprank_plugin.layouts import BODY_SIZE


def summarise(values: Sequence[float]) -> Dict[str, float]:
    """Minimum, median and maximum."""
    numbers = [np.min(values), np.median(values), np.max(values)]
    return {key: float(number) for key, number in zip(('min', 'median', 'max'), numbers)}


def count_split(annotations: Sequence[Dict]) -> Dict:
    """Number, lengths in frames, and samples per class, of one split or the whole file."""
    if not annotations:
        return dict(samples=0, lengths=None, classes={})
    counts = Counter(int(annotation['label']) for annotation in annotations)
    return dict(
        samples=len(annotations),
        lengths=summarise([annotation['keypoint'].shape[1] for annotation in annotations]),
        classes={label: counts[label] for label in sorted(counts)},
    )


def count_bodies(annotations: Sequence[Dict]) -> Dict:
    """Bodies in a sample, shares of absent bodies and of frames without a body, odd samples.

    Returns:
        dict: ``bodies``, the number of bodies M in all samples; ``present``, the bodies present in
        a sample (min, median, max); ``empty_bodies``, the share of bodies that are absent
        throughout; ``empty_frames``, the share of the samples' frames with no body; ``end_frames``,
        the share of frames without a body at either end of a sample; and the names of samples
        with such frames, ``empty_ends``, and of those with an absent body before a present one,
        ``absent_first``.
    """
    bodies = empty = frames = blank = ends = 0
    counts, empty_ends, absent_first = [], [], []
    for annotation in annotations:
        present = annotation['keypoint'].any(axis=(2, 3))  # (M, T)
        there, shown = present.any(axis=1), np.flatnonzero(present.any(axis=0))
        bodies += len(there)
        empty += int((~there).sum())
        frames += present.shape[1]
        blank += present.shape[1] - len(shown)
        counts.append(int(there.sum()))
        outside = present.shape[1] - (int(shown[-1]) + 1 - int(shown[0]))
        ends += outside
        if outside:
            empty_ends.append(annotation['frame_dir'])
        if not there[: counts[-1]].all():
            absent_first.append(annotation['frame_dir'])
    return dict(
        bodies=bodies,
        present=summarise(counts),
        empty_bodies=empty / max(bodies, 1),
        empty_frames=blank / max(frames, 1),
        end_frames=ends / max(frames, 1),
        empty_ends=empty_ends,
        absent_first=absent_first,
    )


def measure_sizes(annotations: Sequence[Dict]) -> Dict:
    """Sizes of the bodies, the unit they suggest, and samples with implausible sizes.

    Returns:
        dict: ``size`` (min, median, max over samples); ``unit``: 'metres', or what the median
        suggests instead; ``suspicious``: names of samples outside ``BODY_SIZE`` in metres (if the
        median is within), or, in other units, ten times larger or smaller than the median.
    """
    sizes = [body_size(annotation['keypoint']) for annotation in annotations]
    median = float(np.median(sizes))
    metres = BODY_SIZE[0] <= median <= BODY_SIZE[1]
    whole = all((a['keypoint'] == np.round(a['keypoint'])).all() for a in annotations[:50])
    if metres:
        unit = 'metres'
    elif median < BODY_SIZE[0]:
        unit = 'normalised coordinates, or nearly all joints absent'
    elif whole:
        unit = 'pixels (all numbers are integers)'
    elif median > 600:
        unit = 'millimetres or pixels'
    elif median > 20:
        unit = 'centimetres or pixels'
    else:
        unit = 'no known unit'
    low, high = BODY_SIZE if metres else (median / 10, median * 10)
    return dict(
        size=summarise(sizes),
        unit=unit,
        suspicious=[a['frame_dir'] for a, s in zip(annotations, sizes) if not low <= s <= high],
    )


def bone_variation(keypoint: np.ndarray, pairs: Sequence[Tuple[int, int]]) -> Optional[float]:
    """Variation of bone lengths within a sequence: 0 for a rigid skeleton.

    The mean, over the bones of all bodies, of the standard deviation of a bone's length over the
    frames that show both joints, divided by its mean length.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, 3); absent joints are exactly zero.
        pairs (Sequence[tuple[int, int]]): (joint, parent), the root paired with itself.

    Returns:
        float, optional: None if no bone is visible twice.
    """
    bones = [pair for pair in pairs if pair[0] != pair[1]]
    if not bones:
        return None
    joints, parents = np.array(bones).T
    present = np.asarray(keypoint.any(axis=-1))
    both = present[..., joints] & present[..., parents]  # (M, T, bones)
    difference = keypoint[..., joints, :].astype(np.float64) - keypoint[..., parents, :]
    length = np.where(both, np.linalg.norm(difference, axis=-1), 0)
    number = both.sum(axis=1)  # (M, bones)
    mean = length.sum(axis=1) / np.maximum(number, 1)
    square = np.where(both, (length - mean[:, None]) ** 2, 0).sum(axis=1)
    known = (number > 1) & (mean > 0)  # a joint that copies its parent has no bone
    if not known.any():
        return None
    return float((np.sqrt(square[known] / number[known]) / mean[known]).mean())


def measure_bones(annotations: Sequence[Dict], pairs: Sequence[Tuple[int, int]]) -> Optional[Dict]:
    """Bone-length variation of all samples, and the sample with the largest."""
    found = [(bone_variation(a['keypoint'], pairs), a['frame_dir']) for a in annotations]
    known = [(value, name) for value, name in found if value is not None]
    if not known:
        return None
    return dict(variation=summarise([value for value, _ in known]), worst=max(known)[1])
