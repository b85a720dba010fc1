"""Samples of several annotation files as one list, for pretraining without labels."""

import logging
import os.path as osp
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Union

from mmengine.logging import print_log

from .annotations import sample_name, split_annotations


def name_files(paths: Sequence[str]) -> List[str]:
    """A name for each of several files: its stem, or its path where stems repeat."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(map(str, paths))


def require_different(paths: Sequence[str]) -> None:
    """Raise ``ValueError`` if two paths name the same file."""
    for path, other in combinations(paths, 2):
        if osp.realpath(path) == osp.realpath(other):
            raise ValueError(
                f'{path} and {other} are the same file; expected each file once: leave one out'
            )


def split_or_all(content: Any, path: str, split: Union[str, Sequence[str], None]) -> List[Dict]:
    """Annotations of a split or, if the file has none of that name, all of the file.

    Args:
        content (dict or list): What ``load_annotations`` returned.
        path (str): For messages.
        split (str or list[str], optional): Name or names; None selects all annotations.

    Returns:
        list[dict]: Each with the key ``split``, the first of ``split`` if all were taken.
    """
    wanted = [split] if isinstance(split, str) else list(split or ())
    known = content.get('split') if isinstance(content, dict) else None
    found = [name for name in wanted if isinstance(known, dict) and name in known]
    infos = split_annotations(content, path, found or None)
    if found or not wanted:
        return infos
    print_log(
        f'{path} has no split {" or ".join(wanted)}: all its {len(infos)} samples are used',
        logger='current',
        level=logging.WARNING,
    )
    return [dict(info, split=wanted[0]) for info in infos]


def join_samples(parts: Sequence[Sequence[Dict]], paths: Sequence[str]) -> List[Dict]:
    """Join the samples of several files, each with the number of its ``file``.

    Names begin with that of the file, and classes are numbered on from file to file: nothing says
    that class 3 of one is class 3 of the other.

    Args:
        parts (Sequence[Sequence[dict]]): Annotations of each file.
        paths (Sequence[str]): The files.

    Raises:
        ValueError: If a file occurs twice, the files do not have the same joints and coordinates,
            or a name occurs twice.
    """
    require_different(paths)
    joined: List[Dict] = []
    first: Optional[tuple] = None
    offset = 0
    for number, (infos, path, prefix) in enumerate(zip(parts, paths, name_files(paths))):
        shape = tuple(infos[0]['keypoint'].shape[2:]) if infos else first
        first = first or shape
        if shape != first:
            raise ValueError(
                f'{path} has (V, C) = {shape} and {paths[0]} {first}; expected the same joints and '
                'coordinates in all files: convert one of them, or leave it out'
            )
        for info in infos:
            name = f'{prefix}/{sample_name(info, path, 0)}'
            joined.append(
                dict(info, frame_dir=name, label=int(info['label']) + offset, file=number)
            )
        offset += 1 + max((int(info['label']) for info in infos), default=-1)
    name, times = Counter(info['frame_dir'] for info in joined).most_common(1)[0]
    if times > 1:
        raise ValueError(f'{name!r} occurs {times} times; expected unique names: rename a file')
    return joined
