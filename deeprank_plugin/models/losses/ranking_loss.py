"""Labels of triplets, and the cross-entropy over all triplets of a batch (Sec. III)."""

import math
from typing import Any, NamedTuple, Optional, Tuple

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
        loss: Sum of the cross-entropies, each times its triplet's weight.
        correct: Number of triplets whose nearer candidate scores higher.
        count: Number of triplets that have a label.
        weight: Sum of the weights of these; ``count`` if all weigh alike.
        near_correct: As ``correct``, with both candidates among the anchor's nearest tenth.
        near_count: As ``count``, with both candidates among the anchor's nearest tenth.
    """

    loss: Tensor
    correct: Tensor
    count: Tensor  # type: ignore[assignment]  # hides tuple.count
    weight: Tensor
    near_correct: Tensor
    near_count: Tensor


class Weighting(NamedTuple):
    """What a triplet counts, and how sure its label is. With the defaults all count alike.

    Distances are in units of the standard deviation of the batch's off-diagonal ones, which makes
    the settings independent of the scale of the features.

    Attributes:
        rank_power: A triplet counts r ** -rank_power, r the rank of its nearer candidate among the
            anchor's candidates (1: the nearest of all).
        margin_power: A triplet counts |d1 - d2| ** margin_power, d1 and d2 its two distances.
        temperature: The label is the nearer candidate with probability
            sigmoid(|d1 - d2| / temperature), as in RankNet (Burges et al., ICML 2005); 0 for
            certainty.
    """

    rank_power: float = 0.0
    margin_power: float = 0.0
    temperature: float = 0.0

    @property
    def weighs(self) -> bool:
        """Whether triplets count differently."""
        return bool(self.rank_power or self.margin_power)


ALIKE = Weighting()


class Agreement(NamedTuple):
    """What a triplet counts where the modalities give different labels.

    They agree on a triplet if one of its candidates is nearer than the other by the distances of
    every modality; a tie in one of them is no agreement. The triplet then counts fully, and
    ``weight`` otherwise, times what :class:`Weighting` says.

    Attributes:
        distances: Label distances of each of S modalities, of shape (S, B, B).
        weight: What the other triplets count.
    """

    distances: Tensor
    weight: float

    def among(self, first: Tuple, second: Tuple, dtype: torch.dtype) -> Tensor:
        """Weights of triplets, by the indices that :class:`_Graded` takes."""
        signs: Any = 0
        for distances in self.distances:  # far cheaper than comparisons
            signs = (distances[first] - distances[second]).sign_().add_(signs)
        agreed = signs.abs_().sub_(len(self.distances) - 1).clamp_(min=0)  # 1, elsewhere 0
        return agreed.to(dtype).mul_(1 - self.weight).add_(self.weight)


class _Graded:
    """Weights and doubts of triplets, from label distances (B, B) and what they count."""

    def __init__(
        self,
        distances: Tensor,
        weighting: Weighting,
        dtype: torch.dtype,
        agreement: Optional[Agreement] = None,
    ) -> None:
        self.weighting = weighting
        self.agreement = agreement
        self.distances = distances.to(dtype)
        if weighting.rank_power:
            ranks = rank_candidates(distances).clamp(min=1)
            self.closeness = ranks.to(dtype).pow(-weighting.rank_power)
        else:
            self.closeness = torch.ones_like(self.distances)
        number = len(distances)  # without the diagonal: a mask would make the host wait
        others = self.distances.flatten()[1:].view(number - 1, number + 1)[:, :-1]
        spread = others.reshape(-1).std()
        self.distances = self.distances / torch.where(spread > 0, spread, 1)

    def __call__(self, first: Tuple, second: Tuple) -> Tuple[Optional[Tensor], Optional[Tensor]]:
        """Weight of triplets, and probability that the label is the other candidate.

        Args:
            first (tuple): Index of anchors and first candidates into (B, B) tensors.
            second (tuple): Index of anchors and second candidates.

        Returns:
            tuple: Two tensors as the broadcast indices select them, or None where all are alike.
        """
        weight = doubt = None
        if self.weighting.rank_power:
            weight = torch.maximum(self.closeness[first], self.closeness[second])
        if self.agreement is not None:
            agreed = self.agreement.among(first, second, self.distances.dtype)
            weight = agreed if weight is None else weight.mul_(agreed)
        if self.weighting.margin_power or self.weighting.temperature:
            gap = (self.distances[first] - self.distances[second]).abs()
            if self.weighting.margin_power:
                margin = gap.pow(self.weighting.margin_power)
                weight = margin if weight is None else weight.mul_(margin)
            if self.weighting.temperature:
                doubt = gap.div_(-self.weighting.temperature).sigmoid_()
        return weight, doubt


class _AllTriplets(torch.autograd.Function):
    """:func:`ranking_sums`, forward and backward in one pass over blocks of anchors.

    An anchor's loss depends on its own row of scores only. Its derivatives, (B, B) numbers in all,
    are computed along with it, and the backward pass multiplies them by the incoming gradient:
    nothing of size B³ outlives its block.
    """

    @staticmethod
    def forward(ctx, scores, distances, bias, ties, chunk_size, weighting, agreement):
        number = len(scores)
        graded = None
        if any(weighting) or agreement is not None:
            graded = _Graded(distances, weighting, scores.dtype, agreement)
        loss, of_scores = scores.new_zeros(number), torch.zeros_like(scores)
        of_bias, weights = scores.new_zeros(number), scores.new_zeros(number)
        correct, count = (
            torch.zeros(number, dtype=torch.long, device=scores.device) for _ in range(2)
        )
        for start in range(0, number, chunk_size):  # no bound is read from the device
            part = slice(start, min(start + chunk_size, number))
            rows = torch.arange(part.start, part.stop, device=scores.device)
            sign = _signs(distances[part], rows, ties).to(scores.dtype)  # (A, B, B)
            logits = scores[part].unsqueeze(2) - scores[part].unsqueeze(1)
            # -log softmax of the label: softplus(-logit) for the first class, softplus(logit) else
            wrong = logits.add_(bias).mul_(sign)
            counted = sign != 0
            costs = logsigmoid(-wrong).mul_(counted)  # times -1
            correct[part] = (wrong < 0).sum((1, 2))
            count[part] = counted.sum((1, 2))
            slope = wrong.sigmoid_() if graded is None else wrong.sigmoid()
            if graded is not None:
                weight, doubt = graded((part, slice(None), None), (part, None, slice(None)))
                if doubt is not None:  # (1 - q) softplus(wrong) + q softplus(-wrong)
                    costs += doubt * wrong
                    slope -= doubt
                if weight is not None:
                    weights[part] = weight.mul_(counted).sum((1, 2))
                    costs *= weight
                    slope *= weight
            loss[part] = -costs.sum((1, 2))
            slope.mul_(sign)
            of_scores[part] = slope.sum(2) - slope.sum(1)
            of_bias[part] = slope.sum((1, 2))
        ctx.save_for_backward(of_scores, of_bias)
        weighs = weighting.weighs or agreement is not None
        weights = weights if weighs else count.clone()
        ctx.mark_non_differentiable(correct, count, weights)
        return loss, correct, count, weights

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, *_):
        of_scores, of_bias = ctx.saved_tensors
        return of_scores * grad.unsqueeze(1), None, grad @ of_bias, None, None, None, None


def _signs(distances: Tensor, anchors: Tensor, ties: str) -> Tensor:
    """Labels of triplets (Eq. 2): -1 if d(a, c1) < d(a, c2), 1 otherwise, 0 if it has no label.

    Args:
        distances (Tensor): Label distances of A anchors, of shape (A, B).
        anchors (Tensor): Their indices, of shape (A,).
        ties (str): See :func:`ranking_sums`.

    Returns:
        Tensor: Of shape (A, B, B), int8.
    """
    sign = _compare(distances, ties)
    each = torch.arange(len(anchors), device=anchors.device)
    sign[each, anchors] = 0  # the anchor is no candidate
    sign[each, :, anchors] = 0
    return sign


def _compare(distances: Tensor, ties: str) -> Tensor:
    """Labels (A, K, K) of all pairs of K candidates, from their distances (A, K) to A anchors."""
    first, second = distances.unsqueeze(2), distances.unsqueeze(1)
    nearer_first = (first < second).to(torch.int8)
    if ties == 'second':  # Eq. 2 as written: "otherwise" includes equal distances
        sign = 1 - 2 * nearer_first
    else:
        sign = (second < first).to(torch.int8) - nearer_first
    sign.diagonal(dim1=1, dim2=2).zero_()  # c1 is not c2
    return sign


def rank_candidates(distances: Tensor) -> Tensor:
    """Rank of each candidate (column) of an anchor (row): 1 plus the number of nearer ones.

    Args:
        distances (Tensor): Label distances of shape (B, B).

    Returns:
        Tensor: Of shape (B, B), int64; 0 for the anchor itself.
    """
    own = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    distances = distances.masked_fill(own, -math.inf)
    return torch.searchsorted(distances.sort(dim=1).values, distances)


def nearest_tenth(distances: Tensor) -> Tuple[Tensor, Tensor]:
    """The nearest tenth of each anchor's candidates: K, rounded up, at least two.

    Where candidates at equal distances would make it more than K, they are left out.

    Args:
        distances (Tensor): Label distances of shape (B, B).

    Returns:
        tuple: Indices (B, K) of the nearest candidates, and the distance (B, 1) from which on a
        candidate does not belong to them.
    """
    own = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    others = len(distances) - 1
    number = max(2, math.ceil(others / 10))
    far, order = distances.masked_fill(own, -math.inf).sort(dim=1)
    bound = far[:, number + 1, None] if number < others else torch.full_like(far[:, :1], math.inf)
    return order[:, 1 : number + 1], bound


@torch.no_grad()
def near_sums(scores: Tensor, distances: Tensor, bias: Tensor, ties: str) -> Tuple[Tensor, Tensor]:
    """Numbers of correct and of all triplets of each anchor's nearest tenth, each (B,)."""
    near, bound = nearest_tenth(distances)
    distances, scores = distances.gather(1, near), scores.gather(1, near)
    inside = distances < bound
    sign = _compare(distances, ties) * (inside.unsqueeze(2) & inside.unsqueeze(1))
    wrong = (scores.unsqueeze(2) - scores.unsqueeze(1) + bias) * sign
    return (wrong < 0).sum((1, 2)), (sign != 0).sum((1, 2))


