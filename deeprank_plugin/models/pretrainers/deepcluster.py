"""DeepCluster on skeletons: an encoder learns the clusters of its own frozen features."""

from typing import Dict, List, Optional, Sequence

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import broadcast
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..utils.clustering import cluster_features
from .base import BankPretrainer


@MODELS.register_module()
class DeepCluster(BankPretrainer):
    """DeepCluster (Caron et al., ECCV 2018), with the encoder, data and rounds of DeepRank.

    At each relabelling the features of all samples are PCA-whitened, L2-normalised and clustered by
    k-means; a newly initialised linear layer then learns the clusters as classes. The bank holds
    each sample's cluster instead of its features. Train with
    ``sampler=dict(type='ClusterSampler')``, which samples all clusters equally often.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        head (dict): Config of a :class:`ClusterHead`, which sets the number of clusters.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        pca_dim (int, optional): Principal components to keep. Defaults to None: all with variance.
        seed (int): Seed of k-means. Defaults to 0.
        segments (int): Equal parts of the time that are pooled separately; the head's
            ``in_channels`` is D times as many. Defaults to 1.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If backbone, head and layout do not match; says what to change.
    """

    def __init__(
        self,
        backbone: Dict,
        head: Dict,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        pca_dim: Optional[int] = None,
        seed: int = 0,
        segments: int = 1,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, reset_head=True, init_cfg=init_cfg, segments=segments)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.pca_dim = pca_dim
        self.seed = seed
        self.check_encoder(self.head.in_channels, 'head.in_channels')

    def clusters(self, data_samples: Sequence[ActionDataSample]) -> Tensor:
        """Clusters of these samples, of shape (B,)."""
        return self.label_features(data_samples)[:, 0].long()

    @property
    def pseudo_labels(self) -> Optional[Tensor]:
        """Cluster of each row of the bank, of shape (N,); None before the first round."""
        if self.bank is None or self.bank.features is None:
            return None
        return self.bank.features[:, 0].long().cpu()

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Cross-entropy and accuracy over the clusters."""
        return self.head.loss(self.extract_feat(inputs), self.clusters(data_samples))

    def score(self, features: Tensor, data_samples: List[ActionDataSample], inputs) -> None:
        """Set ``cluster``, the tensor (loss, correct, 1), for ``ClusterMetric``."""
        labels, logits = self.clusters(data_samples), self.head(features).float()
        losses = cross_entropy(logits, labels, reduction='none')
        right = logits.argmax(dim=1) == labels
        rows = torch.stack([losses, right, right | True], dim=1).double().cpu()
        for sample, row in zip(data_samples, rows):
            sample.set_field(row, 'cluster')

    @torch.no_grad()
    def relabel(self, features: Tensor, names: Sequence[str]) -> Dict[str, float]:
        """Cluster new features and reinitialise the head.

        Args:
            features (Tensor): Features of shape (N, D) of all samples of the training split.
            names (Sequence[str]): Names of the samples.

        Returns:
            dict: Sizes of the ``smallest``, ``median`` and ``largest`` cluster, number of
            ``reseeded`` clusters and, from the second round on, ``nmi_last``, the normalised mutual
            information with the last round's clusters.

        Raises:
            ValueError: If there are fewer samples than clusters, or all features are equal.
        """
        before = self.pseudo_labels
        clusters = cluster_features(
            features.cpu().numpy(), self.head.num_clusters, self.pca_dim, self.seed
        )
        found = torch.as_tensor(clusters.labels, device=features.device)
        broadcast(found)  # rounding may make k-means differ between processes
        sizes = torch.bincount(found, minlength=self.head.num_clusters)
        metrics = dict(
            smallest=int(sizes.min()),
            median=float(sizes.float().median()),
            largest=int(sizes.max()),
            reseeded=clusters.reseeded,
        )
        if before is not None:
            metrics['nmi_last'] = normalized_mutual_info_score(before.numpy(), found.cpu().numpy())
        super().relabel(found[:, None].float(), names)
        return metrics
