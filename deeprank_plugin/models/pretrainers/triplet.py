"""The triplet loss with class labels, the supervised reference of Fig. 1."""

from typing import Dict, List, Optional

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from ..utils import pairwise_distances, to_device
from ..utils.distances import check_normalization
from .base import EncoderPretrainer


@MODELS.register_module()
class SupervisedTriplet(EncoderPretrainer):
    """An encoder trained on triplets whose positive has the anchor's true class (Fig. 1).

    The loss is the mean over all valid triplets of the batch that violate the margin ('batch all',
    Hermans et al., arXiv:1703.07737, after Schroff et al., CVPR 2015). It uses class labels, so it
    is a reference for the self-supervised methods, not a competitor.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        in_channels (int): Its number of feature channels D, times ``segments``.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        margin (float): Margin of the loss. Defaults to 0.2.
        normalize (str, optional): As in :class:`DeepRank`. Defaults to 'l2'.
        segments (int): Equal parts of the time that are pooled separately. Defaults to 1.
        gather (bool): Form triplets of the samples of all processes together, so that G processes
            with B/G samples each compute what one process computes with B. A few samples of many
            classes hold no triplet, and teach nothing. The loss holds B ** 3 numbers several times:
            about 2 GB for 512 samples. Defaults to True.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If the margin is not positive, or backbone and layout do not match.
    """

    def __init__(
        self,
        backbone: Dict,
        in_channels: int,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        margin: float = 0.2,
        normalize: Optional[str] = 'l2',
        segments: int = 1,
        gather: bool = True,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg, segments)
        check_normalization(normalize)
        if margin <= 0:
            raise ValueError(f'margin={margin}; expected above 0')
        self.backbone = MODELS.build(backbone)
        self.in_channels = in_channels
        self.check_encoder(in_channels)
        self.margin = margin
        self.normalize = normalize
        self.gather = gather

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Triplet loss of the batch (of all processes).

        It is 0 where no triplet is valid or violates the margin.

        Returns:
            dict: ``loss_triplet``, and ``acc_triplet``, the share of valid triplets whose positive
            is nearer than their negative (NaN if there is none).
        """
        features = self.gather_all(self.extract_feat(inputs).float())
        labels = torch.cat([sample.gt_label for sample in data_samples])
        labels = self.gather_all(to_device(labels, features.device))
        return triplet_loss(pairwise_distances(features, self.normalize), labels, self.margin)


def triplet_loss(distances: Tensor, labels: Tensor, margin: float) -> Dict[str, Tensor]:
    """Batch-all triplet loss from distances (B, B) and true classes (B,)."""
    same = labels.unsqueeze(1) == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    valid = positive.unsqueeze(2) & ~same.unsqueeze(1)  # (anchor, positive, negative)
    gaps = distances.unsqueeze(2) - distances.unsqueeze(1)
    violations = torch.where(valid, gaps + margin, 0.0).clamp(min=0)
    return dict(
        loss_triplet=violations.sum() / (violations > 0).sum().clamp(min=1),
        acc_triplet=(valid & (gaps < 0)).sum() / valid.sum(),
    )
