"""Logistic regression on features, as weights of a linear layer."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

ABSENT_BIAS = -5.0
"""Score of a class without a sample: below that of the best class, which is at least 0."""


class LinearClassifier(NamedTuple):
    """Scores of features f (D,) are ``weight @ f + bias``; their softmax is the probability.

    Attributes:
        weight: Shape (classes, D).
        bias: Shape (classes,).
        accuracy: Share of the training samples that it classifies rightly.
    """

    weight: np.ndarray
    bias: np.ndarray
    accuracy: float


def fit_logistic_regression(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    max_iter: int = 3000,
    C: float = 1.0,
) -> LinearClassifier:
    """Fit scikit-learn's logistic regression (L2) on standardised features.

    Each feature is centred and divided by its standard deviation plus 1e-6; the result is that of
    the features as they are, with the standardisation folded into weights and bias. A class without
    a sample gets weights 0 and :data:`ABSENT_BIAS`; the scores of the others sum to 0, so it is
    never predicted.

    Args:
        features (np.ndarray): Shape (N, D).
        labels (np.ndarray): Classes of shape (N,), from 0.
        num_classes (int): Number of classes, those without a sample included.
        max_iter (int): Most steps of the solver. Defaults to 3000.
        C (float): scikit-learn's inverse strength of the regularisation: lower for smaller weights.
            Defaults to 1.0.

    Raises:
        ValueError: If there are fewer than two classes, or a label is out of range.
    """
    present = np.unique(labels)
    if len(present) < 2 or present[0] < 0 or present[-1] >= num_classes:
        raise ValueError(
            f'a classifier of {num_classes} classes cannot be fitted on samples of the classes '
            f'{present[:10].tolist()}; expected at least two of them, from 0 to {num_classes - 1}'
        )
    features = np.asarray(features, dtype=np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    standardised = (features - mean) / deviation
    fitted = LogisticRegression(C=C, max_iter=max_iter).fit(standardised, labels)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(present) == 2:  # one score for both: half of it for the second, minus half for the first
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight = np.zeros((num_classes, features.shape[1]))
    bias = np.full(num_classes, ABSENT_BIAS)
    weight[present] = coefficients / deviation
    bias[present] = intercepts - weight[present] @ mean
    return LinearClassifier(weight, bias, float(fitted.score(standardised, labels)))
