"""Read the .npz files written by ``tools/analysis/extract_features.py``."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from deeprank_plugin.engine.encoders import read_checkpoint

KEYS = ('features', 'labels', 'names', 'splits')


class Features(NamedTuple):
    """Features of one encoder.

    Attributes:
        title: Name in tables and plots.
        features: Of shape (N, D).
        labels: Classes, of shape (N,).
        names: Names of the samples, of shape (N,).
        splits: Their splits, of shape (N,).
    """

    title: str
    features: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    splits: np.ndarray

    def select(self, chosen: np.ndarray) -> 'Features':
        """Select samples by a mask or by indices."""
        return Features(self.title, *(part[chosen] for part in self[1:]))


def load_features(path: Union[str, Path], title: str = '') -> Sequence[Features]:
    """Load the features of a file, one entry per stream, without unpickling.

    Args:
        path (str): The ``.npz`` file.
        title (str): Defaults to the name of the file; with several streams, each adds its name.

    Raises:
        ValueError: If the file is invalid.
    """
    title = title or Path(path).stem
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError('it holds a single array')
        with loaded as file:
            content = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f'{path} cannot be read ({str(error).splitlines()[0]}); expected a file written by '
            'tools/analysis/extract_features.py'
        ) from error
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise ValueError(
            f'{path} lacks {missing}; expected a file by tools/analysis/extract_features.py'
        )
    features = content['features']
    sizes = {key: len(content[key]) for key in KEYS}
    if features.ndim not in (2, 3) or len(set(sizes.values())) > 1:
        raise ValueError(
            f'{path} holds features of shape {features.shape} and parts of {sizes} samples; '
            'expected (N, D) or (N, streams, D), and N of each'
        )
    if not np.isfinite(features).all():
        raise ValueError(f'{path} holds features that are not finite: the encoder has diverged')
    rest = [content[key] for key in KEYS[1:]]
    if features.ndim == 2:
        return [Features(title, features, *rest)]
    streams = content.get('streams', np.arange(features.shape[1]))
    return [
        Features(f'{title} {stream}', features[:, index], *rest)
        for index, stream in enumerate(streams)
    ]


def split_spec(spec: str) -> Tuple[str, str]:
    """Split ``[TITLE=]PATH`` into title (or '') and path; both may contain '='."""
    places = [-1, *(index for index, letter in enumerate(spec) if letter == '=')]
    for place in places:
        if Path(spec[place + 1 :]).exists():
            return spec[: max(place, 0)], spec[place + 1 :]
    title, _, path = spec.rpartition('=')
    return title, path


def load_all(specs: Sequence[str], split: Optional[str] = None) -> Sequence[Features]:
    """Load features from files ``[TITLE=]FILE[:STREAM]`` with the same samples in the same order.

    Args:
        specs (Sequence[str]): The files. From a file with several streams, all are loaded, or only
            the named one.
        split (str, optional): Keep this split only. Defaults to None: all samples.

    Raises:
        ValueError: If a file cannot be read, two have the same title, the samples or their classes
            differ, or the split does not exist.
    """
    found: List[Features] = []
    for spec in specs:
        whole, colon, stream = spec.rpartition(':')
        if not colon or Path(split_spec(spec)[1]).is_file():
            whole, stream = spec, ''
        title, path = split_spec(whole)
        streams = load_features(path, title)
        if stream:
            ends = [features.title.rpartition(' ')[2] for features in streams]
            if len(streams) == 1 or stream not in ends:
                raise ValueError(
                    f'{path} has no stream {stream!r}; expected '
                    + (f'one of {", ".join(ends)}' if len(streams) > 1 else 'no stream: it has one')
                )
            chosen = streams[ends.index(stream)]
            streams = [chosen._replace(title=title or chosen.title)]
        found += streams
    require_titles([features.title for features in found])
    first = found[0]
    for other in found[1:]:
        if not np.array_equal(first.names, other.names):
            raise ValueError(
                f'{first.title} and {other.title} hold other samples, or in another order; '
                'expected features of the same data: extract them with the same data set'
            )
        differ = np.flatnonzero(first.labels != other.labels)
        if len(differ):
            row, name = differ[0], str(first.names[differ[0]])
            raise ValueError(
                f'sample {name!r} is of class {first.labels[row]} in {first.title} and '
                f'of class {other.labels[row]} in {other.title} ({len(differ)} such samples); '
                'expected features of the same data: extract them with the same data set'
            )
    if split is not None:
        chosen = first.splits == split
        if not chosen.any():
            known = sorted({str(name) for name in first.splits})
            raise ValueError(f'no sample of split {split!r}; expected one of {known}')
        found = [features.select(chosen) for features in found]
    return found


def require_titles(titles: Sequence[str]) -> None:
    """Raise ``ValueError`` if two titles are the same: tables and pictures go by them."""
    twice = [title for title, count in Counter(titles).items() if count > 1]
    if twice:
        raise ValueError(
            f'{titles.count(twice[0])} files have the title {twice[0]!r}; expected one of each: '
            'name them TITLE=FILE'
        )


def read_class_lines(path: Optional[Path]) -> Optional[List[str]]:
    """The names of classes in a text file, one per line; None if there is no file.

    Raises:
        ValueError: If the file cannot be read.
    """
    try:
        return None if path is None else path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, 'strerror', None) or error
        raise ValueError(
            f'--names {path} cannot be read ({cause}); expected a text file with one class name '
            'per line'
        ) from None


def load_clusters(path: Union[str, Path]) -> Tuple[Sequence[str], np.ndarray]:
    """Load sample names and clusters, of shape (N,), from a checkpoint of DeepCluster.

    Raises:
        ValueError: If it cannot be read, or is not from DeepCluster.
    """
    try:
        bank = (read_checkpoint(path).get('relabel') or {}).get('bank') or {}
    except OSError as error:
        raise ValueError(f'{path} cannot be read ({error.strerror or error})') from None
    clusters = bank.get('features')
    if clusters is None or tuple(clusters.shape[1:]) != (1,):
        raise ValueError(f'{path} holds no clusters; expected a checkpoint of DeepCluster')
    return bank['names'], clusters[:, 0].long().numpy()
