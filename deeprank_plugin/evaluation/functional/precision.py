"""How often pseudo-labels agree with the true classes (Fig. 8)."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor


class Precision(NamedTuple):
    """Numbers of triplets (a, c1, c2) with d(a, c1) < d(a, c2), c1 the closer candidate.

    Attributes:
        right: Triplets in which c1 has the anchor's class.
        total: All triplets.
        chance: Expected number of right triplets under a random ranking.
        decided: Triplets in which c1 has the anchor's class and the other candidate does not.
        decisive: Triplets in which exactly one candidate has the anchor's class.
    """

    right: int
    total: int
    chance: float
    decided: int
    decisive: int


def count_precision(distances: Tensor, labels: Tensor) -> Precision:
    """Count the triplets of a batch whose closer candidate has the anchor's class.

    Args:
        distances (Tensor): Label distances of shape (B, B).
        labels (Tensor): True classes of shape (B,).
    """
    number = len(labels)
    others = ~torch.eye(number, dtype=torch.bool, device=distances.device)
    right = total = decided = decisive = 0
    chance = 0.0
    for anchor in range(number):
        row = distances[anchor, others[anchor]]
        same = labels[others[anchor]] == labels[anchor]
        closer = row.unsqueeze(1) < row  # candidate (row) closer than candidate (column)
        right += int(closer[same].sum())
        total += int(closer.sum())
        chance += float(closer.sum()) * float(same.float().mean())
        decided += int(closer[same][:, ~same].sum())
        decisive += int(closer[same][:, ~same].sum() + closer[~same][:, same].sum())
    return Precision(right, total, chance, decided, decisive)


def cluster_purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose class is the most frequent one of their cluster.

    Args:
        clusters (np.ndarray): Clusters of shape (N,), from 0.
        labels (np.ndarray): True classes of shape (N,), from 0.
    """
    table = contingency_matrix(clusters, labels)  # (clusters, classes)
    return float(table.max(axis=1).sum() / len(labels))
