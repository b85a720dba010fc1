"""Encodes only the bodies that are present."""

from contextlib import nullcontext
from typing import ContextManager

import torch
from mmaction.models.backbones import STGCN
from torch import Tensor, nn

from ..backbones import STTFormer
from .fit import check_channels

SIZES = 16


def encode_bodies(backbone: nn.Module, inputs: Tensor) -> Tensor:
    """Feature map of sequences, with absent bodies encoded only once in eval mode.

    Most sequences show one person; the second body is all zeros. In eval mode ST-GCN and STTFormer
    encode each body separately, so all absent bodies share one feature map, which is computed
    once. Every body is encoded in training, where BatchNorm mixes the bodies of a batch; with a
    BatchNorm that treats first and second bodies differently (``data_bn_type='MVC'``); with other
    backbones; and while a graph is traced or compiled. A backbone compiled in place runs as it is
    in eval mode, since the number of bodies differs from batch to batch.

    Args:
        backbone (nn.Module): A GCN backbone.
        inputs (Tensor): Sequences of shape (N, M, T, V, C). A body is absent if all its
            coordinates are zero.

    Returns:
        Tensor: Feature map of shape (N, M, D, T', V').

    Raises:
        ValueError: If the backbone does not take C coordinates.
    """
    if is_traced():
        return backbone(inputs)
    check_channels(backbone, inputs)
    with eager_in_eval(backbone):
        return encode_present(backbone, inputs)


def encode_present(backbone: nn.Module, inputs: Tensor) -> Tensor:
    """:func:`encode_bodies` once arguments are checked."""
    if not encodes_bodies_separately(backbone) or inputs.shape[1] == 1:
        return backbone(inputs)
    present = (inputs != 0).flatten(2).any(dim=2).flatten()  # NaN counts as present
    places = present.nonzero().flatten()  # the one result that the host waits for
    number = len(places)
    bodies = inputs.flatten(0, 1)
    empty = empty_bodies(number, inputs.device)
    if number + empty > len(bodies):
        return backbone(inputs)
    chosen = torch.cat([bodies[places], bodies.new_zeros(empty, *bodies.shape[1:])])
    maps = backbone(chosen[:, None])[:, 0]
    rows = torch.where(present, present.cumsum(0) - 1, number)
    return maps[rows].unflatten(0, inputs.shape[:2])


def empty_bodies(number: int, device: torch.device) -> int:
    """How many empty bodies to encode beside ``number`` present ones.

    On the CPU one. On a GPU as many as make a multiple of :data:`SIZES`, because cuDNN looks for
    the fastest algorithm anew for each size that it has not seen.
    """
    return 1 if device.type == 'cpu' else SIZES - number % SIZES


def eager_in_eval(backbone: nn.Module) -> ContextManager:
    """Context in which a compiled backbone in eval mode runs as it is."""
    if backbone.training or backbone._compiled_call_impl is None:
        return nullcontext()
    return torch.compiler.set_stance('force_eager')


def encodes_bodies_separately(backbone: nn.Module) -> bool:
    """Whether a body's feature map depends on neither the other bodies nor its index."""
    if not isinstance(backbone, (STGCN, STTFormer)) or backbone.training:
        return False
    return getattr(backbone, 'data_bn_type', None) != 'MVC'


def is_traced() -> bool:
    """Whether a graph is being traced or compiled, which must not depend on the data."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
