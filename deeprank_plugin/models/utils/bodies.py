"""Encodes only the bodies that are present."""

from contextlib import contextmanager, nullcontext
from typing import ContextManager, Iterator, List

import torch
from mmaction.models.backbones import STGCN
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

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

    Where only BatchNorm layers are in training mode, as in a calibration, the statistics are those
    of the present bodies alone: absent ones are encoded with the running statistics, on every
    device, and a batch without a present body leaves these as they are.

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
    if not encodes_bodies_separately(backbone):
        return backbone(inputs)
    measuring = [layer for layer in backbone.modules() if measures_statistics(layer)]
    if inputs.shape[1] == 1 and not measuring:
        return backbone(inputs)
    present = (inputs != 0).flatten(2).any(dim=2).flatten()  # NaN counts as present
    places = present.nonzero().flatten()  # the one result that the host waits for
    number = len(places)
    bodies = inputs.flatten(0, 1)
    empty = 1 if measuring else empty_bodies(number, inputs.device)
    if number + empty > len(bodies):
        return backbone(inputs)
    absent = bodies.new_zeros(empty, *bodies.shape[1:])
    if measuring:
        maps = encode_apart(backbone, bodies[places], absent, measuring)
    else:
        maps = backbone(torch.cat([bodies[places], absent])[:, None])[:, 0]
    rows = torch.where(present, present.cumsum(0) - 1, number)
    return maps[rows].unflatten(0, inputs.shape[:2])


def encode_apart(
    backbone: nn.Module, present: Tensor, absent: Tensor, measuring: List[nn.Module]
) -> Tensor:
    """Feature maps of present bodies, then of absent ones that the given layers do not measure."""
    with in_eval_mode(measuring):
        maps = backbone(absent[:, None])[:, 0]
    return torch.cat([backbone(present[:, None])[:, 0], maps]) if len(present) else maps


@contextmanager
def in_eval_mode(layers: List[nn.Module]) -> Iterator[None]:
    """Context in which these layers, which are in training mode, are in eval mode."""
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        for layer in layers:
            layer.train()


def measures_statistics(layer: nn.Module) -> bool:
    """Whether a layer's statistics are those of the batch, and mix its bodies."""
    return layer.training and isinstance(layer, _BatchNorm)


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
