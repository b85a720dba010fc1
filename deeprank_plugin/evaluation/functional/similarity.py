"""How far apart the features of two classes lie on average (Fig. 6)."""

from typing import Dict

import numpy as np


def class_distances(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean cosine distance between the features of every two classes.

    A feature is not compared with itself. Takes O(N D) time, since the mean of inner products is
    the inner product of means.

    Args:
        features (np.ndarray): Features of shape (N, D).
        labels (np.ndarray): Classes of shape (N,), from 0.

    Returns:
        np.ndarray: Of shape (C, C), in [0, 2]; NaN for a class without samples, and on the diagonal
        for a class with one.
    """
    features = features.astype(np.float64)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    classes = int(labels.max()) + 1
    sums = np.zeros((classes, features.shape[1]))
    np.add.at(sums, labels, unit)
    counts = np.bincount(labels, minlength=classes).astype(float)
    own = np.bincount(labels, weights=(unit * unit).sum(axis=1), minlength=classes)
    pairs = np.outer(counts, counts) - np.diag(counts)
    with np.errstate(invalid='ignore', divide='ignore'):
        return 1 - (sums @ sums.T - np.diag(own)) / pairs


def summarise_distances(matrix: np.ndarray) -> Dict[str, float]:
    """Mean of the diagonal (``intra``), of the rest (``inter``), and ``ratio`` intra / inter."""
    diagonal = np.eye(len(matrix), dtype=bool)
    intra, inter = float(np.nanmean(matrix[diagonal])), float(np.nanmean(matrix[~diagonal]))
    return dict(intra=intra, inter=inter, ratio=intra / inter)
