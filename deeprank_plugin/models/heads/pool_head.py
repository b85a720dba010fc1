"""A head without parameters that returns pooled features, for k-NN and analysis."""

from typing import Dict, List

from mmaction.registry import MODELS
from mmaction.utils import SampleList
from mmengine.model import BaseModule
from torch import Tensor

from ..utils import pool_features


@MODELS.register_module()
class PoolHead(BaseModule):
    """Sets ``feat``, the pooled feature of shape (D,), on each sample of a ``RecognizerGCN``.

    The pooling is that of ``GCNHead``, or with several segments that of :class:`SegmentHead`. There
    is nothing to train, so ``loss`` raises.

    Args:
        segments (int): Equal parts of the time that are pooled separately. Defaults to 1.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
    """

    def __init__(self, segments: int = 1, init_cfg=None) -> None:
        super().__init__(init_cfg)
        self.segments = segments

    def forward(self, feature_map: Tensor) -> Tensor:
        """Pool a map of shape (N, M, D, T, V) to (N, D * segments)."""
        return pool_features(feature_map, self.segments)

    def predict(self, feature_map: Tensor, data_samples: SampleList, **kwargs) -> SampleList:
        """Set ``feat`` on each sample; several clips of one sequence are averaged."""
        features = self(feature_map).float()
        features = features.reshape(len(data_samples), -1, features.shape[1]).mean(dim=1)
        for sample, feature in zip(data_samples, features):
            sample.set_field(feature, 'feat')
        return data_samples

    def loss(self, feature_map: Tensor, data_samples: List, **kwargs) -> Dict:
        """Raise ``TypeError``: there is nothing to train."""
        raise TypeError(
            'PoolHead has nothing to train; use it with tools/test.py, or set '
            "cls_head=dict(type='GCNHead', ...) to train a classifier"
        )
