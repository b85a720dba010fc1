"""DeepRank: an encoder learns to rank triplets by the distances of its own frozen features."""

from typing import Dict, List, Optional

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from ..utils import compared_rows, label_disagreement
from .ranking import RankingPretrainer


@MODELS.register_module()
class DeepRank(RankingPretrainer):
    """DeepRank (Sec. III): backbone, pooling to (B, D), ranking head and feature bank.

    A training step takes the batch's features from the encoder and its frozen features from the
    bank. Distances between frozen features say which of two candidates is nearer to an anchor
    (Eqs. 2, 3); the head predicts this for all triplets, and its cross-entropy is the loss
    (Eqs. 7 to 9). ``RelabelHook`` fills the bank before training and again after each round.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        head (dict): Config of a :class:`RankHead`.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        normalize (str, optional): Normalisation of the features before distances are computed:
            'l2', 'l1', 'minmax' or None (Table I). Defaults to 'l2'.
        gather (bool): Rank the samples of all processes together, so that G processes with B/G
            samples each compute what one process computes with B. Defaults to True.
        reset_head (bool): Reinitialise the head at every relabelling. Defaults to False.
        segments (int): Equal parts of the time that are pooled separately; the head's
            ``in_channels`` is D times as many. Defaults to 1.
        two_views (bool): Rank two views of each sample (``TwoViews``), whose distance is 0, as
            samples of their own. Defaults to False.
        whiten (float): Power from 0 to 1 by which the bank's features are whitened, see
            :func:`whiten_features`. Defaults to 0.0.
        keep_first (float): Share of the first round's distances in all later ones. Defaults to
            0.0.
        teacher_momentum (float, optional): Label distances are those of a momentum (EMA) teacher,
            see :class:`RankingPretrainer`. Defaults to None: those of the bank.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If backbone, head and layout do not match; says what to change.
    """

    def __init__(
        self,
        backbone: Dict,
        head: Dict,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        normalize: Optional[str] = 'l2',
        gather: bool = True,
        reset_head: bool = False,
        segments: int = 1,
        two_views: bool = False,
        whiten: float = 0.0,
        keep_first: float = 0.0,
        teacher_momentum: Optional[float] = None,
        init_cfg=None,
    ) -> None:
        super().__init__(
            data_preprocessor,
            normalize,
            two_views,
            whiten,
            keep_first,
            teacher_momentum,
            gather=gather,
            reset_head=reset_head,
            segments=segments,
            init_cfg=init_cfg,
        )
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.check_encoder(self.head.in_channels, 'head.in_channels')
        self.build_teacher()

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Ranking loss and accuracy over all triplets of the batch (of all processes)."""
        # labels first: the device computes them while the host is busy with the encoder
        inputs, distances = self.label_batch(inputs, data_samples)
        features = self.gather_all(self.encode_views(self.backbone, inputs))  # (B, D)
        return self.head.loss(features, distances)

    def distances(self, frozen: Tensor) -> Tensor:
        """Label distances (B, B) of the bank's features (B, D)."""
        return self.distances_of(frozen if frozen.dim() == 3 else frozen.unsqueeze(1))[0]

    def score(self, features: Tensor, data_samples: List[ActionDataSample], inputs) -> None:
        """Set ``rank`` (6,), the sums over the triplets with this anchor, for ``RankMetric``."""
        distances = self.distances(self.frozen_features(inputs, data_samples))
        sums = [part.detach().double() for part in self.head.sums(features, distances)]
        for sample, rank in zip(data_samples, torch.stack(sums, dim=1).cpu()):  # (B, 6), one copy
            sample.set_field(rank, 'rank')

    @torch.no_grad()
    def compare(self, features: Tensor) -> Dict[str, float]:
        """``flipped``: the share of ranking labels that new features (N, D) would change.

        Counted over all triplets of a few samples, see :func:`compared_rows`; absent in the first
        round.
        """
        if self.bank is None or self.bank.features is None:
            return {}
        now = self.prepare_labels(features)
        before = self.bank.features.to(features)
        rows = compared_rows(len(before)).to(before.device)
        return dict(
            flipped=label_disagreement(self.distances(before[rows]), self.distances(now[rows]))
        )
