"""Encoding only the bodies that are there."""

import torch
from mmaction.models.backbones import STGCN
from torch import Tensor, nn

from ..backbones import STTFormer
from .fit import check_channels


def encode_bodies(backbone: nn.Module, inputs: Tensor) -> Tensor:
    """A backbone's feature map of sequences, with absent bodies encoded once in eval mode.

    Most sequences have one person, and a second body of zeros. In eval mode ST-GCN and STTFormer
    see each body by itself, so that all these have one and the same feature map: it is computed
    once. In training, where BatchNorm mixes the bodies of a batch, with a BatchNorm that tells the
    first body from the second (``data_bn_type='MVC'``), with other backbones and while a graph is
    traced or compiled, everything is computed as it comes.

    Args:
        backbone (nn.Module): A GCN backbone.
        inputs (Tensor): Sequences of shape (N, M, T, V, C). A body is absent if all its
            coordinates are zero.

    Returns:
        Tensor: Feature map of shape (N, M, D, T', V').

    Raises:
        ValueError: If the backbone takes another number of coordinates C.
    """
    if is_traced():
        return backbone(inputs)
    check_channels(backbone, inputs)
    if not encodes_bodies_separately(backbone) or inputs.shape[1] == 1:
        return backbone(inputs)
    present = (inputs != 0).flatten(2).any(dim=2).flatten()  # NaN counts as present
    number = int(present.sum())
    if number == len(present):
        return backbone(inputs)
    bodies = inputs.flatten(0, 1)
    chosen = torch.cat([bodies[present], torch.zeros_like(bodies[:1])])
    maps = backbone(chosen[:, None])[:, 0]
    rows = torch.where(present, present.cumsum(0) - 1, number)
    return maps[rows].unflatten(0, inputs.shape[:2])


def encodes_bodies_separately(backbone: nn.Module) -> bool:
    """Whether no body has a part in another one's feature map, nor its number in its own."""
    if not isinstance(backbone, (STGCN, STTFormer)) or backbone.training:
        return False
    return getattr(backbone, 'data_bn_type', None) != 'MVC'


def is_traced() -> bool:
    """Whether a graph is being made, which must not depend on what the bodies are."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
