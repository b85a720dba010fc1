"""Cross-entropy over all triplets of a batch, from pair scores (Eqs. 2 and 9)."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

# Above this many triplets, anchors are taken in chunks and recomputed in the backward pass.
MAX_TRIPLETS = 10**8
TIES = ('skip', 'second')


class RankingSums(NamedTuple):
    """Sums over the triplets of each anchor, each of shape (B,).

    Attributes:
        loss: Sum of the cross-entropies.
        correct: Number of triplets whose nearer candidate scores higher.
        count: Number of triplets that were counted.
    """

    loss: Tensor
    correct: Tensor
    count: Tensor


def _anchor_sums(
    scores: Tensor, distances: Tensor, bias: Tensor, anchors: Tensor, ties: str
) -> RankingSums:
    """:func:`ranking_sums` for some anchors, scores and distances of shape (A, B)."""
    logits = scores.unsqueeze(2) - scores.unsqueeze(1) + bias  # (A, B, B): first against second
    first, second = distances.unsqueeze(2), distances.unsqueeze(1)
    nearer_first, nearer_second = first < second, second < first
    if ties == 'second':  # Eq. 2 to the letter: "otherwise" holds for equal distances too
        nearer_second = ~nearer_first
    candidates = torch.arange(scores.shape[1], device=scores.device)
    allowed = candidates.unsqueeze(1) != candidates  # c1 is not c2
    is_anchor = candidates == anchors.unsqueeze(1)  # (A, B)
    allowed = allowed & ~(is_anchor.unsqueeze(2) | is_anchor.unsqueeze(1))
    nearer_first, nearer_second = nearer_first & allowed, nearer_second & allowed
    counted = nearer_first | nearer_second
    # -log softmax of the labelled class is softplus(-logit) for the first, softplus(logit) else
    losses = softplus(torch.where(nearer_first, -logits, logits)) * counted
    correct = (nearer_first & (logits > 0)) | (nearer_second & (logits < 0))
    return RankingSums(losses.sum((1, 2)), correct.sum((1, 2)), counted.sum((1, 2)))


def ranking_sums(
    scores: Tensor,
    distances: Tensor,
    bias: Tensor,
    ties: str = 'skip',
    chunk_size: Optional[int] = None,
) -> RankingSums:
    """Cross-entropy of all P(B, 3) ordered triplets (a, c1, c2) of distinct samples (Eq. 9).

    The logit difference of a triplet is ``scores[a, c1] - scores[a, c2] + bias``; its label is the
    first class where ``distances[a, c1] < distances[a, c2]`` (Eq. 2).

    Args:
        scores (Tensor): Pair scores s(a, c) of shape (B, B); the diagonal is not read.
        distances (Tensor): Label distances of shape (B, B); no gradient flows to them.
        bias (Tensor): Difference of the two logits' biases, a scalar.
        ties (str): 'skip' leaves triplets with equal distances out; 'second' gives them the second
            label, as Eq. 2 says to the letter. Defaults to 'skip'.
        chunk_size (int, optional): Number of anchors taken at once; chunks are recomputed in the
            backward pass, so that memory grows with chunk_size * B². Chunked and whole give the
            same numbers. Defaults to None: whole up to 10⁸ triplets, chunks of that size above.

    Returns:
        RankingSums: Sums per anchor.
    """
    number = scores.shape[0]
    anchors = torch.arange(number, device=scores.device)
    if chunk_size is None:
        chunk_size = max(1, MAX_TRIPLETS // number**2)
    if chunk_size >= number:
        return _anchor_sums(scores, distances, bias, anchors, ties)
    chunks = [
        checkpoint(
            _anchor_sums,
            scores[rows],
            distances[rows],
            bias,
            rows,
            ties,
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for rows in anchors.split(chunk_size)
    ]
    return RankingSums(*(torch.cat(parts) for parts in zip(*chunks)))


def triplet_sums(
    logits: Tensor, distances: Tensor, triplets: Tensor, ties: str = 'skip'
) -> RankingSums:
    """:func:`ranking_sums` for some triplets, each with its own logit difference.

    Args:
        logits (Tensor): First against second class, of shape (K,).
        distances (Tensor): Label distances of shape (B, B).
        triplets (Tensor): Anchor, first and second candidate, of shape (3, K).
        ties (str): As there. Defaults to 'skip'.

    Returns:
        RankingSums: Sums per anchor, each of shape (B,).
    """
    anchor, one, two = triplets
    first, second = distances[anchor, one], distances[anchor, two]
    nearer_first, nearer_second = first < second, second < first
    if ties == 'second':
        nearer_second = ~nearer_first
    counted = nearer_first | nearer_second
    losses = softplus(torch.where(nearer_first, -logits, logits)) * counted
    correct = (nearer_first & (logits > 0)) | (nearer_second & (logits < 0))
    zero = torch.zeros(len(distances), dtype=torch.long, device=logits.device)
    return RankingSums(
        losses.new_zeros(len(distances)).index_add(0, anchor, losses),
        zero.index_add(0, anchor, correct.long()),
        zero.index_add(0, anchor, counted.long()),
    )
