"""Detection figures: worked by hand, and against plain loops on random detections."""

import numpy as np
import pytest

from deeprank_plugin.evaluation.functional import Detection, Segment, detection_map
from deeprank_plugin.evaluation.functional.detection import RULES, overlap

TRUTHS = [Segment('a', 0, 10, 0), Segment('a', 10, 20, 1), Segment('b', 0, 10, 0)]
DETECTIONS = [
    Detection('a', 0, 8, 0, 0.9),  # 8 of 10: right
    Detection('a', 2, 10, 0, 0.8),  # the same instance again, 8 of 10
    Detection('b', 6, 16, 0, 0.7),  # 4 of 16: wrong
    Detection('b', 0, 5, 0, 0.6),  # 5 of 10: right at 0.5, wrong above
    Detection('a', 12, 20, 2, 0.5),  # no instance of label 2
]


def test_worked_by_hand():
    # label 0: right, again, wrong, right: precision 1/1 to recall 1/2, 2/4 to recall 1
    # label 1: never detected. Video a: right, again, wrong. Video b: wrong, right
    found = detection_map(DETECTIONS, TRUTHS)
    assert found['by_action'] == pytest.approx({0: 0.75, 1: 0.0})
    assert found['by_video'] == pytest.approx({'a': 0.5, 'b': 0.5})
    assert (found['mAP_a'], found['mAP_v']) == pytest.approx((0.375, 0.5))
    # above 0.5 the instance of b is not found
    found = detection_map(DETECTIONS, TRUTHS, theta=0.51)
    assert found['by_action'] == pytest.approx({0: 0.5, 1: 0.0})
    assert found['by_video'] == pytest.approx({'a': 0.5, 'b': 0.0})
    # the script, label 0: 2 instances by 4 detections, then 1 by 3; the wrong one is passed over; 1
    # by 1: 1/2 on the step from recall 1 to 1/2, 1/1 below. Video a: 1 instance by 3 detections of
    # 2; the wrong and the second one go, 1 by 1. Video b: 1 by 2, then none
    found = detection_map(DETECTIONS, TRUTHS, rule='script')
    assert found['by_action'] == pytest.approx({0: 0.5 * 0.5 + 0.5 * 1, 1: 0.0})
    assert found['by_video'] == pytest.approx({'a': 0.5, 'b': 0.5})


def test_two_fragments_of_an_instance_find_it_once():
    truths = [Segment('a', 0, 100, 0), Segment('a', 200, 300, 0)]
    detections = [Detection('a', 0, 50, 0, 0.9), Detection('a', 50, 100, 0, 0.8)]
    for rule in RULES:
        found = detection_map(detections, truths, rule=rule)
        assert (found['mAP_a'], found['mAP_v']) == (0.5, 0.5)  # one of two, the other never


def test_the_precision_at_a_recall_is_the_highest_from_there_on():
    truths = [Segment('a', 10 * i, 10 * i + 10, 0) for i in range(4)]
    right = [True, False, True, True, False]  # from the highest score down
    detections = [
        Detection('a', *((10 * i, 10 * i + 10) if good else (90, 99)), 0, 1 - 0.1 * i)
        for i, good in enumerate(right)
    ]
    # precision 1 at recall 1/4, 2/3 at 2/4, 3/4 at 3/4: 2/3 becomes 3/4
    assert detection_map(detections, truths)['mAP_a'] == pytest.approx((1 + 0.75 + 0.75) / 4)
    # the script: 3 of all 5 are right; dropping the right ones from below leaves 2 of 3, 1 of 2 and
    # none: 2/3 from recall 3/4 to 0
    found = detection_map(detections, truths, rule='script')
    assert found['mAP_a'] == pytest.approx(3 / 4 * 2 / 3)


def test_a_perfect_detector():
    truths = [Segment(video, 10 * i, 10 * i + 7, i % 3) for video in 'ab' for i in range(6)]
    detections = [Detection(*truth, 1.0) for truth in truths]
    for rule in RULES:
        for theta in (0.1, 0.5, 1.0):
            found = detection_map(detections, truths, theta, rule)
            assert (found['mAP_a'], found['mAP_v']) == (1, 1)
        found = detection_map([Detection('a', 0, 1, 0, 1.0)], [Segment('a', 0, 1, 0)], rule=rule)
        assert found['mAP_v'] == 1


def test_of_two_instances_that_a_detection_overlaps_equally():
    truths = [Segment('a', 0, 10, 0), Segment('a', 10, 20, 0)]
    detections = [Detection('a', 5, 15, 0, 0.9), Detection('a', 10, 20, 0, 0.8)]
    # 5 of 15 of either; the first: then the other detection finds the second, 2 of 2
    assert detection_map(detections, truths, theta=0.3)['mAP_a'] == 1
    # the script, the last: both find the second; 1 of 2 instances, precision 1/1 below recall 1/2
    found = detection_map(detections, truths, theta=0.3, rule='script')
    assert found['mAP_a'] == 0.5
    for rule, area in zip(RULES, (1, 0.5)):
        plain = plain_found(detections, truths, 0.3, rule == 'interpolated')
        assert plain_precision(plain, 2, rule) == area


