"""Labels of triplets, and the cross-entropy over all triplets of a batch (Sec. III)."""

from typing import NamedTuple, Optional

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid, softplus

# Triplets per block: what fits a CPU's caches, and what keeps a GPU busy.
TRIPLETS_AT_ONCE = dict(cpu=2**17, cuda=2**24)
TIES = ('skip', 'second')


class RankingSums(NamedTuple):
    """Sums over the triplets of each anchor, each of shape (B,).

    Attributes:
        loss: Sum of the cross-entropies.
        correct: Number of triplets whose nearer candidate scores higher.
        count: Number of triplets that have a label.
    """

    loss: Tensor
    correct: Tensor
    count: Tensor  # type: ignore[assignment]  # hides tuple.count


class _AllTriplets(torch.autograd.Function):
    """:func:`ranking_sums`, forward and backward in one pass over blocks of anchors.

    An anchor's loss depends on its own row of scores only. Its derivatives, (B, B) numbers in all,
    are computed along with it, and the backward pass multiplies them by the incoming gradient:
    nothing of size B³ outlives its block.
    """

    @staticmethod
    def forward(ctx, scores, distances, bias, ties, chunk_size):
        number = len(scores)
        loss, of_scores = scores.new_zeros(number), torch.zeros_like(scores)
        of_bias = scores.new_zeros(number)
        correct, count = (
            torch.zeros(number, dtype=torch.long, device=scores.device) for _ in range(2)
        )
        for rows in torch.arange(number, device=scores.device).split(chunk_size):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            sign = _signs(distances[part], rows, ties).to(scores.dtype)  # (A, B, B)
            logits = scores[part].unsqueeze(2) - scores[part].unsqueeze(1)
            # -log softmax of the label: softplus(-logit) for the first class, softplus(logit) else
            wrong = logits.add_(bias).mul_(sign)
            counted = sign != 0
            loss[part] = -logsigmoid(-wrong).mul_(counted).sum((1, 2))
            correct[part] = (wrong < 0).sum((1, 2))
            count[part] = counted.sum((1, 2))
            slope = wrong.sigmoid_().mul_(sign)
            of_scores[part] = slope.sum(2) - slope.sum(1)
            of_bias[part] = slope.sum((1, 2))
        ctx.save_for_backward(of_scores, of_bias)
        ctx.mark_non_differentiable(correct, count)
        return loss, correct, count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        of_scores, of_bias = ctx.saved_tensors
        return of_scores * grad.unsqueeze(1), None, grad @ of_bias, None, None


def _signs(distances: Tensor, anchors: Tensor, ties: str) -> Tensor:
    """Labels of triplets (Eq. 2): -1 if d(a, c1) < d(a, c2), 1 otherwise, 0 if it has no label.

    Args:
        distances (Tensor): Label distances of A anchors, of shape (A, B).
        anchors (Tensor): Their indices, of shape (A,).
        ties (str): See :func:`ranking_sums`.

    Returns:
        Tensor: Of shape (A, B, B), int8.
    """
    first, second = distances.unsqueeze(2), distances.unsqueeze(1)
    nearer_first = (first < second).to(torch.int8)
    if ties == 'second':  # Eq. 2 as written: "otherwise" includes equal distances
        sign = 1 - 2 * nearer_first
    else:
        sign = (second < first).to(torch.int8) - nearer_first
    sign.diagonal(dim1=1, dim2=2).zero_()  # c1 is not c2
    each = torch.arange(len(anchors), device=anchors.device)
    sign[each, anchors] = 0  # and neither is the anchor
    sign[each, :, anchors] = 0
    return sign


def ranking_sums(
    scores: Tensor,
    distances: Tensor,
    bias: Tensor,
    ties: str = 'skip',
    chunk_size: Optional[int] = None,
) -> RankingSums:
    """Cross-entropy (Eq. 9) of all P(B, 3) ordered triplets (a, c1, c2) of a batch (Eq. 1).

    The samples of a triplet are distinct. Nothing is sampled: every step takes all triplets.

    The logit difference of a triplet is ``scores[a, c1] - scores[a, c2] + bias``; its label is the
    first class where ``distances[a, c1] < distances[a, c2]`` (Eq. 2). Differentiable
    once.

    Args:
        scores (Tensor): Pair scores s(a, c) of shape (B, B); the diagonal is ignored.
        distances (Tensor): Label distances of shape (B, B); they get no gradient.
        bias (Tensor): Difference of the two logits' biases, a scalar.
        ties (str): 'skip' leaves out triplets with equal distances; 'second' gives them the second
            label, as Eq. 2 is written. Defaults to 'skip'.
        chunk_size (int, optional): Anchors per block, which does not change the result; memory
            grows with chunk_size * B². Defaults to None: about :data:`TRIPLETS_AT_ONCE` triplets.

    Returns:
        RankingSums: Sums per anchor.
    """
    if chunk_size is None:
        at_once = TRIPLETS_AT_ONCE.get(scores.device.type, TRIPLETS_AT_ONCE['cuda'])
        chunk_size = max(1, at_once // len(scores) ** 2)
    return RankingSums(*_AllTriplets.apply(scores, distances, bias, ties, chunk_size))


def triplet_sums(
    logits: Tensor, distances: Tensor, triplets: Tensor, ties: str = 'skip'
) -> RankingSums:
    """:func:`ranking_sums` for given triplets, each with its own logit difference.

    Args:
        logits (Tensor): First against second class, of shape (K,).
        distances (Tensor): Label distances of shape (B, B).
        triplets (Tensor): Anchor, first and second candidate, of shape (3, K).
        ties (str): See :func:`ranking_sums`. Defaults to 'skip'.

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
