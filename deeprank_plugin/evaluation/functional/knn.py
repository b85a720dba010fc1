"""k nearest neighbours by cosine distance, on the device of the features."""

from typing import Optional, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

SIMILARITIES_AT_ONCE = 2**22  # of a block of queries with the bank: 16 MiB, and some times as much
"""Cosine similarities that are held at once, which does not change the result."""


def knn_scores(
    queries: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    k: int = 20,
    num_classes: Optional[int] = None,
    own_rows: Optional[Tensor] = None,
) -> Tensor:
    """Class scores of queries from their k nearest neighbours in a bank.

    A neighbour votes with its cosine similarity plus one, so nearer ones count for more and ties
    between classes are rare. Among neighbours at the same distance those with the smaller row of
    the bank are taken. Scikit-learn's ``KNeighborsClassifier(metric='cosine', weights=lambda d: 2 -
    d)`` computes the same, except that it takes any of the neighbours at the same distance, knows
    only classes that occur in the bank, excludes the query itself only if the whole bank is
    queried, and runs on the CPU.

    Args:
        queries (Tensor): Features of shape (Q, D).
        bank (Tensor): Features of shape (N, D), on the same device.
        bank_labels (Tensor): Classes of shape (N,), from 0.
        k (int): Number of neighbours; all others if there are fewer. Defaults to 20.
        num_classes (int, optional): Number of classes. Defaults to the largest label plus one.
        own_rows (Tensor, optional): Rows of the bank of shape (Q,) that are the queries
            themselves and do not vote (leave-one-out). Defaults to None.

    Returns:
        Tensor: Scores of shape (Q, classes), on the device of the features.

    Raises:
        ValueError: If a feature is not finite.
    """
    if not bool(bank.isfinite().all() & queries.isfinite().all()):
        raise ValueError(
            'the features are not all finite, so they have no neighbours; expected finite ones: '
            'the encoder has diverged, lower the learning rate or clip the gradients'
        )
    dtype = torch.promote_types(bank.dtype, torch.float32)
    queries, bank = (normalize(part.to(dtype), dim=1) for part in (queries, bank))
    if num_classes is None:
        num_classes = int(bank_labels.max()) + 1
    labels = bank_labels.to(bank.device)
    classes = bank.new_zeros(len(bank), num_classes).scatter_(1, labels[:, None], 1)  # one-hot
    number = min(k, len(bank) - (own_rows is not None))
    if number < 1:
        return classes.new_zeros(len(queries), classes.shape[1])
    scores = []
    size = max(1, SIMILARITIES_AT_ONCE // len(bank))
    for start in range(0, len(queries), size):
        votes = (queries[start : start + size] @ bank.T).add_(1).clamp_(0, 2)  # (q, N)
        if own_rows is not None:
            own = own_rows[start : start + size].to(bank.device)
            votes.scatter_(1, own[:, None], -1.0)
        votes *= choose_largest(votes, number)
        scores.append(votes @ classes)
    return torch.cat(scores)


def choose_largest(values: Tensor, number: int) -> Tensor:
    """Mask (Q, N) of the largest entries of each row; of equal ones the first."""
    least = values.topk(number, dim=1).values[:, -1:]
    above, equal = values > least, values == least
    room = number - above.sum(dim=1, keepdim=True, dtype=torch.int32)
    return above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))


def topk_accuracy(scores: np.ndarray, labels: np.ndarray, topk: Sequence[int]) -> list:
    """Share of rows whose label is among the k highest scores, for each k.

    Among equal scores the smaller class ranks higher, as in ``argmax``. MMAction2's
    ``top_k_accuracy`` breaks ties in no fixed order, and k-NN has many: classes without votes.
    """
    order = np.argsort(-scores, axis=1, kind='stable')
    return [float((order[:, :k] == labels[:, None]).any(axis=1).mean()) for k in topk]


def knn_accuracy(
    features: Tensor,
    labels: Tensor,
    k: int = 1,
    max_queries: int = 2000,
    seed: int = 0,
) -> float:
    """Leave-one-out accuracy of cosine k-NN within one set of features.

    Args:
        features (Tensor): Features of shape (N, D).
        labels (Tensor): Classes of shape (N,); rows with -1 are ignored.
        k (int): Number of neighbours. Defaults to 1.
        max_queries (int): Number of rows, drawn at random, that are queries; every row is in the
            bank. Defaults to 2000.
        seed (int): Seed of the draw. Defaults to 0.

    Returns:
        float: Accuracy in [0, 1]; NaN with fewer than two labelled rows.
    """
    labels = labels.cpu()
    known = (labels >= 0).nonzero().flatten()
    if len(known) < 2:
        return float('nan')
    if len(known) < len(labels):
        features, labels = features[known.to(features.device)], labels[known]
    asked = np.arange(len(labels))
    if len(asked) > max_queries:
        asked = np.sort(np.random.default_rng(seed).permutation(len(asked))[:max_queries])
    rows = torch.from_numpy(asked).to(features.device)
    scores = knn_scores(features[rows], features, labels, k=k, own_rows=rows)
    return topk_accuracy(scores.cpu().numpy(), labels.numpy()[asked], (1,))[0]
