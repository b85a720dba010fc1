"""Convert weights of STTFormer between the format of its authors' code and ours.

Both are the same network under different names; values do not change. The two halves of
``to_qkvs``, all queries and all keys, head by head, are ordered as in our ``to_qk``.
"""

from typing import Callable, Dict, List, Mapping, Optional

import torch
from torch import Tensor

from deeprank_plugin.engine.initializers import compare_state_dicts, list_some, strip_module
from deeprank_plugin.models.backbones.sttformer import STTFormer, sine_positions

NAMES = {
    'backbone.embed.': 'input_map.',
    'backbone.blocks.': 'blocks.',
    'cls_head.fc.': 'fc.',
    '.to_qk.': '.to_qkvs.',
    '.attention_scale': '.alphas',
    '.attention_map': '.att0s',
    '.merge_heads.': '.out_nets.',
    '.feed_forward.': '.ff_net.',
    '.temporal.': '.out_nett.',
    '.spatial_residual.': '.ress.',
    '.temporal_residual.': '.rest.',
}
"""Part of our key, in a RecognizerGCN -> the authors' name."""

POSITIONS = '.pes.pe'
POSITION_TOLERANCE = 1e-4
"""Computed in float32, as by the authors, positions differ from ours by up to 1e-5."""


def from_authors(state_dict: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """Convert the authors' weights for a RecognizerGCN with STTFormer and GCNHead.

    Args:
        state_dict (Mapping): In the authors' format, with or without 'module.' in the keys. The
            buffers ``blocks.<i>.pes.pe`` of shape (1, C, T', P) are compared with our positions
            and dropped. Without them (``use_pes=False`` there), the weights belong to a network
            without positions, unlike ours. ``fc.*`` may be missing.

    Returns:
        dict: The same tensors under ``backbone.*`` and ``cls_head.fc.*``.

    Raises:
        ValueError: If keys are missing or unknown or shapes do not match, with a list of them, or
            if the positions differ.
    """
    state_dict = _with_names(state_dict)
    shapes = _expected(state_dict, authors_key)
    expected = {authors_key(key): value for key, value in shapes.items()}
    positions = {}
    if any(name.endswith(POSITIONS) for name in state_dict):
        positions = _positions(expected, _count_tuples(state_dict))
    _check(state_dict, {**expected, **positions})
    for name, position in positions.items():
        distance = float((state_dict[name].double() - position.double()).abs().max())
        if not distance <= POSITION_TOLERANCE:
            raise ValueError(
                f'{name} differs by {distance:.2g} from our sine-cosine positions; expected the '
                f'same within {POSITION_TOLERANCE}: these weights belong to another network'
            )
    return {key: state_dict[authors_key(key)] for key in shapes if authors_key(key) in state_dict}


def to_authors(
    state_dict: Mapping[str, Tensor], pe_tuples: Optional[int] = None
) -> Dict[str, Tensor]:
    """Convert weights for the authors' network; the inverse of :func:`from_authors`.

    Args:
        state_dict (Mapping): Of a RecognizerGCN with STTFormer and GCNHead, or its ``backbone.*``
            alone, with or without 'module.' in the keys.
        pe_tuples (int, optional): Write the buffers ``blocks.<i>.pes.pe`` for this number T' of
            tuples (T / tuple length), which the authors' network has by default. Defaults to None:
            none.

    Returns:
        dict: The same tensors under the authors' names.

    Raises:
        ValueError: If keys are missing or unknown or shapes do not match, with a list of them, or
            if ``pe_tuples`` is not positive.
    """
    if pe_tuples is not None and pe_tuples < 1:
        raise ValueError(f'pe_tuples={pe_tuples}; expected the number of tuples, at least 1')
    state_dict = _with_names(state_dict)
    expected = _expected(state_dict, str)
    _check(state_dict, expected)
    converted = {authors_key(key): state_dict[key] for key in expected if key in state_dict}
    if pe_tuples is not None:
        converted.update(_positions(converted, pe_tuples))
    return converted


def read_settings(state_dict: Mapping[str, Tensor], name: Callable[[str], str] = str) -> Dict:
    """Infer the arguments of STTFormer from its weights.

    Args:
        state_dict (Mapping): Weights.
        name (Callable): Our key -> the key in this state dict. Defaults to the identity.

    Returns:
        dict: ``num_joints`` (times the tuple length: weights determine only the product),
        ``tuple_length`` 1, ``blocks``, ``num_heads``, ``kernel_sizes``, ``in_channels``.

    Raises:
        ValueError: If the required tensors are missing or have another number of axes.
    """
    problems: List[str] = []

    def shape(key: str, axes: int = 4) -> tuple:
        found = getattr(state_dict.get(name(key)), 'shape', None)
        if found is None or len(found) != axes:
            what = 'is missing' if found is None else f'has shape {tuple(found)}'
            problems.append(f'{name(key)} {what} (expected {axes} axes)')
            return (1,) * axes
        return tuple(found)

    start = name('backbone.blocks.')
    indices = {key[len(start) :].split('.')[0] for key in state_dict if key.startswith(start)}
    channels, in_channels = shape('backbone.embed.0.weight')[:2]
    first = 'backbone.blocks.0.'
    heads = shape(first + 'attention_scale')[1]
    settings = dict(
        num_joints=shape(first + 'attention_map')[2],
        tuple_length=1,
        blocks=[],
        num_heads=heads,
        kernel_sizes=(
            shape(first + 'temporal.0.weight')[2],
            shape(first + 'merge_heads.0.weight')[3],
        ),
        in_channels=in_channels,
    )
    for index in range(len(indices)):
        block = f'backbone.blocks.{index}.'
        width = shape(block + 'merge_heads.0.weight')[0]
        qk_channels = shape(block + 'to_qk.weight')[0] // max(1, 2 * heads)
        settings['blocks'].append((channels, width, max(1, qk_channels)))
        channels = width
    if problems:
        raise ValueError(
            f'{list_some(dict.fromkeys(problems), 20)}. Found: {list_some(state_dict)}. Expected '
            f'the weights of an STTFormer, with keys such as {name("backbone.embed.0.weight")}'
        )
    return settings


def authors_key(key: str) -> str:
    """The authors' name for our key in a RecognizerGCN."""
    for ours, authors in NAMES.items():
        key = key.replace(ours, authors)
    return key


def _with_names(state_dict: Mapping) -> Dict:
    """The weights without 'module.'; raises ``ValueError`` if a key is not a string."""
    unnamed = [repr(key) for key in state_dict if not isinstance(key, str)]
    if unnamed:
        raise ValueError(f'keys {list_some(unnamed)} are not strings; expected a state dict')
    return strip_module(state_dict)


def _expected(state_dict: Mapping, name: Callable[[str], str]) -> Dict[str, Tensor]:
    """Our keys with meta tensors, for a network of the size of these weights."""
    settings = read_settings(state_dict, name)
    weight = state_dict.get(name('cls_head.fc.weight'))
    with torch.device('meta'):
        backbone = STTFormer(**settings, init_cfg=None).state_dict()
        expected = {f'backbone.{key}': value for key, value in backbone.items()}
        if weight is not None or name('cls_head.fc.bias') in state_dict:
            classes = len(weight) if getattr(weight, 'shape', ()) else 1
            expected['cls_head.fc.weight'] = torch.empty(classes, settings['blocks'][-1][1])
            expected['cls_head.fc.bias'] = torch.empty(classes)
    return expected


def _count_tuples(state_dict: Mapping[str, Tensor]) -> int:
    """Number of tuples T' in the first position buffer."""
    shapes = [
        getattr(value, 'shape', ()) for key, value in state_dict.items() if key.endswith(POSITIONS)
    ]
    return max(1, shapes[0][2]) if len(shapes[0]) == 4 else 1


def _positions(state_dict: Mapping[str, Tensor], tuples: int) -> Dict[str, Tensor]:
    """The authors' buffers of shape (1, C, T', P) for a state dict in their format."""
    positions = {}
    for name, weight in state_dict.items():
        if name.endswith('.to_qkvs.weight'):
            block = name[: -len('.to_qkvs.weight')]
            position = sine_positions(weight.shape[1], state_dict[f'{block}.att0s'].shape[2])
            positions[block + POSITIONS] = position.repeat(1, tuples, 1)[None]
    return positions


def _check(state_dict: Mapping, expected: Mapping[str, Tensor]) -> None:
    """Raise a ``ValueError`` that lists missing, unknown and mismatched tensors."""
    difference = compare_state_dicts(state_dict, expected)
    strange = [
        f'{key} ({type(value).__name__})'
        for key, value in state_dict.items()
        if not isinstance(value, Tensor)
    ]
    if any(difference) or strange:
        raise ValueError(
            'the weights do not form one STTFormer; '
            f'missing: {list_some(difference.missing, 20)}; '
            f'unknown: {list_some(difference.unexpected, 20)}; '
            f'mismatched shapes: {list_some(difference.reshaped, 20)}; '
            f'not tensors: {list_some(strange, 20)}'
        )
