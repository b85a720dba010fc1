"""Look up a layout by name, or make one from a dict or a JSON file."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from .built_in import LAYOUTS
from .layout import EXTRAS, Layout, point_inward


def find_layout(layout: Union[str, Path, Mapping, Layout]) -> Layout:
    """Look up a layout by name, or make one from a JSON file or a dict.

    Args:
        layout (str, Path, dict or Layout): A name of ``LAYOUTS``, such as 'nturgb+d' (25 joints,
            3D) or 'coco' (17, 2D); the path of a ``.json`` file, see :func:`read_layout`;
            ``dict(num_joints=V, pairs=[(joint, parent), ...])`` with one pair per joint, a root
            paired with itself, and optionally ``names``, ``left``, ``right`` and ``dims`` as in
            :class:`Layout`; or a layout, which is returned as it is.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is none of these; the message says what is wrong.
    """
    if isinstance(layout, Layout):
        return layout
    if isinstance(layout, Mapping):
        return from_pairs(layout)
    if str(layout) in LAYOUTS:
        return LAYOUTS[str(layout)]
    if isinstance(layout, (str, Path)) and str(layout).endswith('.json'):
        return read_layout(layout)
    known = ', '.join(map(repr, LAYOUTS))
    raise ValueError(
        f'layout {layout!r} is not known; expected {known}, the path of a .json file with num_node,'
        ' edges and center, or dict(num_joints=V, pairs=[(joint, parent), ...])'
    )


def from_pairs(content: Mapping) -> Layout:
    """Make a layout from a dict of ``num_joints`` and ``pairs``, see :func:`find_layout`."""
    unknown = set(content) - {'num_joints', 'pairs', *EXTRAS}
    if unknown or not {'num_joints', 'pairs'} <= set(content):
        raise ValueError(
            f'the layout dict has the keys {sorted(content)}; expected num_joints and pairs, and '
            f'optionally {", ".join(EXTRAS)}'
        )
    number, pairs = content['num_joints'], [tuple(pair) for pair in content['pairs']]
    if sorted(joint for joint, _ in pairs) != list(range(number)) or not all(
        0 <= parent < number for _, parent in pairs
    ):
        raise ValueError(
            f'pairs={pairs} do not fit num_joints={number}; expected one (joint, parent) pair for '
            'each joint, the root paired with itself'
        )
    fault = find_fault_of_extras(content, number)
    if fault is not None:
        raise ValueError(f'the layout dict has {fault}; expected it to fit its {number} joints')
    parents = tuple(parent for _, parent in sorted(pairs))
    roots = [joint for joint, parent in enumerate(parents) if joint == parent]
    return Layout('custom', parents, center=(roots or [0])[0], **take_extras(content))


def read_layout(path: Union[str, Path]) -> Layout:
    """Read a layout from a JSON file, ``{"num_node": 3, "edges": [[0, 1], [1, 2]], "center": 1}``.

    Joints count from 0; the edges, each in either direction, must form a tree: exactly one path
    connects every joint to the centre. ``"names"`` (V strings), ``"left"`` and ``"right"``
    (mirrored joints) and ``"dims"`` (2 or 3) are optional, as in :class:`Layout`.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it holds anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'layout file {path} does not exist; expected a JSON file with num_node, edges, center'
        )
    try:
        content = json.loads(path.read_text(encoding='utf-8-sig'))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'layout file {path} is not valid JSON ({error}); expected JSON'
        ) from error
    fault = find_fault(content)
    if fault is not None:
        raise ValueError(
            f'layout file {path} has {fault}; expected {{"num_node": V, "edges": [[joint, joint], '
            '...] with joints from 0 to V - 1, "center": joint}, and optionally names, left, '
            'right, dims: correct the file'
        )
    center = content['center']
    try:
        parents = point_inward(content['num_node'], content['edges'], center)
    except ValueError as error:
        raise ValueError(f'layout file {path}: {error}') from None
    return Layout(path.name, parents, center, **take_extras(content))


def take_extras(content: Mapping) -> Dict:
    """The optional parts of a custom layout, as :class:`Layout` takes them."""
    found = {key: content[key] for key in EXTRAS if key in content}
    return {key: tuple(v) if isinstance(v, (list, tuple)) else v for key, v in found.items()}


def find_fault(content: Any) -> Optional[str]:
    """The first invalid part of a JSON layout, in words; None if all parts are valid."""
    needed = {'num_node', 'edges', 'center'}
    if not isinstance(content, dict) or not needed <= set(content) <= needed | set(EXTRAS):
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        return f'the content {found}'
    number, edges, center = content['num_node'], content['edges'], content['center']
    if type(number) is not int or number < 1:
        return f'num_node={number!r}'
    if not is_joint(center, number):
        return f'center={center!r} and num_node={number}'
    if not isinstance(edges, list):
        return f'edges of type {type(edges).__name__}'
    for edge in edges:
        if not isinstance(edge, list) or len(edge) != 2:
            return f'an edge {edge!r}'
        if not all(is_joint(joint, number) for joint in edge):
            return f'an edge {edge!r} and num_node={number}'
    return find_fault_of_extras(content, number)


def find_fault_of_extras(content: Mapping, number: int) -> Optional[str]:
    """The first invalid optional part of a layout of V joints, in words; None if all are valid."""
    names, dims = content.get('names', ()), content.get('dims')
    left, right = content.get('left', ()), content.get('right', ())
    lists = dict(names=names, left=left, right=right)
    for key, values in lists.items():
        if not isinstance(values, (list, tuple)):
            return f'{key} of type {type(values).__name__}'
    if names and (len(set(map(str, names))) != number or len(names) != number):
        return f'{len(names)} names, {len(set(map(str, names)))} of them different'
    if not all(isinstance(name, str) for name in names):
        return f'names {names!r:.80}'
    sides = [*left, *right]
    odd = [joint for joint in sides if not is_joint(joint, number)]
    if odd or len(left) != len(right) or len(set(sides)) != len(sides):
        return f'left={left!r:.80} and right={right!r:.80}'
    return None if dims in (None, 2, 3) else f'dims={dims!r}'


def is_joint(value: Any, number: int) -> bool:
    """Whether a value is the index of one of V joints."""
    return type(value) is int and 0 <= value < number
