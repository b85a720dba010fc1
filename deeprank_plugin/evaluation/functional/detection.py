"""Detection of actions in long recordings: mean average precision by action and by video.

The protocol of PKU-MMD (Liu et al., arXiv:1703.07475), as detection is commonly measured:

- The overlap of two intervals is their intersection over their union; lengths are end - start.
- A detection is right if it overlaps an instance of its label in its video by theta or more.
- An instance is found once: every further detection of it is wrong.
- The average precision sums precision over steps of recall. Precision is interpolated: at each
  recall it is the highest precision at that recall or a higher one.

The evaluation script of the data set's authors counts in another way, see
:func:`script_precision`.
"""

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple, Union

import numpy as np
from sklearn.metrics import precision_recall_curve

RULES = ('interpolated', 'script')


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
    one; a video with instances and no detection counts with 0. The script averages over 51 labels,
    those without an instance counting 0, and over the videos for which it is given a file.

    Args:
        detections (Sequence[Detection]): In any order, which matters for equal scores only: under
            'interpolated' the first of them finds an instance, under 'script' the last counts as
            higher.
        truths (Sequence[Segment]): All instances.
        theta (float): Overlap from which on a detection is right. Defaults to 0.5.
        rule (str): 'interpolated': as in the module's docstring; each instance is found by the
            highest score that overlaps it enough and has found no other. 'script': the numbers of
            the authors' script, for a comparison with published ones. Defaults to 'interpolated'.

    Returns:
        dict: ``mAP_a``, ``mAP_v``, and their parts ``by_action`` (label to average precision) and
        ``by_video`` (name to average precision).

    Raises:
        ValueError: If there is no instance, theta or the rule is none, an interval ends before it
            starts, or a score is not finite.
    """
    check_request(detections, truths, theta, rule)
    script = rule == 'script'
    found = find_instances(detections, truths, theta, once=not script)
    scores = np.array([detection.score for detection in detections], dtype=float)
    measure = script_precision if script else interpolated_precision

    def mean_by(key: str) -> Tuple[float, Dict]:
        keys = [getattr(detection, key) for detection in detections]
        wanted = [getattr(truth, key) for truth in truths]
        parts = {}
        for value in sorted(set(wanted)):
            rows = np.array([other == value for other in keys], dtype=bool)
            parts[value] = measure(scores[rows], found[rows], wanted.count(value))
        return float(np.mean(list(parts.values()))), parts

    (by_action, actions), (by_video, videos) = mean_by('label'), mean_by('video')
    return dict(mAP_a=by_action, mAP_v=by_video, by_action=actions, by_video=videos)


def find_instances(
    detections: Sequence[Detection], truths: Sequence[Segment], theta: float, once: bool = True
) -> np.ndarray:
    """The instance that each detection finds: the one that it overlaps most.

    Args:
        detections (Sequence[Detection]): N detections.
        truths (Sequence[Segment]): All instances.
        theta (float): The least overlap.
        once (bool): Whether an instance is found by the highest score alone, so that others find
            the next best instance or none. Defaults to True. Of instances that a detection overlaps
            equally, it finds the first, and without ``once`` the last, as the authors' script does.

    Returns:
        np.ndarray: Indices of instances, of shape (N,); -1 where there is none.
    """
    places: Dict[Tuple[str, int], List[int]] = {}
    for index, truth in enumerate(truths):
        places.setdefault((truth.video, truth.label), []).append(index)
    found, taken = np.full(len(detections), -1), set()
    order = sorted(range(len(detections)), key=lambda row: -detections[row].score)
    for row in order:
        own = places.get((detections[row].video, detections[row].label), [])
        free = [index for index in own if index not in taken]
        overlaps = [(overlap(detections[row], truths[i]), -i if once else i, i) for i in free]
        ratio, _, best = max(overlaps, default=(0.0, 0, -1))
        if ratio >= theta:
            found[row] = best
            if once:
                taken.add(best)
    return found


def overlap(one: Span, other: Span) -> float:
    """Intersection over union of two intervals; 0 if they do not meet."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return max(both, 0) / (max(one.end, other.end) - min(one.start, other.start))


def interpolated_precision(scores: np.ndarray, found: np.ndarray, total: int) -> float:
    """Average precision, precision at a recall being the highest at that recall or a higher one.

    Args:
        scores (np.ndarray): Scores of shape (N,); equal ones are accepted together.
        found (np.ndarray): The instance that each detection finds, each at most once, of shape
            (N,); -1 for none.
        total (int): Number of instances, at least 1.
    """
    right = found >= 0
    if not right.any():
        return 0.0
    precision, share, _ = precision_recall_curve(right, scores)  # from the lowest score up
    recall = share * right.sum() / total
    return float(-np.diff(recall) @ np.maximum.accumulate(precision)[:-1])


def script_precision(scores: np.ndarray, found: np.ndarray, total: int) -> float:
    """Average precision as evaluate.py of PKU-MMD's authors computes it.

    It drops detections from the lowest score up. Precision and recall of what is left count each
    instance once, however many detections found it, so a further detection lowers precision. They
    are taken of the whole list, and each time that a detection with an instance was dropped: wrong
    ones scored between two of these lower the upper one's precision. A step of recall counts with
    the highest precision so far, that at its lower end included.

    Of the two texts of the script in use, this is the one that matches detections with instances
    (``match``). The other (``calc_ovlp``) counts every detection of an instance as right, and so
    comes out higher.

    Args:
        scores (np.ndarray): Scores of shape (N,); of equal ones, the last counts as higher.
        found (np.ndarray): The instance that each detection finds, of shape (N,); -1 for none.
        total (int): Number of instances, at least 1.
    """
    upward = found[np.argsort(scores, kind='stable')]
    instances, last = np.unique(upward[::-1], return_index=True)  # the highest score of each
    lost = np.zeros(len(upward), dtype=int)  # whether a drop loses the instance
    lost[len(upward) - 1 - last[instances >= 0]] = 1
    kept = lost.sum() - np.append(0, lost.cumsum())  # instances, after each drop
    left = np.arange(len(upward), -1, -1)  # detections
    taken = np.append(True, upward >= 0)
    precision = np.maximum.accumulate(kept[taken] / np.maximum(left[taken], 1))
    return float(-np.diff(kept[taken] / total) @ precision[1:])


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
