"""MV-DeepRank: the encoders of several modalities teach each other through three views."""

from typing import Dict, List, Mapping, Optional, Sequence, Union

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import ModuleDict
from torch import Tensor, nn

from ..losses import Agreement
from ..utils import (
    VIEWS,
    compared_rows,
    early_gradient,
    label_disagreement,
    view_distances,
)
from .ranking import RankingPretrainer


@MODELS.register_module()
class MVDeepRank(RankingPretrainer):
    r"""Multi-View DeepRank (Sec. IV): one encoder per modality, one ranking head per view of each.

    A stream's labels come from its own distances in the view 'self', from the summed distances of
    the other modalities in 'other', and from those of all modalities in 'all' (Eqs. 13 to 18, see
    :func:`view_distances`). Each view has its own :class:`RankHead`, with FC0 (Eq. 19) and FC1
    (Eq. 20) as in DeepRank, and the loss is the sum over the views, weighted by λ (Eq. 21). With
    ``views=('self',)`` no stream's labels or gradients depend on another: 3s-DeepRank in one run.
    With a fixed ``interval`` of ``RelabelHook`` nothing couples the streams; where its monitor
    ``rank/loss`` decides, the mean over them ends a round and the run for all.

    Downstream, ``Pretrained`` finds the encoder of a modality by itself.

    Args:
        backbone (dict): Config of a GCN backbone; one is built for each modality.
        head (dict): Config of a :class:`RankHead`; one is built for each modality and view.
        data_preprocessor (dict): Config of a :class:`SkeletonPreprocessor` with a list of
            modalities. Defaults to joint, bone and motion.
        views (Sequence[str] or dict): Views of each stream, 'self', 'other' or 'all', or a dict of
            view to λ. Defaults to all three with λ = 1.
        normalize (str, optional): Normalisation of the features before distances are computed:
            'l2', 'l1', 'minmax' or None (Table I). Defaults to 'l2'.
        gather (bool): Rank the samples of all processes together, so that G processes with B/G
            samples each compute what one process computes with B. Defaults to True.
        reset_head (bool): Reinitialise the heads at every relabelling. Defaults to False.
        one_by_one (bool): Compute each stream's gradients before the next stream runs, so that a
            step holds the activations of one stream only; the result is the same. Defaults to
            True.
        segments (int): Equal parts of the time that are pooled separately; the head's
            ``in_channels`` is D times as many. Defaults to 1.
        two_views (bool): Rank two views of each sample (``TwoViews``), whose distance is 0, as
            samples of their own. Defaults to False.
        whiten (float): Power from 0 to 1 by which the bank's features are whitened, see
            :func:`whiten_features`. Defaults to 0.0.
        keep_first (float): Share of the first round's distances in all later ones. Defaults to
            0.0.
        teacher_momentum (float, optional): Label distances are those of a momentum (EMA) teacher,
            see :class:`RankingPretrainer`. Defaults to None: those of the bank.
        disagree_weight (float): What a triplet counts, from 0 to 1, where the modalities give it
            different labels; where all have the same candidate nearer by their own distances it
            counts 1 (:class:`Agreement`). With the weight w(t) of triplet t and its cross-entropy
            c(t), the loss of each view is sum w(t) c(t) / sum w(t). Defaults to 1.0: all alike.
        init_cfg (dict or list[dict], optional): Initialisation. Defaults to None.

    Raises:
        ValueError: If views, modalities, backbone, head and layout do not match; says what to
            change.
    """

    several_modalities = True

    def __init__(
        self,
        backbone: Dict,
        head: Dict,
        data_preprocessor: Dict = dict(
            type='SkeletonPreprocessor', modality=['joint', 'bone', 'motion']
        ),
        views: Union[Sequence[str], Mapping[str, float]] = VIEWS,
        normalize: Optional[str] = 'l2',
        gather: bool = True,
        reset_head: bool = False,
        one_by_one: bool = True,
        segments: int = 1,
        two_views: bool = False,
        whiten: float = 0.0,
        keep_first: float = 0.0,
        teacher_momentum: Optional[float] = None,
        disagree_weight: float = 1.0,
        init_cfg=None,
    ) -> None:
        super().__init__(
            data_preprocessor,
            normalize,
            two_views,
            whiten,
            keep_first,
            teacher_momentum,
            gather=gather,
            reset_head=reset_head,
            segments=segments,
            init_cfg=init_cfg,
        )
        self.modalities = tuple(self.data_preprocessor.modality)
        self.views = check_views(views, self.modalities)
        self.one_by_one = one_by_one
        self.disagree_weight = check_disagreement(disagree_weight, self.modalities)
        self.streams = ModuleDict(
            {
                modality: ModuleDict(
                    dict(
                        backbone=MODELS.build(backbone),
                        heads=ModuleDict({view: MODELS.build(head) for view in self.views}),
                    )
                )
                for modality in self.modalities
            }
        )
        heads = self.streams[self.modalities[0]]['heads']
        self.check_encoder(next(iter(heads.values())).in_channels, 'head.in_channels')
        self.build_teacher()

    @property
    def encoders(self) -> Dict[str, nn.Module]:
        """The encoder of each modality."""
        return {modality: stream['backbone'] for modality, stream in self.streams.items()}

    def label_heads(self) -> List[nn.Module]:
        """The heads of all streams and views."""
        return [stream['heads'] for stream in self.streams.values()]

    def distances(self, frozen: Tensor) -> Tensor:
        """Distances within each modality, of shape (S, B, B), of the bank's features."""
        return self.distances_of(frozen)

    def agreement(self, distances: Tensor) -> Optional[Agreement]:
        """What triplets count where the modalities disagree; None if all count alike."""
        return None if self.disagree_weight == 1 else Agreement(distances, self.disagree_weight)

    def loss(
        self, inputs: Dict[str, Tensor], data_samples: List[ActionDataSample]
    ) -> Dict[str, Tensor]:
        """Ranking loss of each stream (Eq. 21) and accuracy of each view, over all triplets.

        Returns:
            dict: ``<modality>/loss_rank``, ``<modality>/acc_<view>`` and
            ``<modality>/acc_near_<view>``, scalars.
        """
        inputs, distances = self.label_batch(inputs, data_samples)
        agreement = self.agreement(distances)
        results = {}
        for index, modality in enumerate(self.modalities):

            def stream_loss(index=index, modality=modality) -> Tensor:
                stream = self.streams[modality]
                features = self.gather_all(self.encode_views(stream['backbone'], inputs[modality]))
                total = features.new_zeros(())
                for view, weight in self.views.items():
                    labels = view_distances(distances, index, view)
                    found = stream['heads'][view].loss(features, labels, agreement)
                    results[f'{modality}/acc_{view}'] = found['acc_rank']
                    results[f'{modality}/acc_near_{view}'] = found['acc_near']
                    total = total + weight * found['loss_rank']  # Eq. 21
                return total

            if self.one_by_one:
                parameters = list(self.streams[modality].parameters())
                loss = early_gradient(stream_loss, parameters, self.scale_loss)
            else:
                loss = stream_loss()
            results[f'{modality}/loss_rank'] = loss
        return results

    def score(self, features: Tensor, data_samples: List[ActionDataSample], inputs) -> None:
        """Set ``rank``, a dict of ``<modality>/<view>`` to sums (6,), for ``RankMetric``."""
        distances = self.distances(self.frozen_features(inputs, data_samples))
        agreement = self.agreement(distances)
        found = {}
        for index, modality in enumerate(self.modalities):
            for view, head in self.streams[modality]['heads'].items():
                labels = view_distances(distances, index, view)
                sums = head.sums(features[:, index], labels, agreement)
                parts = [part.detach().double() for part in sums]
                found[f'{modality}/{view}'] = torch.stack(parts, dim=1)  # (B, 6)
        for sample, ranks in zip(data_samples, torch.stack(list(found.values()), dim=1).cpu()):
            sample.set_field(dict(zip(found, ranks)), 'rank')

    @torch.no_grad()
    def compare(self, features: Tensor) -> Dict[str, float]:
        """Compare the labels from new features (N, S, D) between views and with the last round's.

        Returns:
            dict: For each stream ``<modality>/differ_other`` and ``differ_all``, the share of
            labels on which these views disagree with 'self' (Fig. 4); from the second round on
            also ``flipped_<view>``.
        """
        rows = compared_rows(len(features)).to(features.device)
        now = self.distances(self.prepare_labels(features)[rows])
        before: Optional[Tensor] = None
        if self.bank is not None and self.bank.features is not None:
            before = self.distances(self.bank.features.to(features)[rows])
        metrics = {}
        for index, modality in enumerate(self.modalities):
            for view in VIEWS[1:] if len(self.modalities) > 1 else ():
                metrics[f'{modality}/differ_{view}'] = label_disagreement(
                    now[index], view_distances(now, index, view)
                )
            if before is None:
                continue
            for view in self.views:
                metrics[f'{modality}/flipped_{view}'] = label_disagreement(
                    view_distances(before, index, view), view_distances(now, index, view)
                )
        return metrics


