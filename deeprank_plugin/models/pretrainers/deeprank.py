"""DeepRank: an encoder learns to rank triplets by the distances of its own frozen features."""

from typing import Dict, List, Optional, Sequence, Union

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from torch import Tensor

from deeprank_plugin.evaluation.functional import feature_health, label_disagreement

from ..utils import FeatureBank, gather_features, pairwise_distances, pool_features
from ..utils.distances import check_normalization

NUM_COMPARED = 256  # samples whose P(256, 3) = 16,581,120 labels are compared between rounds


@MODELS.register_module()
class DeepRank(BaseModel):
    """DeepRank (Sec. III): backbone, pooling to (B, D), ranking head and feature bank.

    The labels of a batch are read from the bank: the triplet (a, c1, c2) is of the first class if
    the frozen features of a are nearer to those of c1 than of c2 (Eqs. 2 and 3).
    ``RelabelHook`` fills the bank before training and renews it in rounds.

    Args:
        backbone (dict): Config of a GCN backbone, (N, M, T, V, C) to (N, M, D, T', V').
        head (dict): Config of a :class:`RankHead`.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with one modality.
            Defaults to ``dict(type='SkeletonPreprocessor')``.
        normalize (str, optional): Normalisation of the features before their distance is taken:
            'l2', 'l1', 'minmax' or None (Table I). Defaults to 'l2'.
        gather (bool): Rank the samples of all processes together, so that G processes with B/G
            samples compute what one computes with B. Defaults to True.
        reset_head (bool): Give the head new weights at every renewal of the labels.
            Defaults to False.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If backbone, head and layout do not fit, with what to change.
    """

    def __init__(
        self,
        backbone: Dict,
        head: Dict,
        data_preprocessor: Dict = dict(type='SkeletonPreprocessor'),
        normalize: Optional[str] = 'l2',
        gather: bool = True,
        reset_head: bool = False,
        init_cfg=None,
    ) -> None:
        # built here: the base class asks MMEngine's registry, which needs a default scope
        super().__init__(MODELS.build(data_preprocessor), init_cfg)
        check_normalization(normalize)
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.normalize = normalize
        self.gather = gather
        self.reset_head = reset_head
        self.bank: Optional[FeatureBank] = None
        self._check_fit()

    def _check_fit(self) -> None:
        """See that preprocessor, backbone and head agree, before any data is read."""
        preprocessor = self.data_preprocessor
        if not isinstance(getattr(preprocessor, 'modality', None), str):
            raise ValueError(
                f'{type(preprocessor).__name__} feeds {getattr(preprocessor, "modality", None)!r}; '
                "DeepRank has one encoder: use dict(type='SkeletonPreprocessor', modality='joint')"
            )
        joints = preprocessor.num_joints
        graph = getattr(self.backbone, 'graph', None)
        if graph is not None and graph.num_node != joints:
            raise ValueError(
                f"the backbone's graph has {graph.num_node} joints and the data preprocessor's "
                f'layout {joints}; expected the same: set backbone.graph_cfg.layout and '
                'data_preprocessor.layout to the layout of the data'
            )
        channels, bodies = getattr(self.backbone, 'in_channels', 3), 1
        if getattr(self.backbone, 'data_bn_type', None) == 'MVC':
            bodies = self.backbone.data_bn.num_features // (joints * channels)
        training = self.backbone.training
        with torch.no_grad():
            probe = torch.zeros(1, bodies, 24, joints, channels)
            width = pool_features(self.backbone.eval()(probe)).shape[1]
        self.backbone.train(training)
        if width != self.head.in_channels:
            raise ValueError(
                f'the backbone gives {width} features and the head takes {self.head.in_channels}; '
                f'expected the same: set head.in_channels={width}'
            )

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Features of shape (B, D) of sequences (B, clips, M, T, V, C), averaged over clips."""
        batch, clips = inputs.shape[:2]
        features = pool_features(self.backbone(inputs.flatten(0, 1)))
        return features.view(batch, clips, -1).mean(dim=1)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Optional[List[ActionDataSample]] = None,
        mode: str = 'tensor',
    ) -> Union[Tensor, Dict[str, Tensor], List[ActionDataSample]]:
        """Features, losses or samples with results.

        Args:
            inputs (Tensor): Sequences of shape (B, clips, M, T, V, C).
            data_samples (list, optional): Samples with ``sample_idx`` and ``frame_dir``; not
                needed by 'tensor'.
            mode (str): 'tensor' gives features (B, D); 'loss' the ranking loss and accuracy;
                'predict' sets ``feat`` on each sample and, where all of the batch are in the bank,
                ``rank`` (sums over the triplets that it anchors) for ``RankMetric``.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise RuntimeError(f"mode={mode!r} is not known; expected 'tensor', 'loss' or 'predict'")

    def label_features(self, data_samples: Sequence[ActionDataSample]) -> Tensor:
        """Frozen features (B, D) of these samples, from the bank."""
        if self.bank is None:
            raise RuntimeError(
                'DeepRank has no labels yet: add RelabelHook to the hooks of the config '
                "(default_hooks=dict(relabel=dict(type='RelabelHook', interval=...)))"
            )
        rows, names = identify(data_samples)
        device = next(self.parameters()).device
        return self.bank.read(rows, names).to(device)

    def loss(self, inputs: Tensor, data_samples: List[ActionDataSample]) -> Dict[str, Tensor]:
        """Ranking loss and accuracy over all triplets of the batch (of all processes)."""
        features = self.extract_feat(inputs)
        labels = self.label_features(data_samples)
        if self.gather and get_world_size() > 1:
            features, labels = gather_features(features), gather_features(labels)
        return self.head.loss(features, pairwise_distances(labels, self.normalize))

    def predict(
        self, inputs: Tensor, data_samples: List[ActionDataSample]
    ) -> List[ActionDataSample]:
        """Set ``feat`` and, for samples of the bank, ``rank`` on each sample."""
        features = self.extract_feat(inputs)
        for sample, feature in zip(data_samples, features.float()):
            sample.set_field(feature, 'feat')
        if (
            self.bank is not None
            and len(data_samples) >= 3
            and self.bank.knows(*identify(data_samples))
        ):
            distances = pairwise_distances(self.label_features(data_samples), self.normalize)
            for sample, *sums in zip(data_samples, *self.head.sums(features, distances)):
                sample.set_field(torch.stack([s.detach().double() for s in sums]), 'rank')
        return data_samples

    @torch.no_grad()
    def relabel(
        self, features: Tensor, names: Sequence[str], labels: Optional[Tensor] = None
    ) -> Dict[str, float]:
        """Take new features as the source of the labels.

        Args:
            features (Tensor): Features of shape (N, D) of all samples of the training split, by
                index, from the encoder in eval mode.
            names (Sequence[str]): Their names.
            labels (Tensor, optional): True classes of shape (N,), -1 where unknown. They are used
                for the k-NN that is logged and for nothing else. Defaults to None.

        Returns:
            dict: What to log: share of flipped labels (from the second round on), spread and
            effective rank of the features, k-NN accuracy where classes are known.
        """
        figures = self.health(features, labels)
        bank = FeatureBank(names)
        bank.write(features)
        if self.reset_head and self.bank is not None:
            reset_parameters(self.head)
        self.bank = bank
        return figures

    def health(self, features: Tensor, labels: Optional[Tensor] = None) -> Dict[str, float]:
        """The figures of :meth:`relabel`, with nothing changed."""
        figures = feature_health(features, labels)
        if self.bank is not None and self.bank.features is not None:
            figures['flipped'] = self.flipped(self.bank.features.to(features), features)
        return figures

    def flipped(self, before: Tensor, after: Tensor) -> float:
        """Share of the ranking labels that differ between two sets of features (N, D).

        Measured on all triplets of at most ``NUM_COMPARED`` samples, drawn by a fixed seed.
        """
        generator = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(before), generator=generator)[:NUM_COMPARED].to(before.device)
        return label_disagreement(
            *(pairwise_distances(features[rows], self.normalize) for features in (before, after))
        )


def identify(data_samples: Sequence[ActionDataSample]):
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


def reset_parameters(module: torch.nn.Module) -> None:
    """Give every layer of a module new weights, as when it was made."""
    for layer in module.modules():
        if hasattr(layer, 'reset_parameters'):
            layer.reset_parameters()
