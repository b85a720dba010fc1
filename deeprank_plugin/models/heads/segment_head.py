"""MMAction2's classifier for skeletons, with the time pooled in several parts."""

from mmaction.models.heads import GCNHead
from mmaction.registry import MODELS
from torch import Tensor

from ..utils import pool_features


@MODELS.register_module()
class SegmentHead(GCNHead):
    """``GCNHead`` on features that are pooled in equal parts of the time.

    With one segment it is ``GCNHead``, with the same arguments and checkpoints.

    Args:
        num_classes (int): Number of classes.
        in_channels (int): Number of feature channels of all segments together: the backbone's
            times ``segments``.
        segments (int): Equal parts of the time that are pooled separately. Defaults to 1.
        **kwargs: As for ``GCNHead``.
    """

    def __init__(self, num_classes: int, in_channels: int, segments: int = 1, **kwargs) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.segments = segments

    def forward(self, x: Tensor, **kwargs) -> Tensor:
        """Scores (N, classes) of a feature map (N, M, D, T, V)."""
        features = pool_features(x, self.segments)
        if self.dropout is not None:
            features = self.dropout(features)
        return self.fc(features)
