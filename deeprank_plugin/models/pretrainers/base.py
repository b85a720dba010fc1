"""What the pretrainers share: the bank, its labels, and the modes of a call."""

from typing import Dict, List, Optional, Sequence, Tuple

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import broadcast
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..utils import FeatureBank, encode_bodies, gather_features, pool_features
from ..utils.distances import check_normalization

NUM_COMPARED = 256  # samples whose P(256, 3) = 16,581,120 labels are compared between rounds


class Pretrainer(BaseModel):
    """What is trained without labels: the modes of a call.

    A subclass implements ``extract_feat``, ``loss`` and ``predict``.

    Args:
        data_preprocessor (dict): Config of the preprocessor.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
    """

    def __init__(self, data_preprocessor: Dict, init_cfg=None) -> None:
        # built here: the base class asks MMEngine's registry, which needs a default scope
        super().__init__(MODELS.build(data_preprocessor), init_cfg)

    def forward(self, inputs, data_samples: Optional[List] = None, mode: str = 'tensor'):
        """Features, losses or samples with results.

        Args:
            inputs (Tensor or dict): What the data preprocessor gives: sequences of shape
                (B, clips, M, T, V, C), by modality if there are several.
            data_samples (list, optional): Samples with ``sample_idx`` and ``frame_dir``; not
                needed by 'tensor'.
            mode (str): 'tensor' gives features; 'loss' a dict of losses and accuracies; 'predict'
                sets ``feat`` on each sample and, where all of the batch are in the bank, ``rank``
                (sums over the triplets that it anchors) for ``RankMetric``.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise RuntimeError(f"mode={mode!r} is not known; expected 'tensor', 'loss' or 'predict'")


class EncoderPretrainer(Pretrainer):
    """One encoder, ``backbone``, whose features need no labels to be told."""

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Features of shape (B, D) of sequences (B, clips, M, T, V, C), averaged over clips."""
        return encode(self.backbone, inputs)

    def predict(
        self, inputs: Tensor, data_samples: List[ActionDataSample]
    ) -> List[ActionDataSample]:
        """Set ``feat`` (D,) on each sample."""
        for sample, feature in zip(data_samples, self.extract_feat(inputs).float()):
            sample.set_field(feature, 'feat')
        return data_samples


