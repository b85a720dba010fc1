"""Detection of actions in long recordings: mean average precision by action and by video.

The protocol of PKU-MMD (Liu et al., arXiv:1703.07475) and of its authors' evaluation script
(evaluate.py of github.com/ECHO960/PKU-MMD). What that script does, and this module with it:

- The overlap of two intervals is their intersection over their union; lengths are end - start.
- A detection is right if it overlaps an instance of its label in its video by theta or more.
  Several may find the same instance, and all of them are right; recall stops at 1.
- The average precision sums precision over steps of recall. Precision is interpolated: at each
  recall it is the highest precision at that recall or a higher one.

Where the script's code differs from this, see :func:`script_precision`.
"""

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np
from sklearn.metrics import precision_recall_curve

RULES = ('interpolated', 'script', 'once')


class Segment(NamedTuple):
    """An action in a recording.

    Attributes:
        video (str): Name of the recording.
        start (float): Where it starts, in frames or seconds.
        end (float): Where it ends, in the same unit; the length is ``end - start``.
        label (int): Its class, from 0.
    """

    video: str
    start: float
    end: float
    label: int


class Detection(NamedTuple):
    """A :class:`Segment` that was detected, with its score: the higher, the surer."""

    video: str
    start: float
    end: float
    label: int
    score: float


Span = Union[Segment, Detection]


def detection_map(
    detections: Sequence[Detection],
    truths: Sequence[Segment],
    theta: float = 0.5,
    rule: str = 'interpolated',
) -> Dict[str, Any]:
    """Mean average precision by action (mAP_a) and by video (mAP_v).

    Labels without an instance have no average precision and do not count, nor do videos without
    one; a video with instances and no detection counts with 0. The script averages over 52 labels,
    of which 0 never occurs, so that its mAP_a is 51/52 of this one, and over the videos for which
    it is given a file.

    Args:
        detections (Sequence[Detection]): In any order, which matters for equal scores only: under
            'once' the first of them finds an instance, under 'script' the last counts as higher.
        truths (Sequence[Segment]): All instances.
        theta (float): Overlap from which on a detection is right. Defaults to 0.5.
        rule (str): 'interpolated': the protocol as in the module's docstring. 'script': the
            numbers of the authors' script, for a comparison with published ones. 'once': each
            instance is found once, by the highest score that overlaps it enough, as in object
            detection; other detections of it are wrong. Defaults to 'interpolated'.

    Returns:
        dict: ``mAP_a``, ``mAP_v``, and their parts ``by_action`` (label to average precision) and
        ``by_video`` (name to average precision).

    Raises:
        ValueError: If there is no instance, theta or the rule is none, an interval ends before it
            starts, or a score is not finite.
    """
    check_request(detections, truths, theta, rule)
    right = find_right(detections, truths, theta, once=rule == 'once')
    scores = np.array([detection.score for detection in detections], dtype=float)
    measure = script_precision if rule == 'script' else interpolated_precision

    def mean_by(key: str) -> Tuple[float, Dict]:
        keys = [getattr(detection, key) for detection in detections]
        wanted = [getattr(truth, key) for truth in truths]
        found = {}
        for value in sorted(set(wanted)):
            rows = np.array([other == value for other in keys], dtype=bool)
            found[value] = measure(scores[rows], right[rows], wanted.count(value))
        return float(np.mean(list(found.values()))), found

    (by_action, actions), (by_video, videos) = mean_by('label'), mean_by('video')
    return dict(mAP_a=by_action, mAP_v=by_video, by_action=actions, by_video=videos)


def find_right(
    detections: Sequence[Detection], truths: Sequence[Segment], theta: float, once: bool = False
) -> np.ndarray:
    """Whether each detection is right, see :func:`detection_map`; bool of shape (N,)."""
    places: Dict[Tuple[str, int], List[int]] = {}
    for index, truth in enumerate(truths):
        places.setdefault((truth.video, truth.label), []).append(index)
    right, taken = np.zeros(len(detections), dtype=bool), set()
    order = sorted(range(len(detections)), key=lambda row: -detections[row].score)
    for row in order:
        own = places.get((detections[row].video, detections[row].label), [])
        free = [index for index in own if index not in taken]
        best = max(free, key=lambda index: overlap(detections[row], truths[index]), default=None)
        if best is not None and overlap(detections[row], truths[best]) >= theta:
            right[row] = True
            if once:
                taken.add(best)
    return right


def overlap(one: Span, other: Span) -> float:
    """Intersection over union of two intervals; 0 if they do not meet."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return max(both, 0) / (max(one.end, other.end) - min(one.start, other.start))


def interpolated_precision(scores: np.ndarray, right: np.ndarray, total: int) -> float:
    """Average precision, precision at a recall being the highest at that recall or a higher one.

    Args:
        scores (np.ndarray): Scores of shape (N,); equal ones are accepted together.
        right (np.ndarray): Whether each detection is right, of shape (N,).
        total (int): Number of instances, at least 1.
    """
    if not right.any():
        return 0.0
    precision, share, _ = precision_recall_curve(right, scores)  # from the lowest score up
    recall = np.minimum(share * right.sum() / total, 1)
    return float(-np.diff(recall) @ np.maximum.accumulate(precision)[:-1])


def script_precision(scores: np.ndarray, right: np.ndarray, total: int) -> float:
    """Average precision as the authors' script computes it, with its peculiarities.

    It drops detections from the lowest score up. At each right one it takes the precision of those
    that are left, so that wrong ones scored between two right ones lower the upper one's precision,
    and the precision of the whole list is never used; nothing is taken when none is left. A single
    right detection, the only one of its label, therefore has an average precision of 0.

    Args:
        scores (np.ndarray): Scores of shape (N,); of equal ones, the last counts as higher.
        right (np.ndarray): Whether each detection is right, of shape (N,).
        total (int): Number of instances, at least 1.
    """
    upward = right[np.argsort(scores, kind='stable')]
    left, left_right = np.arange(len(upward))[::-1], right.sum() - np.cumsum(upward)
    used = upward & (left > 0)
    if not used.any():
        return 0.0
    precision = np.maximum.accumulate(left_right[used] / left[used])
    recall = np.minimum(np.concatenate([[right.sum()], left_right[used]]) / total, 1)
    return float(-np.diff(recall) @ precision + precision[-1] * recall[-1])


def check_request(
    detections: Sequence[Detection], truths: Sequence[Segment], theta: float, rule: str
) -> None:
    """Raise ``ValueError`` as :func:`detection_map` says."""
    if not truths:
        raise ValueError('there is no action to detect; expected at least one segment')
    if not 0 < theta <= 1:
        raise ValueError(f'theta={theta!r}; expected an overlap above 0 and up to 1')
    if rule not in RULES:
        raise ValueError(f'rule={rule!r} is unknown; expected one of {RULES}')
    intervals: List[Span] = [*truths, *detections]
    for interval in intervals:
        if not interval.start < interval.end:
            raise ValueError(f'{interval} has no length; expected start < end')
    for detection in detections:
        if not np.isfinite(detection.score):
            raise ValueError(f'{detection} has a score that is not finite; expected a number')
