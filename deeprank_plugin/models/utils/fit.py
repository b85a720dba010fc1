"""Checks that data, layout, backbone and head match, and says what to set if they do not."""

from typing import Mapping, Optional

import torch
from torch import Tensor, nn

from .pooling import pool_features


def check_fit(
    backbone: nn.Module,
    preprocessor: nn.Module,
    in_channels: Optional[int],
    name: str = 'in_channels',
    segments: int = 1,
) -> None:
    """Check preprocessor, backbone and head when a model is built, before any data is read.

    A sequence of zeros goes through the backbone in eval mode, which changes no state.

    Args:
        backbone (nn.Module): A GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        preprocessor (nn.Module): Its ``num_joints``, if any, is compared.
        in_channels (int, optional): Number of feature channels that the head takes; None for
            any.
        name (str): Key of ``in_channels`` in the config. Defaults to 'in_channels'.
        segments (int): Parts of the time that are pooled separately. Defaults to 1.

    Raises:
        ValueError: If they do not match.
    """
    graph = getattr(backbone, 'graph', None)
    own = getattr(backbone, 'num_joints', None) if graph is None else graph.num_node
    joints = getattr(preprocessor, 'num_joints', own)
    if own is not None and own != joints:
        where = 'num_joints' if graph is None else 'graph_cfg.layout'
        raise ValueError(
            f"the backbone's graph has {own} joints and the data preprocessor's layout "
            f'{joints}; expected the same: set backbone.{where} and data_preprocessor.layout '
            'to the layout of the data'
        )
    if joints is None or in_channels is None:
        return
    if segments < 1:
        raise ValueError(f'segments={segments}; expected at least 1')
    width = segments * count_features(backbone, joints)
    if width != in_channels:
        parts = f' in {segments} segments' if segments > 1 else ''
        raise ValueError(
            f'the backbone gives {width} features{parts} and the head takes {in_channels}; '
            f'expected the same: set {name}={width}'
        )


@torch.no_grad()
def count_features(backbone: nn.Module, joints: int) -> int:
    """Number of feature channels D of a backbone, for sequences with this many joints."""
    channels: int = getattr(backbone, 'in_channels', 3)
    bodies = 1
    if getattr(backbone, 'data_bn_type', None) == 'MVC':
        bodies = backbone.get_parameter('data_bn.weight').numel() // (joints * channels)
    frames = 24 * getattr(backbone, 'tuple_length', 1)
    training = backbone.training
    width = pool_features(backbone.eval()(torch.zeros(1, bodies, frames, joints, channels)))
    backbone.train(training)
    return width.shape[1]


def tell_initializers(model: nn.Module) -> None:
    """Give the initialisers 'Pretrained' of a model's parts its modality and layout.

    They then reject the encoder of another one, and warn of one that was pretrained for another
    pooling than the classifier's. Each of several encoders takes its own modality. What their
    config names stays.

    Args:
        model (nn.Module): With a ``data_preprocessor`` that has ``modality`` and ``layout``;
            otherwise nothing is done.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    facts = {name: getattr(preprocessor, name, None) for name in ('modality', 'layout')}
    if not isinstance(facts['modality'], str):  # several
        facts['modality'] = None
    if hasattr(model, 'cls_head'):
        facts['segments'] = getattr(model.cls_head, 'segments', 1)
    known = {name: fact for name, fact in facts.items() if fact is not None}
    if facts['modality'] is None:
        for modality, encoder in getattr(model, 'encoders', {}).items():
            tell_parts(encoder, dict(known, modality=modality))
    tell_parts(model, known)


def tell_parts(model: nn.Module, known: Mapping) -> None:
    """Complete the configs of the initialisers 'Pretrained' by what is known."""
    for part in model.modules():
        init_cfg = getattr(part, 'init_cfg', None)
        if isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained':
            part.init_cfg = dict(known, **init_cfg)  # type: ignore[assignment]


def check_channels(backbone: nn.Module, inputs: Tensor) -> None:
    """Check that a backbone takes sequences (..., C), if it has ``in_channels``.

    Raises:
        ValueError: If it does not; says what to set.
    """
    expected = getattr(backbone, 'in_channels', None)
    if expected is not None and inputs.shape[-1] != expected:
        raise ValueError(
            f'the data have {inputs.shape[-1]} coordinates per joint and the backbone takes '
            f'{expected}; expected the same: set backbone.in_channels={inputs.shape[-1]}, or let '
            f'the pipeline give {expected}'
        )
