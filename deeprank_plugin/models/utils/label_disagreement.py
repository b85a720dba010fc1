"""How often two sets of distances disagree about ranking labels."""

from typing import Tuple

import torch
from torch import Tensor

NUM_COMPARED = 256
"""Samples whose P(256, 3) = 16,581,120 labels are compared between rounds and views."""


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
    differ = counted = 0
    for anchor in range(len(first)):
        candidates = torch.arange(len(first), device=first.device) != anchor
        row_first, row_second = first[anchor, candidates], second[anchor, candidates]
        order_first = torch.sign(row_first.unsqueeze(1) - row_first)  # (n - 1, n - 1)
        order_second = torch.sign(row_second.unsqueeze(1) - row_second)
        product = order_first * order_second
        differ += int((product < 0).sum())
        counted += int((product != 0).sum())
    return differ, counted
