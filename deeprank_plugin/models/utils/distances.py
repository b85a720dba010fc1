"""The distance between features that ranks candidates (Eq. 3, Table I)."""

from typing import Optional

import torch
from torch import Tensor

NORMALIZATIONS = ('l2', 'l1', 'minmax', None)


def check_normalization(normalize: Optional[str]) -> None:
    """Raise a ``ValueError`` unless ``normalize`` is one of Table I's choices."""
    if normalize not in NORMALIZATIONS:
        raise ValueError(
            f'normalize={normalize!r} is not known; expected one of {NORMALIZATIONS}: '
            "set normalize='l2' for the paper's default"
        )


def normalize_features(features: Tensor, normalize: Optional[str] = 'l2') -> Tensor:
    """Normalise each feature vector on its own (Table I).

    A vector that cannot be normalised (all zero; all equal under 'minmax') becomes the zero vector
    rather than NaN.

    Args:
        features (Tensor): Features of shape (..., D).
        normalize (str, optional): 'l2' and 'l1' divide by that norm, 'minmax' maps the vector's
            smallest entry to 0 and its largest to 1, None leaves it as it is. Defaults to 'l2'.

    Returns:
        Tensor: Normalised features of the same shape.

    Raises:
        ValueError: If ``normalize`` is not one of these.
    """
    check_normalization(normalize)
    if normalize is None:
        return features
    if normalize == 'minmax':
        features = features - features.amin(dim=-1, keepdim=True)
        scale = features.amax(dim=-1, keepdim=True)
    else:
        scale = features.norm(p=2 if normalize == 'l2' else 1, dim=-1, keepdim=True)
    return torch.where(scale > 0, features / torch.where(scale > 0, scale, 1), 0.0)


def pairwise_distances(features: Tensor, normalize: Optional[str] = 'l2') -> Tensor:
    """Euclidean distance of every pair of (normalised) feature vectors (Eq. 3).

    Differences are squared directly: the faster expansion into inner products is inaccurate for
    small distances, whose order decides labels.

    Args:
        features (Tensor): Features of shape (B, D).
        normalize (str, optional): See :func:`normalize_features`. Defaults to 'l2'.

    Returns:
        Tensor: Distances of shape (B, B), exactly symmetric with a zero diagonal.
    """
    features = normalize_features(features, normalize)
    return torch.cdist(features, features, compute_mode='donot_use_mm_for_euclid_dist')
