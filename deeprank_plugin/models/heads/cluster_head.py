"""The linear classifier of DeepCluster."""

from typing import Dict

from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@MODELS.register_module()
class ClusterHead(BaseModule):
    """One linear layer from features to cluster numbers.

    Args:
        in_channels (int): Number of feature channels D.
        num_clusters (int): Number of clusters n. Defaults to 256.
        init_cfg (dict or list[dict], optional): Initialisation; None is PyTorch's for linear
            layers. Defaults to None.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, in_channels: int, num_clusters: int = 256, init_cfg=None) -> None:
        super().__init__(init_cfg=init_cfg)
        if in_channels < 1 or num_clusters < 2:
            raise ValueError(
                f'in_channels={in_channels}, num_clusters={num_clusters}; expected at least 1 and 2'
            )
        self.in_channels = in_channels
        self.num_clusters = num_clusters
        self.fc = nn.Linear(in_channels, num_clusters)

    def forward(self, feats: Tensor) -> Tensor:
        """Logits of shape (B, n) of features (B, D)."""
        return self.fc(feats)

    def loss(self, feats: Tensor, labels: Tensor) -> Dict[str, Tensor]:
        """Cross-entropy and accuracy.

        Args:
            feats (Tensor): Features of shape (B, D).
            labels (Tensor): Clusters of shape (B,).

        Returns:
            dict: ``loss_cluster`` and ``acc_cluster``, scalars.
        """
        logits = self(feats).float()
        correct = (logits.argmax(dim=1) == labels).float()
        return dict(loss_cluster=cross_entropy(logits, labels), acc_cluster=correct.mean())
