"""k nearest neighbours by cosine distance."""

from typing import Optional, Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors


def knn_scores(
    queries: np.ndarray,
    bank: np.ndarray,
    bank_labels: np.ndarray,
    k: int = 20,
    num_classes: Optional[int] = None,
    own_rows: Optional[np.ndarray] = None,
) -> np.ndarray:
    """Class scores of queries from their k nearest neighbours in a bank.

    A neighbour votes with its cosine similarity plus one, so nearer ones count for more and ties
    between classes are rare. The neighbours are scikit-learn's, but not the votes: its
    ``KNeighborsClassifier`` knows only classes that occur in the bank, and excludes the query
    itself only if the whole bank is queried.

    Args:
        queries (np.ndarray): Features of shape (Q, D).
        bank (np.ndarray): Features of shape (N, D).
        bank_labels (np.ndarray): Classes of shape (N,), from 0.
        k (int): Number of neighbours, at most N. Defaults to 20.
        num_classes (int, optional): Number of classes. Defaults to the largest label plus one.
        own_rows (np.ndarray, optional): Rows of the bank of shape (Q,) that are the queries
            themselves and do not vote (leave-one-out). Defaults to None.

    Returns:
        np.ndarray: Scores of shape (Q, classes).
    """
    if num_classes is None:
        num_classes = int(bank_labels.max()) + 1
    wanted = min(k + (own_rows is not None), len(bank))
    search = NearestNeighbors(n_neighbors=wanted, metric='cosine', algorithm='brute').fit(bank)
    distances, neighbors = search.kneighbors(queries)
    votes = 2.0 - distances
    if own_rows is not None:
        votes[neighbors == np.asarray(own_rows)[:, None]] = 0.0
        # if duplicates pushed the query itself off the list, the last vote is one too many
        votes[(votes > 0).sum(axis=1) > k, -1] = 0.0
    scores = np.zeros((len(queries), num_classes))
    rows = np.repeat(np.arange(len(queries)), wanted)
    np.add.at(scores, (rows, bank_labels[neighbors].ravel()), votes.ravel())
    return scores


def topk_accuracy(scores: np.ndarray, labels: np.ndarray, topk: Sequence[int]) -> list:
    """Share of rows whose label is among the k highest scores, for each k.

    Among equal scores the smaller class ranks higher, as in ``argmax``. MMAction2's
    ``top_k_accuracy`` breaks ties in no fixed order, and k-NN has many: classes without votes.
    """
    order = np.argsort(-scores, axis=1, kind='stable')
    return [float((order[:, :k] == labels[:, None]).any(axis=1).mean()) for k in topk]


def knn_accuracy(
    features: np.ndarray,
    labels: np.ndarray,
    k: int = 1,
    max_queries: int = 2000,
    seed: int = 0,
) -> float:
    """Leave-one-out accuracy of cosine k-NN within one set of features.

    Args:
        features (np.ndarray): Features of shape (N, D).
        labels (np.ndarray): Classes of shape (N,); rows with -1 are ignored.
        k (int): Number of neighbours. Defaults to 1.
        max_queries (int): Number of rows, drawn at random, that are queries; every row is in the
            bank. Defaults to 2000.
        seed (int): Seed of the draw. Defaults to 0.

    Returns:
        float: Accuracy in [0, 1]; NaN with fewer than two labelled rows.
    """
    known = labels >= 0
    features, labels = features[known], labels[known]
    if len(labels) < 2:
        return float('nan')
    asked = np.arange(len(labels))
    if len(asked) > max_queries:
        asked = np.sort(np.random.default_rng(seed).permutation(len(asked))[:max_queries])
    scores = knn_scores(features[asked], features, labels, k=k, own_rows=asked)
    return topk_accuracy(scores, labels[asked], (1,))[0]
