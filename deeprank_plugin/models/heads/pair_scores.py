"""Scores of all pairs of a batch, without holding all their hidden vectors at once."""

from functools import partial
from typing import Optional

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

# Hidden numbers per block: what fits a CPU's caches, and what keeps a GPU busy.
HIDDEN_AT_ONCE = dict(cpu=2**18, cuda=2**24)


def pair_scores(
    anchors: Tensor,
    candidates: Tensor,
    weight: Tensor,
    act: nn.Module,
    chunk_size: Optional[int] = None,
) -> Tensor:
    """``act(anchors[a] + candidates[i]) @ weight`` for every a and i.

    Anchors are processed block by block, and blocks are recomputed in the backward pass. With ReLU
    all blocks share one buffer, forward and backward, which is several times faster.

    Args:
        anchors (Tensor): FC0's share of the anchors, of shape (A, H).
        candidates (Tensor): FC0's share of the candidates, of shape (B, H).
        weight (Tensor): Of shape (H,).
        act (nn.Module): Elementwise activation.
        chunk_size (int, optional): Anchors per block, which does not change the result. Defaults
            to None: about :data:`HIDDEN_AT_ONCE` hidden numbers.

    Returns:
        Tensor: Scores of shape (A, B).
    """
    if chunk_size is None:
        at_once = HIDDEN_AT_ONCE.get(anchors.device.type, HIDDEN_AT_ONCE['cuda'])
        chunk_size = max(1, at_once // max(1, candidates.numel()))
    chunk_size = min(chunk_size, len(anchors))
    if isinstance(act, nn.ReLU):
        return _ReLUScores.apply(anchors, candidates, weight, chunk_size)

    def score_block(block: Tensor, candidates: Tensor, weight: Tensor) -> Tensor:
        return act(block.unsqueeze(1) + candidates) @ weight

    if chunk_size == len(anchors):
        return score_block(anchors, candidates, weight)
    recomputed = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    blocks = anchors.split(chunk_size)
    return torch.cat([recomputed(score_block, block, candidates, weight) for block in blocks])


class _ReLUScores(torch.autograd.Function):
    """:func:`pair_scores` with ReLU; differentiable once."""

    @staticmethod
    def forward(ctx, anchors, candidates, weight, chunk_size):
        ctx.save_for_backward(anchors, candidates, weight)
        ctx.chunk_size = chunk_size
        scores = anchors.new_empty(len(anchors), len(candidates))
        buffer = anchors.new_empty(chunk_size, *candidates.shape)
        for block, part in zip(anchors.split(chunk_size), scores.split(chunk_size)):
            hidden = torch.add(block.unsqueeze(1), candidates, out=buffer[: len(block)])
            torch.matmul(hidden.relu_(), weight, out=part)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        anchors, candidates, weight = ctx.saved_tensors
        of_anchors, of_candidates, of_weight = map(torch.zeros_like, (anchors, candidates, weight))
        buffer = anchors.new_empty(ctx.chunk_size, *candidates.shape)
        parts = (part.split(ctx.chunk_size) for part in (anchors, grad, of_anchors))
        for block, slope, of_block in zip(*parts):
            hidden = torch.add(block.unsqueeze(1), candidates, out=buffer[: len(block)]).relu_()
            of_weight += slope.reshape(-1) @ hidden.flatten(0, 1)
            flowing = hidden.sign_().mul_(slope.unsqueeze(2))  # where ReLU lets the slope through
            torch.sum(flowing, 1, out=of_block)
            of_candidates += flowing.sum(0)
        return of_anchors * weight, of_candidates * weight, of_weight, None
