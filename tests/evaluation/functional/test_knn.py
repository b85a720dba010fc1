"""k nearest neighbours against scikit-learn and loops."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from deeprank_plugin.evaluation.functional import (
    feature_health,
    knn,
    knn_accuracy,
    knn_scores,
)


@pytest.fixture(params=[1, 120, 2**22])
def at_once(request, monkeypatch):
    """Blocks of one query, of two, and of all."""
    monkeypatch.setattr(knn, 'SIMILARITIES_AT_ONCE', request.param)


def draw(queries=20, bank=50, channels=4, classes=3):
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(queries, channels)), rng.normal(size=(bank, channels))
    return *map(torch.from_numpy, parts), torch.from_numpy(rng.integers(0, classes, bank))


def test_knn_against_scikit_learn(at_once):
    queries, bank, labels = draw()
    reference = KNeighborsClassifier(
        7, metric='cosine', algorithm='brute', weights=lambda distance: 2 - distance
    ).fit(bank, labels)
    scores = knn_scores(queries, bank, labels, k=7)
    expected = torch.from_numpy(reference.predict_proba(queries))
    torch.testing.assert_close(scores / scores.sum(dim=1, keepdim=True), expected)


def test_equal_neighbours_in_the_order_of_the_bank(at_once):
    """Directions on a grid, many of them alike: a stable sort takes the first rows."""
    rng = np.random.default_rng(3)
    bank = torch.from_numpy(rng.integers(-1, 2, (60, 2))).float()  # length 0, 1 or sqrt(2)
    queries, labels = torch.tensor([[1.0, 0.0], [0.0, -1.0]]), torch.from_numpy(np.arange(60) % 4)
    cosines = (queries @ torch.nn.functional.normalize(bank, dim=1).T).numpy()
    for k in (1, 5, 13, 60):
        expected = np.zeros((2, 4))
        for query, row in enumerate(cosines):
            for neighbour in np.argsort(-row, kind='stable')[:k]:
                expected[query, labels[neighbour]] += 1 + row[neighbour]
        np.testing.assert_allclose(knn_scores(queries, bank, labels, k=k), expected, rtol=1e-5)


@pytest.mark.parametrize('k', [1, 3])
def test_leave_one_out_against_a_loop(k, at_once):
    features, _, _ = draw(30, channels=3)
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 30))
    features[7] = features[3]  # twins
    right = 0
    for query in range(30):
        others = np.delete(np.arange(30), query)
        scores = knn_scores(features[[query]], features[others], labels[others], k=k, num_classes=3)
        right += int(scores[0].argmax() == labels[query])
    assert knn_accuracy(features, labels, k=k) == pytest.approx(right / 30)


def test_few_neighbours():
    queries, bank, labels = draw(bank=5)
    torch.testing.assert_close(
        knn_scores(queries, bank, labels, k=99), knn_scores(queries, bank, labels, k=5)
    )
    assert knn_scores(queries, bank, labels, k=2, num_classes=7).shape == (20, 7)
    alone = knn_scores(bank[:1], bank[:1], labels[:1], own_rows=torch.zeros(1, dtype=torch.long))
    assert not alone.any()


def test_half_precision_is_computed_in_single():
    queries, bank, labels = draw()
    found = knn_scores(queries.half(), bank.half(), labels)
    assert found.dtype == torch.float32
    assert torch.equal(found, knn_scores(queries.half().float(), bank.half().float(), labels))


def test_features_that_are_not_finite():
    queries, bank, labels = draw()
    bank[3, 1] = torch.nan
    with pytest.raises(ValueError, match='not all finite'):
        knn_scores(queries, bank, labels)


def test_unlabelled_rows_are_left_out():
    features, _, _ = draw(channels=3)
    labels = torch.arange(20) % 2
    extended = torch.cat([features, features + 1e-3])
    unknown = torch.cat([labels, torch.full((20,), -1)])
    assert knn_accuracy(extended, unknown) == knn_accuracy(features, labels)
    assert 'knn' not in feature_health(torch.randn(4, 3), torch.full((4,), -1))
