"""The two base classes of the pretrainers: one with an encoder, one that adds a feature bank.

A pretext method subclasses :class:`EncoderPretrainer` and implements ``loss``. One whose labels
come from the encoder's own features, extracted in rounds by ``RelabelHook``, subclasses
:class:`BankPretrainer`.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import broadcast
from mmengine.model import BaseModel, initialize
from torch import Tensor, nn

from ...datasets.collate import SampleBatch
from ..utils import FeatureBank, encode_bodies, gather_features, pool_features
from ..utils.fit import check_fit


class EncoderPretrainer(BaseModel):
    """Trains an encoder, or one per modality, on a pretext task.

    A subclass builds its encoder as ``backbone`` (or names several in ``encoders``), calls
    :meth:`check_encoder` and implements ``loss(inputs, data_samples)``.

    Args:
        data_preprocessor (dict): Config of the preprocessor.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
        segments (int): Equal parts of the time that are pooled separately, see
            :func:`pool_features`. Defaults to 1.

    Raises:
        ValueError: If the preprocessor gives one modality and the model needs several, or
            vice versa.
    """

    several_modalities = False
    """Whether there is an encoder for each of a list of modalities."""

    gather: Optional[bool] = None
    """Whether the loss is over the samples of all processes; None where there is no choice."""

    equal_batches = False
    """Whether all processes train on batches of the same size; ``CheckRunHook`` finds out."""

    def __init__(self, data_preprocessor: Dict, init_cfg=None, segments: int = 1) -> None:
        # built here: the base class uses MMEngine's registry, which needs a default scope
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        self.segments = segments
        modality = getattr(self.data_preprocessor, 'modality', None)
        if isinstance(modality, list if self.several_modalities else str):
            return
        found = f'{type(self.data_preprocessor).__name__} feeds {modality!r}'
        if self.several_modalities:
            raise ValueError(
                f'{found}; {type(self).__name__} has an encoder for each modality: use '
                "dict(type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion']), or "
                'DeepRank for one'
            )
        raise ValueError(
            f'{found}; {type(self).__name__} has one encoder: use '
            "dict(type='SkeletonPreprocessor', modality='joint'), or MVDeepRank for several"
        )

    @property
    def encoders(self) -> Dict[str, nn.Module]:
        """The encoder of each modality."""
        return {self.data_preprocessor.modality: self.backbone}

    def check_encoder(self, in_channels: int, name: str = 'in_channels') -> None:
        """Check that layout, encoder and head match, before any data is read.

        Args:
            in_channels (int): Number of feature channels that the head takes, those of all
                segments together.
            name (str): Its key in the config. Defaults to 'in_channels'.

        Raises:
            ValueError: Says what to change.
        """
        backbone = next(iter(self.encoders.values()))
        check_fit(backbone, self.data_preprocessor, in_channels, name, self.segments)

    def forward(self, inputs, data_samples: Any = None, mode: str = 'tensor'):
        """Compute features, losses or predictions.

        Args:
            inputs (Tensor or dict): Output of the data preprocessor: sequences of shape
                (B, clips, M, T, V, C), in a dict by modality if there are several.
            data_samples (list, optional): Samples with ``sample_idx`` and ``frame_dir``; not
                needed by 'tensor'.
            mode (str): 'tensor' returns features (:meth:`extract_feat`), 'loss' a dict of losses
                and accuracies; 'predict' sets ``feat`` on each sample and, with a bank, the fields
                that the method's metric reads.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise RuntimeError(f"mode={mode!r} is not known; expected 'tensor', 'loss' or 'predict'")

    def gather_all(self, features: Tensor) -> Tensor:
        """Features, or labels, of all processes if ``gather`` is set, else of this one."""
        return gather_features(features, self.equal_batches) if self.gather else features

    def extract_feat(self, inputs: Union[Tensor, Dict[str, Tensor]]) -> Tensor:
        """Features of sequences (B, clips, M, T, V, C), averaged over clips.

        Returns:
            Tensor: Of shape (B, D); (B, S, D) with an encoder for each of S modalities.
        """
        if isinstance(inputs, Tensor):
            return encode(self.backbone, inputs, self.segments)
        features = [encode(e, inputs[name], self.segments) for name, e in self.encoders.items()]
        return torch.stack(features, dim=1)

    def predict(self, inputs, data_samples: List[ActionDataSample]) -> List[ActionDataSample]:
        """Set ``feat`` on each sample: a feature (D,), or a dict of features by modality."""
        self.set_feat(self.extract_feat(inputs), data_samples)
        return data_samples

    def set_feat(self, features: Tensor, data_samples: List[ActionDataSample]) -> None:
        """Store features (B, D) or (B, S, D) as ``feat`` of the samples."""
        for sample, feature in zip(data_samples, features.float()):
            if self.several_modalities:
                feature = dict(zip(self.encoders, feature))
            sample.set_field(feature, 'feat')


