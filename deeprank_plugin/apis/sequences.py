"""Read skeleton sequences from several file formats, as ``dict(frame_dir, keypoint, ...)``."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

import numpy as np

from deeprank_plugin.converters.ntu import read_sequence
from deeprank_plugin.datasets.annotations import load_annotations, sample_name, split_annotations
from deeprank_plugin.datasets.class_names import check_label_names

SUFFIXES = ('.npy', '.npz', '.pkl', '.pickle', '.skeleton')
HINT = ': tools/data/prepare_poses.py converts poses in JSON'


def read_sequences(
    path: Union[str, Path], split: Optional[str] = None, name_split: bool = False
) -> List[Dict]:
    """Read a file, or all files of a folder sorted by name.

    ``.npy`` holds one array of shape (M, T, V, C), ``.npz`` one under each name (or annotations as
    ``tools/data/convert_annotations.py`` writes them), ``.pkl`` annotations in MMAction2's format,
    ``.skeleton`` one sequence of NTU RGB+D, cleaned up as by its converter. No file can run code;
    other files in a folder are skipped.

    Args:
        path (str): File or folder.
        split (str, optional): Split of annotations. Defaults to None: all samples.
        name_split (bool): Whether annotations with splits need ``split``, because a score of all
            samples would hold those of training. Defaults to False.

    Returns:
        list[dict]: With ``frame_dir`` (the name, each once), ``keypoint`` and other annotation
        keys. Those of a file that names its classes have them as ``label_names``.

    Raises:
        FileNotFoundError: If the path does not exist, or the folder has no such file.
        ValueError: If a file cannot be read, if two sequences have the same name, if ``split`` is
            given for a file without splits, or if ``name_split`` misses it.
    """
    path = Path(path)
    if not path.is_dir():
        return read_file(path, split, name_split)
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        hint = HINT if any(path.rglob('*.json')) else ''
        raise FileNotFoundError(f'folder {path} holds no file that ends in one of {SUFFIXES}{hint}')
    sequences = [sequence for file in files for sequence in read_file(file, split, name_split)]
    require_names(sequences, path)
    return sequences


def require_names(sequences: Sequence[Mapping], source: Union[str, Path]) -> None:
    """Raise ``ValueError`` if two sequences have the same name, by which results are kept."""
    counts = Counter(str(sequence['frame_dir']) for sequence in sequences)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(
            f'{source} holds {counts[twice[0]]} sequences of the name {twice[0]!r} ({len(twice)} '
            'such names); expected unique names: rename files or samples, or read each file alone'
        )


def read_file(path: Path, split: Optional[str], name_split: bool) -> List[Dict]:
    """Read the sequences of one file."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist; expected a file or folder of sequences')
    if suffix not in SUFFIXES:
        hint = HINT if suffix == '.json' else ''
        raise ValueError(f'{path} ends in {suffix!r}; expected one of {SUFFIXES}{hint}')
    if suffix in ('.pkl', '.pickle') or (suffix == '.npz' and is_annotation_npz(path)):
        return read_annotations(load_annotations(path), path, split, name_split)
    if split is not None:
        raise ValueError(f'{path} has no splits; leave split={split!r} out')
    if suffix == '.skeleton':
        return [dict(frame_dir=path.stem, keypoint=read_sequence(path))]
    arrays = read_arrays(path)
    if isinstance(arrays, np.ndarray):
        return [dict(frame_dir=path.stem, keypoint=arrays)]
    return [dict(frame_dir=f'{path.stem}_{name}', keypoint=arrays[name]) for name in arrays]


def read_annotations(
    content: Any, path: Path, split: Optional[str], name_split: bool
) -> List[Dict]:
    """The samples of an annotation file."""
    splits = content.get('split') if isinstance(content, dict) else None
    if name_split and split is None and splits and isinstance(splits, dict):
        raise ValueError(
            f'{path} has the splits {sorted(map(str, splits))} and none is named: a score of all '
            'samples would hold those of training; name the split to score'
        )
    if split is not None or not isinstance(content, dict):
        annotations = split_annotations(content, str(path), split)
    else:
        annotations = split_annotations(content.get('annotations', content), str(path), None)
    labels = [a['label'] for a in annotations if isinstance(a.get('label'), (int, np.integer))]
    names = check_label_names(content, labels, str(path))
    known = {} if names is None else dict(label_names=names)
    return [
        dict(annotation, frame_dir=sample_name(annotation, str(path), row), **known)
        for row, annotation in enumerate(annotations)
    ]


def read_arrays(path: Path) -> Any:
    """Read an array, or a dict of arrays; arrays of Python objects are rejected."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        if 'allow_pickle' in cause:
            cause = 'it holds Python objects or is not a NumPy file'
        raise ValueError(
            f'{path} cannot be read ({cause}); expected a complete file of NumPy arrays of numbers'
        ) from error


def is_annotation_npz(path: Path) -> bool:
    """Whether the ``.npz`` holds annotations rather than plain arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {'format.npy', 'bodies.npy', 'frames.npy'} <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False  # reading the file reports the problem
