"""From features to clusters, against plain linear algebra."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from deeprank_plugin.models.utils.clustering import cluster_features, fill_empty, whiten


def test_whitening_is_that_of_the_covariance():
    features = np.random.normal(size=(200, 5)) @ np.random.normal(size=(5, 5)) + 3
    found = whiten(features, dim=3)
    centred = features - features.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred.T))
    order = np.argsort(-values)[:3]
    scores = centred @ vectors[:, order] / np.sqrt(values[order])
    scores /= np.linalg.norm(scores, axis=1, keepdims=True)
    signs = np.sign((found * scores).sum(axis=0))
    np.testing.assert_allclose(found, scores * signs, atol=1e-9)


def test_directions_without_variance_are_left_out():
    features = np.zeros((50, 8))
    features[:, :2] = np.random.normal(size=(50, 2))
    assert whiten(features).shape == (50, 2)
    assert whiten(features[:5]).shape == (5, 2)


def test_known_clusters_are_found():
    truth = np.repeat(np.arange(6), 30)
    features = 10 * np.eye(6)[truth] + np.random.normal(size=(180, 6))
    labels, reseeded = cluster_features(features.astype(np.float32), 6)
    assert normalized_mutual_info_score(truth, labels) == pytest.approx(1)
    assert reseeded == 0
    again = cluster_features(features.astype(np.float32), 6).labels
    np.testing.assert_array_equal(labels, again)


def test_an_empty_cluster_takes_half_of_the_largest():
    points = np.array([[0.0, 0], [0, 0.1], [5, 5], [5, 5.1], [9, 0]])
    found, reseeded = fill_empty(points, np.array([0, 0, 0, 0, 2]), 3, seed=0)
    assert reseeded == 1 and found[4] == 2
    assert found[0] == found[1] != found[2] and found[2] == found[3]
    assert set(found.tolist()) == {0, 1, 2}


def test_equal_points_are_shared_out():
    found, reseeded = fill_empty(np.ones((6, 2)), np.zeros(6, int), 3, seed=0)
    assert reseeded == 2 and sorted(np.bincount(found)) == [1, 2, 3]


def test_fewer_distinct_points_than_clusters():
    features = np.repeat(np.random.normal(size=(3, 4)), 4, axis=0)
    labels, reseeded = cluster_features(features, 5)
    assert reseeded == 2 and len(np.unique(labels)) == 5


@pytest.mark.parametrize('number', [1, 11])
def test_a_number_of_clusters_that_cannot_be(number):
    with pytest.raises(ValueError, match=f'num_clusters={number} for 10 samples'):
        cluster_features(np.random.normal(size=(10, 3)), number)


def test_features_that_cannot_be_clustered():
    with pytest.raises(ValueError, match='all 10 features are the same'):
        cluster_features(np.ones((10, 3)), 2)
    features = np.random.normal(size=(10, 3))
    features[2, 1] = np.nan
    with pytest.raises(ValueError, match='not all finite'):
        cluster_features(features, 2)
