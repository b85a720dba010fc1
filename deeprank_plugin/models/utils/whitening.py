"""Whitening of a whole set of features, in part or in full."""

import torch
from torch import Tensor

RELATIVE_SPREAD = 1e-4  # of the largest; below it, whitening would amplify rounding


def whiten_features(features: Tensor, power: float) -> Tensor:
    """Centre features and divide their spread along each principal axis by its power.

    With the singular values s and the principal axes V of the centred features Z, the result is
    Z V diag(s ** -power) V^T, whose singular values are s ** (1 - power): 0 only centres, 1 gives
    all axes the same spread. Axes with hardly any spread are set to zero.

    Args:
        features (Tensor): Features of shape (N, D).
        power (float): From 0 to 1.

    Returns:
        Tensor: Of the same shape and type.
    """
    centred = features.double() - features.double().mean(dim=0)
    squares, axes = torch.linalg.eigh(centred.T @ centred)  # D x D: N may be large
    spread = squares.clamp(min=0).sqrt()
    kept = spread > RELATIVE_SPREAD * spread[-1]
    scale = torch.where(kept, torch.where(kept, spread, 1).pow(-power), 0.0)
    return (centred @ (axes * scale) @ axes.T).to(features.dtype)
