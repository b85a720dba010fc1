"""MMAction2's recogniser for skeletons, faster where bodies are absent."""

from typing import Dict, Optional, Tuple

from mmaction.models.recognizers import RecognizerGCN
from mmaction.registry import MODELS
from mmaction.utils import SampleList
from torch import Tensor

from .utils import encode_bodies
from .utils.fit import check_fit, tell_initializers


@MODELS.register_module()
class SkeletonRecognizer(RecognizerGCN):
    """``RecognizerGCN`` whose backbone encodes absent bodies once per batch in eval mode.

    Arguments and checkpoints are those of ``RecognizerGCN``, and so are the predictions, up to
    rounding. A ``backbone.init_cfg`` of type 'Pretrained' loads the encoder of the data
    preprocessor's modality, and rejects one of another layout.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        data_preprocessor (dict, optional): Config of a :class:`SkeletonPreprocessor`.
            Defaults to None.
        *args, **kwargs: As for ``RecognizerGCN``.

    Raises:
        ValueError: If backbone, head and layout do not match; says what to change.
    """

    def __init__(
        self, backbone: Dict, *args, data_preprocessor: Optional[Dict] = None, **kwargs
    ) -> None:
        super().__init__(backbone, *args, data_preprocessor=data_preprocessor, **kwargs)
        tell_initializers(self)
        head = getattr(self, 'cls_head', None)
        in_channels = getattr(head, 'in_channels', None)
        check_fit(
            self.backbone,
            self.data_preprocessor,
            in_channels,
            'cls_head.in_channels',
            getattr(head, 'segments', 1),
        )

    def predict(self, inputs: Tensor, data_samples: SampleList, **kwargs) -> SampleList:
        """Set ``pred_score`` and ``pred_label``, on the host, in one copy from the device."""
        if not hasattr(self.cls_head, 'predict_by_feat'):  # such as PoolHead
            return super().predict(inputs, data_samples, **kwargs)
        scores, _ = self.extract_feat(inputs, stage='head')
        return self.cls_head.predict_by_feat(scores.cpu(), data_samples)

    def extract_feat(
        self, inputs: Tensor, stage: str = 'backbone', **kwargs
    ) -> Tuple[Tensor, Dict]:
        """Feature map, or with ``stage='head'`` scores, of (B, clips, M, T, V, C)."""
        x = encode_bodies(self.backbone, inputs.flatten(0, 1))
        if stage == 'head' and self.with_cls_head:
            x = self.cls_head(x)
        return x, {}