class BasePretrainer(Pretrainer):
    """An encoder (or several) with a bank of frozen features that ``RelabelHook`` renews.

    A subclass also implements ``health`` and names its ``ranking_heads``.

    Args:
        data_preprocessor (dict): Config of the preprocessor.
        normalize (str, optional): Normalisation of the features before their distance is taken.
        gather (bool): Rank the samples of all processes together.
        reset_head (bool): Give the heads new weights at every renewal of the labels.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
    """

    def __init__(
        self,
        data_preprocessor: Dict,
        normalize: Optional[str],
        gather: bool,
        reset_head: bool,
        init_cfg=None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        check_normalization(normalize)
        self.normalize = normalize
        self.gather = gather
        self.reset_head = reset_head
        self.bank: Optional[FeatureBank] = None

    def label_features(self, data_samples: Sequence[ActionDataSample]) -> Tensor:
        """Frozen features (B, ...) of these samples, from the bank."""
        if self.bank is None:
            raise RuntimeError(
                f'{type(self).__name__} has no labels yet: add RelabelHook to the hooks of the '
                "config (default_hooks=dict(relabel=dict(type='RelabelHook', interval=...)))"
            )
        rows, names = identify(data_samples)
        device = next(self.parameters()).device
        return self.bank.read(rows, names).to(device)

    def can_rank(self, data_samples: Sequence[ActionDataSample], least: int = 3) -> bool:
        """Whether these samples have labels, and are enough: 3 make a triplet."""
        return (
            self.bank is not None
            and len(data_samples) >= least
            and self.bank.knows(*identify(data_samples))
        )

    def gather_all(self, features: Tensor) -> Tensor:
        """Features of all processes where the model ranks them together, else as they are."""
        return gather_features(features) if self.gather else features

    @torch.no_grad()
    def relabel(
        self, features: Tensor, names: Sequence[str], labels: Optional[Tensor] = None
    ) -> Dict[str, float]:
        """Take new features as the source of the labels.

        Args:
            features (Tensor): Features of shape (N, ...) of all samples of the training split, by
                index, from the encoder in eval mode.
            names (Sequence[str]): Their names.
            labels (Tensor, optional): True classes of shape (N,), -1 where unknown. They are used
                for the k-NN that is logged and for nothing else. Defaults to None.

        Returns:
            dict: What to log, see ``health``.
        """
        bank = FeatureBank(names)
        bank.write(features)
        figures = self.health(features, labels)
        if self.reset_head and self.bank is not None:
            self.reset_heads()
        self.bank = bank
        return figures

    def reset_heads(self) -> None:
        """Give the heads new weights, the same on all processes."""
        for head in self.ranking_heads():
            reset_parameters(head)
            for tensor in head.state_dict().values():
                broadcast(tensor)


def compared_rows(number: int) -> Tensor:
    """Rows of the samples whose labels are compared, drawn by a fixed seed."""
    return torch.randperm(number, generator=torch.Generator().manual_seed(0))[:NUM_COMPARED]


def encode(backbone: nn.Module, inputs: Tensor) -> Tensor:
    """Features of shape (B, D) of sequences (B, clips, M, T, V, C), averaged over clips."""
    batch, clips = inputs.shape[:2]
    features = pool_features(encode_bodies(backbone, inputs.flatten(0, 1)))
    return features.view(batch, clips, -1).mean(dim=1)


def identify(data_samples: Sequence[ActionDataSample]) -> Tuple[List[int], List[str]]:
    """``sample_idx`` and ``frame_dir`` of each sample, as two lists.

    Raises:
        KeyError: If a sample lacks one of them.
    """
    try:
        return (
            [int(s.metainfo['sample_idx']) for s in data_samples],
            [s.metainfo['frame_dir'] for s in data_samples],
        )
    except KeyError as error:
        raise KeyError(
            f'the samples carry no {error.args[0]!r}; expected both sample_idx and frame_dir: set '
            "dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir')) in the pipeline"
        ) from error


def reset_parameters(module: nn.Module) -> None:
    """Give every layer of a module new weights, as when it was made."""
    for layer in module.modules():
        if hasattr(layer, 'reset_parameters'):
            layer.reset_parameters()


def check_fit(num_joints: int, backbone: nn.Module, heads: Sequence[nn.Module]) -> None:
    """See that preprocessor, backbone and heads agree, before any data is read.

    Raises:
        ValueError: With what to change.
    """
    graph = getattr(backbone, 'graph', None)
    joints = getattr(backbone, 'num_joints', num_joints) if graph is None else graph.num_node
    if joints != num_joints:
        where = 'num_joints' if graph is None else 'graph_cfg.layout'
        raise ValueError(
            f"the backbone's graph has {joints} joints and the data preprocessor's layout "
            f'{num_joints}; expected the same: set backbone.{where} and data_preprocessor.layout '
            'to the layout of the data'
        )
    channels, bodies = getattr(backbone, 'in_channels', 3), 1
    if getattr(backbone, 'data_bn_type', None) == 'MVC':
        bodies = backbone.data_bn.num_features // (joints * channels)
    frames = 24 * getattr(backbone, 'tuple_length', 1)
    training = backbone.training
    with torch.no_grad():
        probe = torch.zeros(1, bodies, frames, joints, channels)
        width = pool_features(backbone.eval()(probe)).shape[1]
    backbone.train(training)
    for head in heads:
        if width != head.in_channels:
            raise ValueError(
                f'the backbone gives {width} features and the head takes {head.in_channels}; '
                f'expected the same: set head.in_channels={width}'
            )
