"""Contrastive pretraining of skeletons with a momentum encoder and a queue (MoCo v2)."""

import copy
from typing import Dict, List, Tuple

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import all_gather, broadcast
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from .base import EncoderPretrainer, encode


@MODELS.register_module()
class SkeletonMoCo(EncoderPretrainer):
    """MoCo v2 on skeletons, as SkeletonCLR uses it, for comparison.

    One augmentation of each sequence (``TwoViews``) goes through the encoder, the other through a
    momentum copy of it. The first must identify the second among a queue of earlier keys (InfoNCE).
    Sources: Chen et al., arXiv:2003.04297; Li et al., CVPR 2021 (SkeletonCLR), whose defaults are
    used: 128 dimensions, temperature 0.07, momentum 0.999 and a queue of 32,768. As in SkeletonCLR,
    BatchNorm is not shuffled across processes. The configs set the augmentations: crop and resize,
    and a shear.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        in_channels (int): Its number of feature channels D, times ``segments``.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        dim (int): Output size of the projection, a 2-layer MLP. Defaults to 128.
        queue_size (int): Keys that are kept as negatives. Defaults to 32768.
        momentum (float): Momentum of the key encoder, which is updated before each batch, k times a
            step where the gradients of k batches are accumulated. Defaults to 0.999.
        temperature (float): Temperature of the softmax. Defaults to 0.07.
        segments (int): Equal parts of the time that are pooled separately. Defaults to 1.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If an argument is out of range, or backbone and layout do not match.
    """

    def __init__(
        self,
        backbone: Dict,
        in_channels: int,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        dim: int = 128,
        queue_size: int = 32768,
        momentum: float = 0.999,
        temperature: float = 0.07,
        segments: int = 1,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg, segments)
        if queue_size < 1 or not 0 <= momentum <= 1 or temperature <= 0:
            raise ValueError(
                f'queue_size={queue_size}, momentum={momentum}, temperature={temperature}; '
                'expected at least 1, from 0 to 1, and above 0'
            )
        self.backbone = MODELS.build(backbone)
        self.in_channels = in_channels
        self.check_encoder(in_channels)
        self.projection = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(), nn.Linear(in_channels, dim)
        )
        self.momentum = momentum
        self.temperature = temperature
        self.key_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.key_projection = copy.deepcopy(self.projection).requires_grad_(False)
        # parameters, not buffers: MMAction2's runtime averages buffers over processes
        queue = normalize(torch.randn(queue_size, dim), dim=1)
        self.queue = nn.Parameter(queue, requires_grad=False)
        self.place = nn.Parameter(torch.zeros(1, dtype=torch.double), requires_grad=False)
        self.started = nn.Parameter(torch.zeros(1), requires_grad=False)
        self._copied = False  # whether this run has looked at `started`

    def parameter_pairs(self) -> List[Tuple[Tensor, Tensor]]:
        """Parameters of encoder and projection, each with its momentum counterpart."""
        own = [*self.backbone.parameters(), *self.projection.parameters()]
        return list(zip(own, [*self.key_backbone.parameters(), *self.key_projection.parameters()]))

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        self._copied = False  # `started` may have been loaded
        super()._load_from_state_dict(*args, **kwargs)

    def copy_once(self) -> bool:
        """Make the momentum copy exact before the first step of a run that is not resumed.

        The encoder's weights may have been loaded since the copy was built. ``started`` is read
        from the device once in a run.

        Returns:
            bool: Whether this is the first step.
        """
        if self._copied:
            return False
        self._copied = True
        if self.started:
            return False
        self.key_backbone.load_state_dict(self.backbone.state_dict())
        self.key_projection.load_state_dict(self.projection.state_dict())
        broadcast(self.queue)
        self.started.fill_(1)
        return True

    @torch.no_grad()
    def update_keys(self) -> None:
        """Update the momentum copy; the first step makes it an exact copy."""
        if self.copy_once():
            return
        own, keys = map(list, zip(*self.parameter_pairs()))
        torch._foreach_mul_(keys, self.momentum)
        torch._foreach_add_(keys, own, alpha=1 - self.momentum)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by new ones (B, dim), gathered from all processes in order."""
        keys = torch.cat(all_gather(keys))[-len(self.queue) :]
        rows = (self.place.long() + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[rows] = keys.to(self.queue)
        self.place.copy_((self.place + len(keys)) % len(self.queue))

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """InfoNCE of sequences (B, 2, M, T, V, C).

        Returns:
            dict: ``loss_contrast`` and ``acc_contrast``, the share of keys identified.

        Raises:
            ValueError: If a sequence does not have two views.
        """
        if inputs.shape[1] != 2:
            raise ValueError(
                f'{inputs.shape[1]} clips a sequence; SkeletonMoCo expects two views: set '
                "dict(type='TwoViews', transforms=[...]) in the training pipeline"
            )
        queries = self.projection(encode(self.backbone, inputs[:, :1], self.segments))
        queries = normalize(queries.float(), dim=1)
        with torch.no_grad():
            self.update_keys()
            keys = self.key_projection(encode(self.key_backbone, inputs[:, 1:], self.segments))
            keys = normalize(keys.float(), dim=1)
        positive = (queries * keys).sum(dim=1, keepdim=True)
        negative = queries @ self.queue.clone().to(queries).T  # it changes before backward
        logits = torch.cat([positive, negative], dim=1) / self.temperature
        target = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        self.enqueue(keys)
        found = (logits.argmax(dim=1) == 0).float().mean()
        return dict(loss_contrast=cross_entropy(logits, target), acc_contrast=found)
