"""Write annotations as a pickle or an ``.npz``, whole or not at all, and verify the result."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from .annotations import load_annotations
from .npz_annotations import MAPPED, NUMBERS_AND_TEXTS, VERSION, load_npz


def write_pickle(content: Any, path: Union[str, Path]) -> None:
    """Write annotations as a pickle, whole or not at all, and verify them by reading back.

    Raises:
        ValueError: If a value would not be read back unchanged.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.part')
    try:
        with temporary.open('wb') as file:
            pickle.dump(content, file, protocol=4)
        require_same(content, load_annotations(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(content: Any, path: Union[str, Path]) -> None:
    """Write checked annotations as an ``.npz``, whole or not at all; verify by reading back.

    Args:
        content (dict or list): As from ``load_annotations``, checked by ``check_annotations``.
        path (str): Path of the ``.npz``; an existing file is replaced.

    Raises:
        ValueError: If a value would not be read back unchanged.
        OSError: If the file cannot be written.
    """
    annotations = content if isinstance(content, list) else content['annotations']
    arrays = pack(content, annotations)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.part')
    try:
        with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in arrays.items():
                with open_member(archive, name) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
            for name in MAPPED:
                if name in annotations[0]:
                    write_concatenated([a[name] for a in annotations], archive, name)
        require_same(content, load_npz(temporary)[0])
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def open_member(archive: zipfile.ZipFile, name: str):
    """Open a new array in the zip; without a date, so equal content gives equal bytes."""
    return archive.open(zipfile.ZipInfo(f'{name}.npy'), 'w', force_zip64=True)


def write_concatenated(sequences: List[np.ndarray], archive: zipfile.ZipFile, name: str) -> None:
    """Write arrays (M, T, ...) as one of shape (R, ...), without concatenating them in memory."""
    first = sequences[0]
    rows = sum(sequence.shape[0] * sequence.shape[1] for sequence in sequences)
    head = dict(
        descr=np.lib.format.dtype_to_descr(first.dtype),
        fortran_order=False,
        shape=(rows, *first.shape[2:]),
    )
    with open_member(archive, name) as member:
        np.lib.format.write_array_header_1_0(member, head)
        for sequence in sequences:
            member.write(sequence.tobytes())


def pack(content: Any, annotations: List[Dict]) -> Dict[str, np.ndarray]:
    """All arrays except the coordinates."""
    keys, kinds = list(annotations[0]), {}
    for annotation in annotations:
        name = annotation.get('frame_dir', annotation.get('filename'))
        if set(annotation) != set(keys):
            raise ValueError(
                f'sample {name!r} has the keys {sorted(annotation)} and the first sample '
                f'{sorted(keys)}; expected the same keys in all: remove keys with --drop'
            )
        for key in MAPPED:
            if key in keys and annotation[key].dtype != annotations[0][key].dtype:
                raise ValueError(
                    f'sample {name!r} has a {key} of {annotation[key].dtype} and the first sample '
                    f'of {annotations[0][key].dtype}; expected one type in the whole file'
                )
    arrays = {
        'bodies': np.array([a['keypoint'].shape[0] for a in annotations], dtype=np.int64),
        'frames': np.array([a['keypoint'].shape[1] for a in annotations], dtype=np.int64),
    }
    columns = {f'sample/{key}': [a[key] for a in annotations] for key in keys if key not in MAPPED}
    if isinstance(content, dict):
        others = [key for key in content if key not in ('split', 'annotations')]
        columns.update({f'file/{key}': [content[key]] for key in others})
        index = {a.get('frame_dir', a.get('filename')): i for i, a in enumerate(annotations)}
        splits = content['split']
        members = [index[name] for split in splits.values() for name in split]
        arrays['split_names'] = np.array(list(splits), dtype=np.str_)
        arrays['split_sizes'] = np.array([len(s) for s in splits.values()], dtype=np.int64)
        arrays['split_samples'] = np.array(members, dtype=np.int64)
    for name, values in columns.items():
        arrays[name], kind = to_column(values, name.partition('/')[2])
        if kind != 'plain':
            kinds[name] = kind
    return {'format': np.array(json.dumps(dict(version=VERSION, kinds=kinds))), **arrays}


def require_same(before: Any, after: Any, where: str = 'the file') -> None:
    """Raise unless two contents agree in types and values; splits are compared as lists.

    ``numpy.testing`` compares values only: it accepts 1 for 1.0, and a list for a tuple.

    Raises:
        ValueError: At the first difference, with its place.
    """
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value in before.items():
            other = after[key]
            if key == 'split' and where == 'the file':
                value, other = (
                    {n: list(s) for n, s in splits.items()} for splits in (value, other)
                )
            require_same(value, other, f'{where}, key {key!r}')
        return
    if type(before) is type(after):
        if isinstance(before, np.ndarray):
            alike = before.dtype == after.dtype and before.shape == after.shape
            if alike and before.tobytes() == after.tobytes():
                return
        elif isinstance(before, (list, tuple)) and len(before) == len(after):
            for index, (value, other) in enumerate(zip(before, after)):
                require_same(value, other, f'{where}, item {index}')
            return
        elif before == after or (before != before and after != after):
            return
    raise ValueError(
        f'{where}: {str(before)[:60]!r} ({type(before).__name__}) would be read back as '
        f'{str(after)[:60]!r} ({type(after).__name__}); expected values of one type in all '
        'samples: numbers, strings, or sequences of these of equal length; remove the key with '
        '--drop'
    )


def to_column(values: Sequence, key: str) -> Tuple[np.ndarray, str]:
    """The values of one key as an array, and their kind.

    Raises:
        ValueError: If they are not numbers, strings, or sequences of these of equal length.
    """
    first = values[0]
    classes = {tuple: 'tuple', list: 'list', np.ndarray: 'array'}
    kind = 'numpy' if isinstance(first, np.generic) else classes.get(type(first), 'plain')
    try:
        array = np.array(values)
    except (ValueError, OverflowError):  # sequences of unequal lengths, integers beyond 64 bits
        array = np.empty(0, object)
    if array.dtype.kind not in NUMBERS_AND_TEXTS or array.shape[:1] != (len(values),):
        raise ValueError(
            f'key {key!r} (the first value is {str(first)[:60]!r}) cannot become an array; '
            'expected numbers, strings, or sequences of these of equal length in all samples: '
            'remove it with --drop'
        )
    return array, kind
