"""From features to pseudo-labels: PCA-whitening, L2 normalisation, k-means (DeepCluster)."""

import warnings
from typing import NamedTuple, Optional

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize

RELATIVE_VARIANCE = 1e-6  # of the largest; below it, whitening would amplify noise


class Clusters(NamedTuple):
    """Result of :func:`cluster_features`.

    Attributes:
        labels: Cluster of each sample, from 0, of shape (N,).
        reseeded: Number of clusters that k-means left empty, filled by splitting others.
    """

    labels: np.ndarray
    reseeded: int


def whiten(features: np.ndarray, dim: Optional[int] = None) -> np.ndarray:
    """PCA-whitened, L2-normalised features (Caron et al., ECCV 2018, Sec. 4.1).

    Args:
        features (np.ndarray): Features of shape (N, D).
        dim (int, optional): Number of principal components to keep. Defaults to None: all with
            variance.

    Returns:
        np.ndarray: Of shape (N, at most ``dim``), float64. Components without variance are
        dropped, because whitening would amplify their noise.

    Raises:
        ValueError: If a feature is not finite, or all are equal.
    """
    if not np.isfinite(features).all():
        raise ValueError(
            'the features are not all finite: the encoder has diverged; lower the learning rate or '
            'clip the gradients'
        )
    number, width = features.shape
    components = min(number, width) if dim is None else min(dim, number, width)
    if (features == features[0]).all():
        raise ValueError(
            f'all {number} features are the same, so there is nothing to cluster: the encoder has '
            'collapsed; lower the learning rate or start from another seed'
        )
    pca = PCA(components, svd_solver='full').fit(features.astype(np.float64))
    variance = pca.explained_variance_
    kept = int((variance > RELATIVE_VARIANCE * variance[0]).sum())
    return normalize(
        pca.transform(features.astype(np.float64))[:, :kept] / np.sqrt(variance[:kept])
    )


def cluster_features(
    features: np.ndarray, num_clusters: int, dim: Optional[int] = None, seed: int = 0
) -> Clusters:
    """k-means on whitened features; no cluster is left empty.

    An empty cluster takes half of the largest one, found by 2-means within it.

    Args:
        features (np.ndarray): Features of shape (N, D).
        num_clusters (int): Number of clusters n.
        dim (int, optional): See :func:`whiten`.
        seed (int): Seed of k-means++. Defaults to 0.

    Raises:
        ValueError: If there are fewer samples than clusters, or the features cannot be
            clustered.
    """
    if not 2 <= num_clusters <= len(features):
        raise ValueError(
            f'num_clusters={num_clusters} for {len(features)} samples; expected from 2 to the '
            'number of samples'
        )
    points = whiten(features, dim)
    labels = run_kmeans(points, num_clusters, seed)
    return fill_empty(points, labels, num_clusters, seed)


def run_kmeans(points: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Labels of k-means; clusters stay empty if there are fewer distinct points."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', ConvergenceWarning)
        return KMeans(number, n_init=1, random_state=seed).fit_predict(points).astype(np.int64)


def fill_empty(points: np.ndarray, labels: np.ndarray, number: int, seed: int) -> Clusters:
    """Split the largest cluster for each empty one.

    Args:
        points (np.ndarray): Whitened features (N, D'), N at least ``number``.
        labels (np.ndarray): Labels of shape (N,).
        number (int): Number of clusters.
        seed (int): Seed of 2-means.
    """
    labels = labels.copy()
    empty = np.flatnonzero(np.bincount(labels, minlength=number) == 0)
    for label in empty:
        largest = np.bincount(labels, minlength=number).argmax()
        members = np.flatnonzero(labels == largest)
        second = run_kmeans(points[members], 2, seed) == 1
        if not second.any() or second.all():  # all at one point
            second = np.arange(len(members)) >= len(members) // 2
        labels[members[second]] = label
    return Clusters(labels, len(empty))
