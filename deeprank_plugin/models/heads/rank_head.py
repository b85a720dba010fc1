"""The ranking classifier and its loss (Sec. III-B)."""

from typing import Any, Dict, Optional

import torch
from mmaction.registry import MODELS
from mmengine.dist import broadcast
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..losses import Agreement, RankingSums, Weighting, ranking_sums
from ..losses.ranking_loss import TIES, triplet_sums
from ..utils import to_device, without_autocast
from .classifiers import CLASSIFIERS, stratified_places, unrank_triplets
from .metric_score import MetricScore
from .pair_scores import pair_scores

PAIR_CLASSIFIERS = ('FC', 'metric')
TRIPLETS_AT_ONCE = dict(cpu=2**13, cuda=2**15)  # of the classifiers that do not factor


@MODELS.register_module()
class RankHead(BaseModule):
    r"""Ranks all triplets of a batch: which of two candidates is nearer to the anchor?

    FC0 takes the concatenation of an anchor and a candidate (Eq. 7). FC1 takes the difference of
    the two results, and a softmax turns its two logits into the predicted label (Eq. 8):
    FC1(act(FC0[a; c1]) - act(FC0[a; c2])). Because FC1 follows a subtraction, the logits factor:
    with W_a and W_c the two halves of FC0's weight and w = W1[0] - W1[1], every pair has a score

    .. math:: s(a, i) = w \cdot act(W_a f_a + W_c f_i + b_0)

    and the logit difference of (a, i, j) is s(a, i) - s(a, j) + b1[0] - b1[1]: B² pair scores serve
    B³ triplets, and loss and gradients equal those of the triplets one by one.

    A training step is ``loss``: :meth:`forward` computes the pair scores, and :meth:`sums` compares
    them with the order of the label distances.

    With ``act_cfg=None`` (the paper's equations as written) the anchor cancels: the score
    difference is w · W_c (f_i - f_j), no gradient reaches W_a, and the head can only learn which
    candidate lies nearer to the centre of the batch. With an activation, the score depends on the
    anchor.

    Args:
        in_channels (int): Number of feature channels D.
        hidden_channels (int): Outputs of FC0. Defaults to 256.
        act_cfg (dict, optional): Activation after FC0, built from ``MODELS``; None for none, as the
            paper writes it. Defaults to ``dict(type='ReLU')``.
        classifier (str): Classifier of Table II. 'FC' is the paper's choice and the only one of
            them that factors; 'MLP' and 'ViT' (``classifiers.py``) process every triplet on its
            own. 'metric', not in the paper, scores pairs by a distance (:class:`MetricScore`) and
            ignores ``hidden_channels``. All but 'FC' ignore ``act_cfg``. Defaults to 'FC'.
        num_triplets (int, optional): With 'MLP' and 'ViT', the number of triplets per step, drawn
            evenly from all P(B, 3) and alike on all processes; fixed in eval mode. Defaults to
            None: all of them, in chunks.
        ties (str): How to treat triplets whose two distances are equal: 'skip' leaves them out of
            loss and accuracy, 'second' labels them [0, 1], as the paper writes it. Defaults to
            'skip'.
        chunk_size (int, optional): Anchors processed at once, see :func:`pair_scores` and
            :func:`ranking_sums`; with 'MLP' and 'ViT', triplets at once, by default 8,192 on the
            CPU and 32,768 on a GPU. Does not change the result. Defaults to None: a size that
            bounds the memory.
        loss_weight (float): Weight of the loss. Defaults to 1.0.
        rank_power (float): Triplets count r ** -rank_power, r the rank of the nearer candidate.
            Defaults to 0.0: all count alike. See :class:`Weighting`, also for the next two.
        margin_power (float): Triplets count (difference of their distances) ** margin_power.
            Defaults to 0.0.
        temperature (float): Above 0 the nearer candidate is the label only with a probability that
            grows with the difference of the distances. Defaults to 0.0.
        init_cfg (dict or list[dict], optional): Initialisation; None is PyTorch's for linear
            layers. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 256,
        act_cfg: Optional[Dict] = dict(type='ReLU'),
        classifier: str = 'FC',
        num_triplets: Optional[int] = None,
        ties: str = 'skip',
        chunk_size: Optional[int] = None,
        loss_weight: float = 1.0,
        rank_power: float = 0.0,
        margin_power: float = 0.0,
        temperature: float = 0.0,
        init_cfg=None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        check_arguments(classifier, num_triplets, ties, in_channels, hidden_channels, chunk_size)
        self.weighting = Weighting(rank_power, margin_power, temperature)
        if min(self.weighting) < 0:
            raise ValueError(f'{self.weighting}; expected no negative number')
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.ties = ties
        self.chunk_size = chunk_size
        self.loss_weight = loss_weight
        self.num_triplets = num_triplets
        self.classifier: Optional[nn.Module] = None
        self.metric: Optional[nn.Module] = None
        if classifier == 'metric':
            self.metric = MetricScore(in_channels)
            return
        if classifier != 'FC':
            self.classifier = CLASSIFIERS[classifier](in_channels, hidden_channels)
            return
        self.fc0 = nn.Linear(2 * in_channels, hidden_channels)
        self.act = nn.Identity() if act_cfg is None else MODELS.build(act_cfg)
        self.fc1 = nn.Linear(hidden_channels, 2)

    def forward(self, feats: Tensor) -> Tensor:
        """Score of every pair of anchor (row) and candidate (column).

        Args:
            feats (Tensor): Features of shape (B, D).

        Returns:
            Tensor: Pair scores s(a, c) of shape (B, B).

        Raises:
            ValueError: If the features do not have ``in_channels`` channels, or the classifier
                computes no pair scores.
        """
        if self.classifier is not None:
            raise ValueError(
                f'{type(self.classifier).__name__} has no pair scores; expected classifier to be '
                f'one of {PAIR_CLASSIFIERS}'
            )
        self.check_features(feats)
        if self.metric is not None:
            return self.metric(feats)
        of_anchor, of_candidate = self.fc0.weight.split(self.in_channels, dim=1)
        anchors = feats @ of_anchor.T + self.fc0.bias  # (B, hidden)
        candidates = feats @ of_candidate.T  # (B, hidden)
        weight = self.fc1.weight[0] - self.fc1.weight[1]
        return pair_scores(anchors, candidates, weight, self.act, self.chunk_size)

    def check_features(self, feats: Tensor) -> None:
        """Raise ``ValueError`` unless the features are (B, D)."""
        if feats.dim() != 2 or feats.shape[1] != self.in_channels:
            raise ValueError(
                f'features of shape {tuple(feats.shape)} do not fit RankHead(in_channels='
                f'{self.in_channels}); expected (B, {self.in_channels}): set in_channels to the '
                "backbone's number of output channels"
            )

    def sums(
        self, feats: Tensor, distances: Tensor, agreement: Optional[Agreement] = None
    ) -> RankingSums:
        """Sums of loss, correct answers and triplets over the triplets of each anchor.

        Computed in at least float32, also under automatic mixed precision.

        Args:
            feats (Tensor): Features of shape (B, D).
            distances (Tensor): Label distances of shape (B, B).
            agreement (Agreement, optional): What triplets count where modalities disagree.
                Defaults to None: all count fully.

        Returns:
            RankingSums: Each of shape (B,).

        Raises:
            ValueError: If B < 3, or if the distances are not (B, B).
        """
        number = feats.shape[0]
        if number < 3:
            raise ValueError(
                f'a batch of {number} samples has no triplet; expected at least 3: raise '
                'batch_size, or set drop_last=True where the last batch of an epoch is smaller'
            )
        if distances.shape != (number, number):
            raise ValueError(
                f'distances of shape {tuple(distances.shape)} do not fit {number} features; '
                f'expected ({number}, {number})'
            )
        with without_autocast(feats.device):
            if feats.dtype in (torch.float16, torch.bfloat16):
                feats = feats.float()
            if self.classifier is not None:
                return self.classified_sums(self.classifier, feats, distances, agreement)
            scores = self(feats)
            if self.metric is not None:
                bias = scores.new_zeros(())
            else:
                bias = self.fc1.bias[0] - self.fc1.bias[1]
            return ranking_sums(
                scores, distances, bias, self.ties, self.chunk_size, self.weighting, agreement
            )

    def classified_sums(
        self,
        classifier: Any,
        feats: Tensor,
        distances: Tensor,
        agreement: Optional[Agreement] = None,
    ) -> RankingSums:
        """:meth:`sums` with a classifier that takes whole triplets."""
        self.check_features(feats)
        number = len(feats)
        total = number * (number - 1) * (number - 2)
        if self.num_triplets is None or self.num_triplets >= total:
            places = torch.arange(total, device=feats.device)
        else:
            draws = torch.full((self.num_triplets,), 0.5, device=feats.device)
            if self.training:
                draws = to_device(torch.rand(self.num_triplets), feats.device)
                broadcast(draws)  # processes that gather their features must agree
            places = stratified_places(draws, total)
        prepared = classifier.prepare(feats)

        def chunk_sums(places: Tensor, *prepared: Tensor) -> RankingSums:
            triplets = unrank_triplets(places, number)
            logits = classifier(*prepared, triplets)
            margins = logits[:, 0] - logits[:, 1]
            return triplet_sums(margins, distances, triplets, self.ties, self.weighting, agreement)

        at_once = TRIPLETS_AT_ONCE.get(feats.device.type, TRIPLETS_AT_ONCE['cuda'])
        chunks = places.split(self.chunk_size or at_once)
        if len(chunks) == 1:
            return chunk_sums(places, *prepared)
        parts = [
            checkpoint(chunk_sums, chunk, *prepared, use_reentrant=False, preserve_rng_state=False)
            for chunk in chunks
        ]
        return RankingSums(*(torch.stack(part).sum(dim=0) for part in zip(*parts)))

    def loss(
        self, feats: Tensor, distances: Tensor, agreement: Optional[Agreement] = None
    ) -> Dict[str, Tensor]:
        """Mean cross-entropy and accuracy over the ordered triplets of a batch.

        With the scores s of :meth:`forward`, the logit difference of a triplet (a, i, j) is
        z = s(a, i) - s(a, j) + b1[0] - b1[1]. Its label is the nearer candidate: the cost is
        -log sigmoid(z) where d(a, i) < d(a, j), and -log sigmoid(-z) where j is nearer. All P(B, 3)
        triplets of distinct samples count, except tied ones with ``ties='skip'``; all alike, unless
        the head weighs them. The distances get no gradient.

        Args:
            feats (Tensor): Features of shape (B, D).
            distances (Tensor): Label distances of shape (B, B).
            agreement (Agreement, optional): As in :meth:`sums`. Defaults to None.

        Returns:
            dict: ``loss_rank``, a weighted scalar; ``acc_rank``, the share of triplets ranked
            correctly; and ``acc_near``, the same over triplets of the anchor's nearest tenth of
            the candidates. If every triplet is tied, the loss is 0 and the accuracies are NaN.
        """
        sums = RankingSums(*(part.sum() for part in self.sums(feats, distances, agreement)))
        weight = sums.weight.where(sums.weight > 0, torch.ones_like(sums.weight))
        return dict(
            loss_rank=self.loss_weight * sums.loss / weight,
            acc_rank=sums.correct / sums.count,
            acc_near=sums.near_correct / sums.near_count,
        )


def check_arguments(
    classifier: str,
    num_triplets: Optional[int],
    ties: str,
    in_channels: int,
    hidden_channels: int,
    chunk_size: Optional[int],
) -> None:
    """Raise a ``ValueError`` that names the invalid argument of :class:`RankHead`."""
    known = (*PAIR_CLASSIFIERS, *CLASSIFIERS)
    if classifier not in known:
        raise ValueError(f'classifier={classifier!r} is not known; choose from {known}')
    if num_triplets is not None and (classifier in PAIR_CLASSIFIERS or num_triplets < 1):
        raise ValueError(
            f'num_triplets={num_triplets} with classifier={classifier!r}; expected a positive '
            "number with 'MLP' or 'ViT', or None: the others take all triplets at the price of "
            'pairs'
        )
    if ties not in TIES:
        raise ValueError(f'ties={ties!r} is not known; choose from {TIES}')
    if in_channels < 1 or hidden_channels < 1:
        raise ValueError(
            f'in_channels={in_channels} and hidden_channels={hidden_channels} must be positive'
        )
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f'chunk_size={chunk_size} must be positive, or None for automatic')
