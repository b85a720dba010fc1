"""DeepRank: an encoder learns to rank triplets by the distances of its own frozen features."""

from typing import Dict, List, Optional

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from deeprank_plugin.evaluation.functional import feature_health, label_disagreement

from ..utils import pairwise_distances
from .base import BasePretrainer, check_fit, compared_rows, encode


@MODELS.register_module()
class DeepRank(BasePretrainer):
    """DeepRank (Sec. III): backbone, pooling to (B, D), ranking head and feature bank.

    The labels of a batch are read from the bank: the triplet (a, c1, c2) is of the first class if
    the frozen features of a are nearer to those of c1 than of c2 (Eqs. 2 and 3).
    ``RelabelHook`` fills the bank before training and renews it in rounds.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        head (dict): Config of a :class:`RankHead`.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        normalize (str, optional): Normalisation of the features before their distance is taken:
            'l2', 'l1', 'minmax' or None (Table I). Defaults to 'l2'.
        gather (bool): Rank the samples of all processes together, so that G processes with B/G
            samples compute what one computes with B. Defaults to True.
        reset_head (bool): Give the head new weights at every renewal of the labels.
            Defaults to False.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If backbone, head and layout do not fit, with what to change.
    """

    def __init__(
        self,
        backbone: Dict,
        head: Dict,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        normalize: Optional[str] = 'l2',
        gather: bool = True,
        reset_head: bool = False,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, normalize, gather, reset_head, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        preprocessor = self.data_preprocessor
        if not isinstance(getattr(preprocessor, 'modality', None), str):
            raise ValueError(
                f'{type(preprocessor).__name__} feeds {getattr(preprocessor, "modality", None)!r}; '
                "DeepRank has one encoder: use dict(type='SkeletonPreprocessor', modality='joint')"
                ', or MVDeepRank for several'
            )
        check_fit(preprocessor.num_joints, self.backbone, [self.head])

    def ranking_heads(self) -> List[nn.Module]:
        """The heads that learn the bank's labels."""
        return [self.head]

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Features of shape (B, D) of sequences (B, clips, M, T, V, C), averaged over clips."""
        return encode(self.backbone, inputs)

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Ranking loss and accuracy over all triplets of the batch (of all processes)."""
        features = self.gather_all(self.extract_feat(inputs))
        labels = self.gather_all(self.label_features(data_samples))
        return self.head.loss(features, pairwise_distances(labels, self.normalize))

    def predict(
        self, inputs: Tensor, data_samples: List[ActionDataSample]
    ) -> List[ActionDataSample]:
        """Set ``feat`` (D,) and, for samples of the bank, ``rank`` (3,) on each sample."""
        features = self.extract_feat(inputs)
        for sample, feature in zip(data_samples, features.float()):
            sample.set_field(feature, 'feat')
        if self.can_rank(data_samples):
            distances = pairwise_distances(self.label_features(data_samples), self.normalize)
            for sample, *sums in zip(data_samples, *self.head.sums(features, distances)):
                sample.set_field(torch.stack([s.detach().double() for s in sums]), 'rank')
        return data_samples

    @torch.no_grad()
    def health(self, features: Tensor, labels: Optional[Tensor] = None) -> Dict[str, float]:
        """What is logged of new features (N, D), with nothing changed.

        Returns:
            dict: Spread and effective rank of the features, k-NN accuracy where classes are known
            and, from the second round on, ``flipped``, the share of the labels that they change.
        """
        figures = feature_health(features, labels)
        if self.bank is not None and self.bank.features is not None:
            figures['flipped'] = self.flipped(self.bank.features.to(features), features)
        return figures

    def flipped(self, before: Tensor, after: Tensor) -> float:
        """Share of the ranking labels that differ between two sets of features (N, D).

        Measured on all triplets of at most ``NUM_COMPARED`` samples, drawn by a fixed seed.
        """
        rows = compared_rows(len(before)).to(before.device)
        return label_disagreement(
            *(pairwise_distances(features[rows], self.normalize) for features in (before, after))
        )
