"""Metrics that show collapse, or the lack of it, without labels."""

from typing import Dict, List, Optional

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .knn import knn_accuracy

COLLAPSED_SPREAD = 0.01
"""Spread below which features count as collapsed.

Rounding to bfloat16 (8 bits, 2 ** -9 of a value at most) alone spreads identical features by 0.001
to 0.002, so below 0.01 distances between samples, and ranking labels with them, are largely due to
rounding. Fresh and trained encoders of the shipped configs have 0.17 to 0.57 on UI-PRMD
(docs/results.md).
"""


def feature_spread(features: Tensor) -> float:
    """Root mean square distance of the L2-normalised features from their mean, in [0, 1].

    0 means that all features point the same way (collapse), 1 that they cancel.

    Args:
        features (Tensor): Features of shape (N, D).
    """
    unit = normalize(features.double(), dim=1)
    return float((unit - unit.mean(dim=0)).pow(2).sum(dim=1).mean().sqrt())


def find_collapse(metrics: Dict[str, float]) -> List[str]:
    """Keys of the spreads, such as 'spread' or 'joint/spread', that mean collapse.

    Args:
        metrics (dict): Metrics by name, such as those of :func:`feature_health`.
    """
    return [
        key
        for key, value in metrics.items()
        if key.rpartition('/')[2] == 'spread' and value < COLLAPSED_SPREAD
    ]


def effective_rank(features: Tensor) -> float:
    """Effective number of dimensions that the features use (Roy and Vetterli, 2007).

    The exponential of the entropy of the singular values, scaled to sum to one, of the centred
    L2-normalised features: between 1 (all on a line) and D; 0 if there is no spread at all.

    Args:
        features (Tensor): Features of shape (N, D).
    """
    values = singular_values(features)
    return exp_entropy(values) if has_spread(values) else 0.0


def effective_rank_var(features: Tensor) -> float:
    """Effective number of dimensions by variance.

    As :func:`effective_rank`, but of the squared singular values, the variances along the principal
    axes. Many axes with little variance, on which distances hardly depend, raise
    :func:`effective_rank` to a large part of D, but not this.

    Args:
        features (Tensor): Features of shape (N, D).
    """
    values = singular_values(features)
    return exp_entropy(values.square()) if has_spread(values) else 0.0


def singular_values(features: Tensor) -> Tensor:
    """Singular values (D,) of the centred L2-normalised features (N, D)."""
    unit = normalize(features.double(), dim=1)
    centred = unit - unit.mean(dim=0)
    # through the D x D Gram matrix: N may be large
    return torch.linalg.eigvalsh(centred.T @ centred).clamp(min=0).sqrt()


def has_spread(values: Tensor) -> bool:
    """Whether these singular values are more than rounding."""
    return bool(values.sum() > 1e-9)


def exp_entropy(values: Tensor) -> float:
    """Exponential of the entropy of values, scaled to sum to one."""
    share = values / values.sum()
    return float(torch.exp(-torch.xlogy(share, share).sum()))


def feature_health(features: Tensor, labels: Optional[Tensor] = None) -> Dict[str, float]:
    """Spread, effective ranks and, if classes are known, leave-one-out 1-NN accuracy.

    Args:
        features (Tensor): Features of shape (N, D).
        labels (Tensor, optional): Classes of shape (N,), -1 where unknown.

    Returns:
        dict: ``spread``, ``effective_rank``, ``effective_rank_var`` and, with labels, ``knn``.
    """
    health = dict(
        spread=feature_spread(features),
        effective_rank=effective_rank(features),
        effective_rank_var=effective_rank_var(features),
    )
    if labels is not None and bool((labels >= 0).any()):
        health['knn'] = knn_accuracy(features, labels)
    return health
