"""Splits and their parts: labelled subsets for semi-supervised learning, and hold-outs."""

import hashlib
import re
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

PARTS = ('train', 'holdout')


def pair_splits(names: Sequence[str], endings: Sequence[str] = ('val',)) -> List[Tuple[str, str]]:
    """Pairs of training and test splits: train with val, x_train with x_val.

    Args:
        names (Sequence[str]): Names of the splits of a file.
        endings (Sequence[str]): What the name of a test split has in the place of 'train'.
            Defaults to ('val',).
    """
    stems = [name[: -len('train')] for name in names if re.fullmatch(r'(.*_)?train', name)]
    return [(f'{s}train', s + end) for s in stems for end in endings if s + end in names]


def digest_samples(infos: Sequence[Mapping]) -> str:
    """SHA-256 of the samples' names, labels and numbers of frames, in their order."""
    digest = hashlib.sha256()
    for info in infos:
        digest.update(
            f'{info["frame_dir"]}\0{info.get("label")}\0{info.get("total_frames")}\n'.encode()
        )
    return digest.hexdigest()


def labelled_subset(
    names: Sequence[str], labels: Sequence[int], share: float, seed: int
) -> List[str]:
    """Draw a share of each class by a seed, the same on every machine and process.

    Of each class with n samples, ``round(share * n)`` are drawn, at least 1, from the sorted names.

    Args:
        names (Sequence[str]): Names of the samples.
        labels (Sequence[int]): Their classes.
        share (float): Share of each class in (0, 1].
        seed (int): Seed of the draw.

    Returns:
        list[str]: The names drawn, sorted.

    Raises:
        ValueError: If the share is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f'share={share} is out of range; expected 0 < share <= 1 (0.1 is 10 %)')
    generator = np.random.default_rng(seed)
    all_names, all_labels = np.asarray(names), np.asarray(labels)
    drawn: List[str] = []
    for label in np.unique(all_labels):
        of_class = np.sort(all_names[all_labels == label])
        number = max(1, round(share * len(of_class)))
        drawn += generator.permutation(of_class)[:number].tolist()
    return sorted(drawn)


def check_labels(labels: Mapping) -> Dict:
    """Complete the settings of a labelled subset with the defaults.

    Raises:
        ValueError: If a key or a value is invalid.
    """
    settings = dict(dict(seed=0), **labels)
    if set(settings) != {'share', 'seed'}:
        raise ValueError(f'labels has the keys {sorted(labels)}; expected share and seed')
    if not 0 < settings['share'] <= 1:
        raise ValueError(f'labels share={settings["share"]}; expected 0 < share <= 1 (0.1 is 10 %)')
    return settings


def check_holdout(holdout: Dict) -> Dict:
    """Complete the settings of a hold-out with the defaults.

    Raises:
        ValueError: If a key or a value is invalid.
    """
    settings = dict(dict(share=0.05, seed=0, part='train'), **holdout)
    if set(settings) != {'share', 'seed', 'part'}:
        raise ValueError(
            f'holdout has the keys {sorted(holdout)}; expected only share, seed and part'
        )
    if not 0 < settings['share'] < 1:
        raise ValueError(f'holdout share={settings["share"]}; expected a share between 0 and 1')
    if settings['part'] not in PARTS:
        raise ValueError(f'holdout part={settings["part"]!r}; expected one of {PARTS}')
    return settings


def draw_holdout(names: Sequence[str], share: float, seed: int) -> set:
    """Draw ``round(share * n)`` samples, at least 1, by a seed from the sorted names.

    Raises:
        ValueError: If no samples would remain for training.
    """
    number = max(1, round(share * len(names)))
    if number >= len(names):
        raise ValueError(
            f'a hold-out of {number} of {len(names)} samples leaves none for training; expected '
            'more samples, or a smaller share'
        )
    order = np.random.default_rng(seed).permutation(len(names))
    ordered = sorted(names)
    return {ordered[index] for index in order[:number]}


def read_names(path: str, known: Sequence[str], ann_file: str) -> set:
    """Read names from a text file, one per line.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty, repeats a sample, or names one that is not in the split.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'label list {path} does not exist; expected a text file of sample names: make one '
            'with tools/data/make_subset.py'
        )
    lines = Path(path).read_text(encoding='utf-8-sig').splitlines()
    names = [line.strip() for line in lines if line.strip()]
    unknown = sorted(set(names) - set(known))
    if not names:
        raise ValueError(f'label list {path} is empty; expected sample names, one per line')
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'label list {path} names {twice!r} twice; expected each name once')
    if unknown:
        raise ValueError(
            f'label list {path} names {len(unknown)} samples that are not in the split of '
            f'{ann_file}, such as {unknown[:3]}; expected names of the training split: make the '
            'list from this file and split with tools/data/make_subset.py'
        )
    return set(names)
