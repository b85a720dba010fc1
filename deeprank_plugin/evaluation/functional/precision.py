"""How often pseudo-labels agree with the true classes (Fig. 8)."""

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

TRIPLETS_AT_ONCE = 2**20  # bounds the memory and does not change the result


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
    own = torch.eye(number, dtype=torch.bool, device=distances.device)
    distances = distances.masked_fill(own, math.nan)  # neither closer nor farther: no candidate
    same = (labels.unsqueeze(1) == labels) & ~own
    counts = torch.zeros(4, dtype=torch.long, device=distances.device)
    chance = torch.zeros((), dtype=torch.float64, device=distances.device)
    size = max(1, TRIPLETS_AT_ONCE // number**2)
    for rows, alike in zip(distances.split(size), same.split(size)):
        closer = rows.unsqueeze(2) < rows.unsqueeze(1)  # candidate (row) closer than (column)
        found = closer & alike.unsqueeze(2)
        decided = found & ~alike.unsqueeze(1)
        against = closer & ~alike.unsqueeze(2) & alike.unsqueeze(1)
        counts += torch.stack([part.sum() for part in (found, closer, decided, against)])
        chance += (closer.sum((1, 2)) * (alike.sum(1) / (number - 1)).double()).sum()
    right, total, decided, against = counts.tolist()
    return Precision(right, total, float(chance), decided, decided + against)


def cluster_purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose class is the most frequent one of their cluster.

    Args:
        clusters (np.ndarray): Clusters of shape (N,), from 0.
        labels (np.ndarray): True classes of shape (N,), from 0.
    """
    table = contingency_matrix(clusters, labels)  # (clusters, classes)
    return float(table.max(axis=1).sum() / len(labels))