def ranking_sums(
    scores: Tensor,
    distances: Tensor,
    bias: Tensor,
    ties: str = 'skip',
    chunk_size: Optional[int] = None,
    weighting: Weighting = ALIKE,
    agreement: Optional[Agreement] = None,
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
        weighting (Weighting): What a triplet counts. Defaults to all alike.
        agreement (Agreement, optional): What it counts where modalities disagree. Defaults to None.

    Returns:
        RankingSums: Sums per anchor.
    """
    if chunk_size is None:
        at_once = TRIPLETS_AT_ONCE.get(scores.device.type, TRIPLETS_AT_ONCE['cuda'])
        chunk_size = max(1, at_once // len(scores) ** 2)
    sums = _AllTriplets.apply(scores, distances, bias, ties, chunk_size, weighting, agreement)
    return RankingSums._make([*sums, *near_sums(scores, distances, bias, ties)])


def triplet_sums(
    logits: Tensor,
    distances: Tensor,
    triplets: Tensor,
    ties: str = 'skip',
    weighting: Weighting = ALIKE,
    agreement: Optional[Agreement] = None,
) -> RankingSums:
    """:func:`ranking_sums` for given triplets, each with its own logit difference.

    Args:
        logits (Tensor): First against second class, of shape (K,).
        distances (Tensor): Label distances of shape (B, B).
        triplets (Tensor): Anchor, first and second candidate, of shape (3, K).
        ties (str): See :func:`ranking_sums`. Defaults to 'skip'.
        weighting (Weighting): What a triplet counts. Defaults to all alike.
        agreement (Agreement, optional): What it counts where modalities disagree. Defaults to None.

    Returns:
        RankingSums: Sums per anchor, each of shape (B,).
    """
    anchor, one, two = triplets
    first, second = distances[anchor, one], distances[anchor, two]
    nearer_first, nearer_second = first < second, second < first
    if ties == 'second':
        nearer_second = ~nearer_first
    counted = nearer_first | nearer_second
    wrong = torch.where(nearer_first, -logits, logits)
    losses = softplus(wrong) * counted
    correct = (nearer_first & (logits > 0)) | (nearer_second & (logits < 0))
    weight: Tensor = counted.long()
    if any(weighting) or agreement is not None:
        grade = _Graded(distances, weighting, losses.dtype, agreement)
        graded, doubt = grade((anchor, one), (anchor, two))
        if doubt is not None:
            losses = losses - doubt * wrong * counted
        if graded is not None:
            weight = graded * counted
            losses = losses * graded
    near = torch.maximum(first, second) < nearest_tenth(distances)[1][anchor, 0]

    def per_anchor(values: Tensor) -> Tensor:
        return values.new_zeros(len(distances)).index_add(0, anchor, values)

    parts = (correct, counted, correct & near, counted & near)
    right, count, near_right, near_count = (per_anchor(part.long()) for part in parts)
    return RankingSums(per_anchor(losses), right, count, per_anchor(weight), near_right, near_count)
