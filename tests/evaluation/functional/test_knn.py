"""Pure metrics against loops and formulas."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from deeprank_plugin.evaluation.functional import (
    feature_health,
    knn_accuracy,
    knn_scores,
)


def test_knn_against_scikit_learn():
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(50, 4)), rng.normal(size=(20, 4))
    labels = rng.integers(0, 3, 50)
    reference = KNeighborsClassifier(
        7, metric='cosine', algorithm='brute', weights=lambda distance: 2 - distance
    ).fit(bank, labels)
    scores = knn_scores(queries, bank, labels, k=7)
    expected = reference.predict_proba(queries)
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), expected, atol=1e-9)


@pytest.mark.parametrize('k', [1, 3])
def test_leave_one_out_against_a_loop(k):
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(30, 3)), rng.integers(0, 3, 30)
    features[7] = features[3]  # twins: one may push the other off the list
    right = 0
    for query in range(30):
        others = np.delete(np.arange(30), query)
        scores = knn_scores(features[[query]], features[others], labels[others], k=k, num_classes=3)
        right += scores[0].argmax() == labels[query]
    assert knn_accuracy(features, labels, k=k) == pytest.approx(right / 30)


def test_unlabelled_rows_are_left_out():
    features = np.random.default_rng(2).normal(size=(20, 3))
    labels = np.arange(20) % 2
    extended = np.concatenate([features, features + 1e-3])
    unknown = np.concatenate([labels, np.full(20, -1)])
    assert knn_accuracy(extended, unknown) == knn_accuracy(features, labels)
    assert 'knn' not in feature_health(torch.randn(4, 3), torch.full((4,), -1))
