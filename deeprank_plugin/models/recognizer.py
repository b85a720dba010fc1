"""MMAction2's recogniser for skeletons, faster where bodies are absent."""

from typing import Dict, Optional, Sequence, Tuple

import torch
from mmaction.models.heads import BaseHead
from mmaction.models.recognizers import RecognizerGCN
from mmaction.registry import MODELS
from mmaction.utils import SampleList
from torch import Tensor, nn

from .utils import encode_bodies, to_device
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

    def loss(self, inputs: Tensor, data_samples: SampleList, **kwargs) -> Dict[str, Tensor]:
        """The head's ``loss_cls`` and ``top<k>_acc``, without waiting for the device.

        MMAction2's heads read scores and labels from it in each step to compute the accuracies.
        They still do for several labels or clips a sample, smoothed labels, or a loss of their own.
        """
        head, labels = self.cls_head, [sample.gt_label for sample in data_samples]
        single = inputs.shape[1] == 1 and all(label.numel() == 1 for label in labels)
        if not single or not has_usual_loss(head) or head.label_smooth_eps:
            return super().loss(inputs, data_samples, **kwargs)
        scores, _ = self.extract_feat(inputs, stage='head')
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        target = to_device(torch.stack(labels).flatten(), scores.device)
        losses = accuracies(scores.detach(), target, head.topk)
        found = head.loss_cls(scores, target)
        return {**losses, **(found if isinstance(found, dict) else dict(loss_cls=found))}

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


def has_usual_loss(head: nn.Module) -> bool:
    """Whether a head takes its loss from MMAction2's ``BaseHead``."""
    names = ('loss', 'loss_by_feat')
    return all(getattr(type(head), name, None) is getattr(BaseHead, name) for name in names)


def accuracies(scores: Tensor, labels: Tensor, topk: Sequence[int]) -> Dict[str, Tensor]:
    """``top<k>_acc``: share of the rows of (B, classes) whose label is among the k best scores."""
    best = scores.topk(min(max(topk, default=0), scores.shape[1]), dim=1).indices
    right = best == labels[:, None]
    return {f'top{k}_acc': right[:, :k].sum().double() / len(labels) for k in topk}
