"""Logistic regression as a linear layer gives the probabilities of scikit-learn's own."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from deeprank_plugin.evaluation.functional import fit_logistic_regression


def samples(classes, number=60):
    """Features of different scales, one of them constant, around a centre for each class."""
    rng = np.random.default_rng(0)
    labels = rng.choice(classes, number)
    centres = rng.normal(size=(max(classes) + 1, 5))
    features = (centres[labels] + rng.normal(size=(number, 5))) * [1, 10, 0.1, 100, 3] + 7
    return np.column_stack([features, np.full(number, 2.0)]), labels


@pytest.mark.parametrize('C', [1.0, 0.01])
@pytest.mark.parametrize('classes', [[0, 1, 2, 3], [1, 3, 4], [2, 5]])
def test_probabilities_are_those_of_scikit_learn(classes, C):
    features, labels = samples(classes)
    found = fit_logistic_regression(features, labels, 6, C=C)
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    model = LogisticRegression(C=C, max_iter=3000).fit(scaled, labels)
    scores = features @ found.weight.T + found.bias
    np.testing.assert_allclose(
        softmax(scores[:, classes], axis=1), model.predict_proba(scaled), atol=1e-9
    )
    assert found.accuracy == np.mean(scores.argmax(axis=1) == labels)
    absent = [label for label in range(6) if label not in classes]
    assert not found.weight[absent].any() and (found.bias[absent] == -5).all()
    np.testing.assert_allclose(scores[:, classes].sum(axis=1), 0, atol=1e-9)  # the best is >= 0


@pytest.mark.parametrize('classes', [[1], [0, 6]])
def test_impossible_classes(classes):
    with pytest.raises(ValueError, match='classifier of 6 classes .* at least two of them, from 0'):
        fit_logistic_regression(*samples(classes), 6)
