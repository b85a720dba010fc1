"""The three views that define a stream's ranking labels (Sec. IV-A)."""

import torch
from torch import Tensor

VIEWS = ('self', 'other', 'all')


def view_distances(distances: Tensor, stream: int, view: str) -> Tensor:
    """Label distances of one stream in one view.

    A triplet's label in one of the views (Eq. 11) compares its distances in that view (Eq. 13), as
    in ``ranking_loss.py``. Distances within a modality are those between the features of anchor
    (Eq. 15) and candidate (Eq. 16) from its own frozen encoder.

    Args:
        distances (Tensor): Distances within each modality, of shape (S, B, B).
        stream (int): Index of the stream's own modality.
        view (str): 'self' takes its own distances (Eq. 14), 'other' the sum of the other
            modalities' (Eq. 17), 'all' the sum of all (Eq. 18).

    Returns:
        Tensor: Distances of shape (B, B).

    Raises:
        ValueError: If the view is unknown, or 'other' has no other modality.
    """
    if view == 'self':
        return distances[stream]
    if view == 'all':
        return distances.sum(dim=0)
    if view != 'other':
        raise ValueError(f'view={view!r} is not known; choose from {VIEWS}')
    if len(distances) < 2:
        raise ValueError("view 'other' needs a second modality; found one")
    # a list of the others as an index would make the host wait for the device
    return torch.cat([distances[:stream], distances[stream + 1 :]]).sum(dim=0)
