"""How often two sets of distances disagree about ranking labels."""

import math
from typing import Tuple

import torch
from torch import Tensor

NUM_COMPARED = 256
"""Samples whose P(256, 3) = 16,581,120 labels are compared between rounds and views."""

TRIPLETS_AT_ONCE = 2**18  # bounds the memory and does not change the result


def compared_rows(number: int) -> Tensor:
    """At most ``NUM_COMPARED`` of ``number`` rows, drawn with a fixed seed."""
    return torch.randperm(number, generator=torch.Generator().manual_seed(0))[:NUM_COMPARED]


def label_disagreement(first: Tensor, second: Tensor) -> float:
    """Share of the P(n, 3) triplets of n samples whose label differs (Fig. 4).

    Triplets that are tied under either distance have no label and do not count.

    Args:
        first (Tensor): Distances of shape (n, n).
        second (Tensor): Distances of the same samples, of shape (n, n).

    Returns:
        float: Share in [0, 1]; NaN if every triplet is tied.
    """
    differ, counted = count_disagreement(first, second)
    return differ / counted if counted else float('nan')


def count_disagreement(first: Tensor, second: Tensor) -> Tuple[int, int]:
    """Numbers of triplets whose labels differ, and of triplets with two labels."""
    number = len(first)
    own = torch.eye(number, dtype=torch.bool, device=first.device)
    # NaN is neither nearer nor farther, so no triplet with the anchor as a candidate counts
    first, second = (distances.masked_fill(own, math.nan) for distances in (first, second))
    counts = torch.zeros(2, dtype=torch.long, device=first.device)
    size = max(1, TRIPLETS_AT_ONCE // number**2)
    for rows_first, rows_second in zip(first.split(size), second.split(size)):
        farther = is_farther(rows_first)  # each pair of candidates once: its other order is alike
        farther_too, nearer = is_farther(rows_second), is_farther(-rows_second)
        differ = torch.count_nonzero(farther & nearer)
        counts += 2 * torch.stack([differ, differ + torch.count_nonzero(farther & farther_too)])
    differ, counted = counts.tolist()
    return differ, counted


def is_farther(distances: Tensor) -> Tensor:
    """Whether candidate (row) is farther than candidate (column): (A, n) to (A, n, n)."""
    return distances.unsqueeze(2) > distances.unsqueeze(1)