def plain_found(detections, truths, theta, once):
    """(score, instance or None) of each detection, the highest score first."""
    found, used = [], []
    for detection in sorted(detections, key=lambda d: d.score, reverse=True):
        best, ratio = None, 0
        for truth in truths:
            if truth[0] != detection[0] or truth[3] != detection[3] or (once and truth in used):
                continue
            frames = set(range(detection[1], detection[2])), set(range(truth[1], truth[2]))
            value = len(frames[0] & frames[1]) / len(frames[0] | frames[1])
            if value > ratio or (value == ratio > 0 and not once):  # the script goes on to a tie
                best, ratio = truth, value
        found.append((detection.score, best if ratio >= theta else None))
        used += [best] * (ratio >= theta)
    return found


def plain_precision(found, total, rule):
    """Average precision of pairs (score, instance), the highest score first."""

    def share(rest):
        instances = len({instance for _, instance in rest if instance is not None})
        return instances / len(rest) if rest else 0.0, instances / total

    if rule == 'script':
        area, rest = 0.0, list(found)
        highest, recall = share(rest)
        while rest:
            if rest.pop()[1] is not None:
                precision, lower = share(rest)
                highest = max(highest, precision)
                area += highest * (recall - lower)
                recall = lower
        return area
    points = [share(found[:count])[::-1] for count in range(1, len(found) + 1)]
    area, before = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area


@pytest.mark.parametrize('rule', RULES)
@pytest.mark.parametrize('theta', [0.2, 0.5, 0.8])
def test_random_detections_against_plain_loops(rule, theta):
    rng = np.random.default_rng(int(10 * theta))
    for _ in range(10):
        truths, detections = [], []
        for video in 'abc':
            for number in range(rng.integers(1, 6)):
                start = 12 * number + int(rng.integers(3))
                truths.append(Segment(video, start, start + int(rng.integers(4, 9)), number % 3))
        for truth in truths:
            for _ in range(rng.integers(4)):
                start, end = (truth[1 + side] + int(rng.integers(-2, 3)) for side in range(2))
                label = int(truth.label if rng.random() < 0.7 else rng.integers(4))
                end = max(end, start + 1)
                detections.append(Detection(truth.video, start, end, label, rng.random()))
        expected = {}
        for place, key in ((3, 'by_action'), (0, 'by_video')):
            expected[key] = {
                value: plain_precision(
                    plain_found(
                        [d for d in detections if d[place] == value],
                        truths,
                        theta,
                        rule == 'interpolated',
                    ),
                    sum(truth[place] == value for truth in truths),
                    rule,
                )
                for value in {truth[place] for truth in truths}
            }
        found = detection_map(detections, truths, theta, rule)
        for key, name in (('by_action', 'mAP_a'), ('by_video', 'mAP_v')):
            assert found[key] == pytest.approx(expected[key])
            assert found[name] == pytest.approx(np.mean(list(expected[key].values())))


def test_equal_scores_are_accepted_together():
    truths = [Segment('a', 0, 10, 0)]
    good, bad = Detection('a', 0, 10, 0, 0.5), Detection('a', 50, 60, 0, 0.5)
    for detections in ([good, bad], [bad, good]):
        assert detection_map(detections, truths)['mAP_a'] == 0.5


def test_no_detection_is_a_precision_of_zero():
    for rule in RULES:
        found = detection_map([], TRUTHS, rule=rule)
        assert found['by_action'] == {0: 0, 1: 0} and found['mAP_v'] == 0


def test_overlap_of_intervals_that_do_not_meet():
    assert overlap(Segment('a', 0, 4, 0), Segment('a', 6, 10, 0)) == 0
    assert overlap(Segment('a', 0, 4, 0), Segment('a', 4, 8, 0)) == 0


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(truths=[]), 'there is no action to detect'),
        (dict(theta=0), r'theta=0; expected an overlap above 0'),
        (dict(theta=1.1), r'theta=1.1; expected'),
        (dict(rule='voc'), "rule='voc' is unknown; expected one of"),
        (dict(truths=[Segment('a', 3, 3, 0)]), 'has no length; expected start < end'),
        (dict(detections=[Detection('a', 3, 2, 0, 1)]), 'has no length; expected start < end'),
        (dict(detections=[Detection('a', 0, 2, 0, np.nan)]), 'has a score that is not finite'),
    ],
)
def test_invalid_requests(change, message):
    with pytest.raises(ValueError, match=message):
        detection_map(**dict(dict(detections=DETECTIONS, truths=TRUTHS), **change))
