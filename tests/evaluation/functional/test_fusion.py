"""Fusion and classification metrics, worked by hand."""

import numpy as np
import pytest

from deeprank_plugin.evaluation.functional import classification_metrics, fuse_scores


def test_equal_weights_are_the_sum_of_the_paper():
    first = np.array([[0.6, 0.4], [0.2, 0.8]])
    second = np.array([[0.1, 0.9], [0.5, 0.5]])
    np.testing.assert_allclose(fuse_scores([first, second]), [[0.35, 0.65], [0.35, 0.65]])


def test_weights():
    first, second = np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]])
    np.testing.assert_allclose(fuse_scores([first, second], [3, 1]), [[0.475, 0.525]])
    np.testing.assert_allclose(fuse_scores([first, second], [1, 0]), first)


@pytest.mark.parametrize(
    'shapes, weights, message',
    [
        ([(2, 3), (3, 3)], None, 'expected one shape'),
        ([(2, 3), (2, 3)], [1], 'one for each'),
        ([(2, 3), (2, 3)], [1, -1], '>= 0'),
        ([(2, 3), (2, 3)], [0, 0], 'not all 0'),
        ([(2, 3), (2, 3)], [1, float('nan')], 'finite'),
    ],
)
def test_misfits(shapes, weights, message):
    with pytest.raises(ValueError, match=message):
        fuse_scores([np.ones(shape) for shape in shapes], weights)


def test_metrics_by_hand():
    # classes 0, 0, 0, 1; class 2 to 6 do not occur; predictions 0, 1, 6, 1
    labels = np.array([0, 0, 0, 1])
    scores = np.zeros((4, 7))
    scores[0] = [7, 6, 5, 4, 3, 2, 1]  # right
    scores[1] = [6, 7, 5, 4, 3, 2, 1]  # second place
    scores[2] = [1, 2, 3, 4, 5, 6, 7]  # last place
    scores[3, 1] = 1  # right
    metrics = classification_metrics(scores, labels)
    assert metrics.top1 == 0.5 and metrics.top5 == 0.75
    assert metrics.mean_class == pytest.approx((1 / 3 + 1) / 2)
    assert metrics.counts.tolist() == [3, 1, 0, 0, 0, 0, 0]
    assert np.isnan(metrics.per_class[2:]).all()
    expected = np.zeros((7, 7), int)
    expected[0, [0, 1, 6]] = 1
    expected[1, 1] = 1
    assert (metrics.confusion == expected).all()