def check_views(
    views: Union[Sequence[str], Mapping[str, float]], modalities: Sequence[str]
) -> Dict[str, float]:
    """Views with their weights λ; raises a ``ValueError`` that names the valid ones."""
    weights = dict(views) if isinstance(views, Mapping) else {view: 1.0 for view in views}
    if isinstance(views, str) or not weights or set(weights) - set(VIEWS):
        raise ValueError(
            f'views={views!r} are not known; expected some of {VIEWS}, or a dict of view to weight'
        )
    if not isinstance(views, Mapping) and len(weights) != len(views):
        raise ValueError(f'views={views!r} names a view twice; expected different ones')
    if any(weight <= 0 for weight in weights.values()):
        raise ValueError(f'views={views!r}; expected positive weights: leave unwanted views out')
    if len(modalities) == 1 and set(weights) != {'self'}:
        raise ValueError(
            f'views={views!r} need a second modality, and the data preprocessor gives '
            f"{modalities[0]!r} alone: use views=('self',), or add modalities to it"
        )
    return weights


def check_disagreement(weight: float, modalities: Sequence[str]) -> float:
    """``disagree_weight``; raises a ``ValueError`` if it is out of range or means nothing."""
    if not 0 <= weight <= 1:
        raise ValueError(f'disagree_weight={weight}; expected a number from 0 to 1')
    if weight < 1 and len(modalities) == 1:
        raise ValueError(
            f'disagree_weight={weight} needs a second modality, and the data preprocessor gives '
            f'{modalities[0]!r} alone: leave it out, or add modalities'
        )
    return weight