class BankPretrainer(EncoderPretrainer):
    """Learns labels derived from a bank of frozen features, which ``RelabelHook`` fills.

    A subclass also implements ``score`` and may override ``prepare_labels``, ``compare``,
    ``label_heads`` and ``relabel``.

    Args:
        data_preprocessor (dict): Config of the preprocessor.
        gather (bool, optional): Compute the loss over the samples of all processes together.
            Defaults to None, for a loss that compares no samples and has nothing to gather.
        reset_head (bool): Give the heads new weights at every relabelling. Defaults to False.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.
        segments (int): As for :class:`EncoderPretrainer`. Defaults to 1.
    """

    min_scored = 1
    """Smallest batch that :meth:`score` accepts."""

    scale_loss: Optional[Callable[[Tensor], Tensor]] = None
    """Multiplies a loss as the run does before its backward pass; set by ``RelabelHook``."""

    def __init__(
        self,
        data_preprocessor: Dict,
        gather: Optional[bool] = None,
        reset_head: bool = False,
        init_cfg=None,
        segments: int = 1,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg, segments)
        self.gather = gather
        self.reset_head = reset_head
        self.bank: Optional[FeatureBank] = None

    def label_heads(self) -> List[nn.Module]:
        """The heads that learn the bank's labels."""
        return [self.head]

    def label_features(self, data_samples: Sequence[ActionDataSample]) -> Tensor:
        """Frozen features of these samples, from the bank: (B, D) or (B, S, D)."""
        if self.bank is None:
            raise RuntimeError(
                f'{type(self).__name__} has no labels yet: add RelabelHook to the hooks of the '
                "config (default_hooks=dict(relabel=dict(type='RelabelHook', interval=...)))"
            )
        rows, names = identify(data_samples)
        # a bank from a checkpoint is on the host
        return self.bank.to(next(self.parameters()).device).read(rows, names)

    def predict(self, inputs, data_samples: List[ActionDataSample]) -> List[ActionDataSample]:
        """Set ``feat`` and, if all samples are in the bank, call :meth:`score`."""
        features = self.extract_feat(inputs)
        self.set_feat(features, data_samples)
        if self.bank is not None and len(data_samples) >= self.min_scored:
            if self.bank.knows(*identify(data_samples)):
                self.score(features, data_samples, inputs)
        return data_samples

    def score(self, features: Tensor, data_samples: List[ActionDataSample], inputs) -> None:
        """Set the field that the method's metric reads, for samples that are in the bank.

        Args:
            features (Tensor): Features of the samples.
            data_samples (list): The samples.
            inputs (Tensor or dict): What the features are of.
        """
        raise NotImplementedError

    def prepare_labels(self, features: Tensor) -> Tensor:
        """What the bank keeps of new features (N, ...); by default the features as they are."""
        return features

    def compare(self, features: Tensor) -> Dict[str, float]:
        """Measure what relabelling with these features would change, without relabelling.

        Args:
            features (Tensor): Features of shape (N, ...) of all samples of the training split.

        Returns:
            dict: Metrics to log; none by default.
        """
        return {}

    @torch.no_grad()
    def relabel(self, features: Tensor, names: Sequence[str]) -> Dict[str, float]:
        """Fill the bank with new features, from which the labels then derive.

        Args:
            features (Tensor): Features of shape (N, ...) of all samples of the training split, by
                index, from the encoder in eval mode.
            names (Sequence[str]): Names of the samples.

        Returns:
            dict: Metrics to log, those of :meth:`compare`.
        """
        bank = FeatureBank(names)
        bank.write(self.prepare_labels(features))
        metrics = self.compare(features)
        if self.reset_head and self.bank is not None:
            self.reset_heads()
        self.bank = bank
        return metrics

    def reset_heads(self) -> None:
        """Give the heads new weights, drawn as the first ones were, the same on all processes."""
        for head in self.label_heads():
            # nn.MultiheadAttention has the second, which follows that of its layers
            for reset in ('reset_parameters', '_reset_parameters'):
                for layer in head.modules():
                    getattr(layer, reset, lambda: None)()
            for layer in head.modules():
                if getattr(layer, 'init_cfg', None):
                    initialize(layer, layer.init_cfg)  # type: ignore[arg-type]
            for tensor in head.state_dict().values():
                broadcast(tensor)


def encode(backbone: nn.Module, inputs: Tensor, segments: int = 1) -> Tensor:
    """Features f = E(X) of all samples: anchors (Eq. 4), candidates (Eq. 5), triplets (Eq. 6).

    Args:
        backbone (nn.Module): The encoder E.
        inputs (Tensor): Sequences X of shape (B, clips, M, T, V, C).
        segments (int): See :func:`pool_features`. Defaults to 1.

    Returns:
        Tensor: Features of shape (B, D), averaged over positions, bodies and clips.
    """
    batch, clips = inputs.shape[:2]
    features = pool_features(encode_bodies(backbone, inputs.flatten(0, 1)), segments)
    return features.view(batch, clips, -1).mean(dim=1)


def identify(data_samples: Sequence[ActionDataSample]) -> Tuple[List[int], List[str]]:
    """``sample_idx`` and ``frame_dir`` of each sample, as two lists.

    Raises:
        KeyError: If a sample lacks one of them.
    """
    try:
        if isinstance(data_samples, SampleBatch):
            columns = data_samples.metainfo
            return [int(row) for row in columns['sample_idx']], columns['frame_dir']
        return (
            [int(s.metainfo['sample_idx']) for s in data_samples],
            [s.metainfo['frame_dir'] for s in data_samples],
        )
    except KeyError as error:
        raise KeyError(
            f'the samples carry no {error.args[0]!r}; expected both sample_idx and frame_dir: set '
            "dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir')) in the pipeline"
        ) from error
