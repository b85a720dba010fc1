"""Distances between classes against a plain loop."""

import numpy as np
import pytest

from deeprank_plugin.evaluation.functional.similarity import class_distances, summarise_distances


def test_class_distances_are_means_over_pairs():
    features, labels = np.random.normal(size=(12, 4)).astype(np.float32), np.array([0, 1, 3] * 4)
    found = class_distances(features, labels)
    assert found.shape == (4, 4) and np.isnan(found[2]).all() and np.isnan(found[:, 2]).all()
    for first in (0, 1, 3):
        for second in (0, 1, 3):
            distances = []
            for i in np.flatnonzero(labels == first):
                for j in np.flatnonzero(labels == second):
                    if i != j:
                        a, b = features[i].astype(float), features[j].astype(float)
                        distances.append(1 - a @ b / np.sqrt((a @ a) * (b @ b)))
            assert found[first, second] == pytest.approx(np.mean(distances), abs=1e-9)
    summary = summarise_distances(found)
    known = found[np.ix_([0, 1, 3], [0, 1, 3])]
    assert summary['intra'] == pytest.approx(np.trace(known) / 3)
    assert summary['inter'] == pytest.approx((known.sum() - np.trace(known)) / 6)
    assert summary['ratio'] == pytest.approx(summary['intra'] / summary['inter'])
