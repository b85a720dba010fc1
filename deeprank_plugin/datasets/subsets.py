"""Labelled subsets for semi-supervised learning."""

from typing import List, Sequence

import numpy as np


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
        ValueError: If the share is out of its range.
    """
    if not 0 < share <= 1:
        raise ValueError(f'share={share} is out of range; expected 0 < share <= 1 (0.1 is 10 %)')
    generator = np.random.default_rng(seed)
    names, labels = np.asarray(names), np.asarray(labels)
    drawn = []
    for label in np.unique(labels):
        of_class = np.sort(names[labels == label])
        number = max(1, round(share * len(of_class)))
        drawn += generator.permutation(of_class)[:number].tolist()
    return sorted(drawn)
