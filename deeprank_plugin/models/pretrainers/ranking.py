"""What DeepRank and MV-DeepRank share: label distances, and the views of a sample in a batch."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from mmaction.structures import ActionDataSample
from mmengine.dist import broadcast
from torch import Tensor, nn

from ..utils import MomentumTeacher, pairwise_distances, whiten_features, without_autocast
from ..utils.distances import check_normalization
from .base import BankPretrainer, encode


class RankingPretrainer(BankPretrainer):
    """Ranks the samples of a batch by distances between the bank's features.

    A subclass implements ``loss`` with :meth:`label_batch` and :meth:`encode_views`, ``distances``
    with :meth:`distances_of`, builds encoders and heads, and then calls :meth:`build_teacher`.

    With ``teacher_momentum`` there are no rounds: the label distances of a step are those of a
    :class:`MomentumTeacher`'s features of the plain views, which are the samples' last clips
    (``AddPlainView``, or ``augment.plain`` of the data preprocessor). The teacher is updated before
    each batch, k times a step where the gradients of k batches are accumulated, starts as a copy of
    the encoders when ``RelabelHook`` first fills the bank, and is
    part of the state dict (``teacher.encoders.<modality>``). Later relabellings change no label:
    the bank holds the encoders' own features, from which the metrics of a round are computed,
    ``flipped`` included. A validation ranks by the teacher's features of what it shows.

    Args:
        data_preprocessor (dict): Config of the preprocessor.
        normalize (str, optional): Normalisation of the features before distances are computed:
            'l2', 'l1', 'minmax' or None (Table I). Defaults to 'l2'.
        two_views (bool): Rank two views of each sample (``TwoViews``) as samples of their own: 2B
            in a batch of B. They have the labels of their sample, and distance 0 from each other.
            Defaults to False: the features of several clips are averaged.
        whiten (float): Power from 0 to 1 of a whitening of the features of the whole training split
            at each relabelling, see :func:`whiten_features`. Defaults to 0.0: none.
        keep_first (float): Share of the first round's distances in the label distances of later
            rounds, each scaled to a mean of 1 in the batch. Defaults to 0.0.
        teacher_momentum (float, optional): Momentum of the teacher, from 0 to 1, as MoCo's: the
            share that it keeps of itself. Defaults to None: labels come from the bank.
        **kwargs: As for :class:`BankPretrainer`.

    Raises:
        ValueError: If an argument is out of range, or does not go with a teacher.
    """

    min_scored = 3  # a triplet

    def __init__(
        self,
        data_preprocessor: Dict,
        normalize: Optional[str] = 'l2',
        two_views: bool = False,
        whiten: float = 0.0,
        keep_first: float = 0.0,
        teacher_momentum: Optional[float] = None,
        **kwargs,
    ) -> None:
        super().__init__(data_preprocessor, **kwargs)
        check_normalization(normalize)
        if not (0 <= whiten <= 1 and 0 <= keep_first <= 1):
            raise ValueError(f'whiten={whiten}, keep_first={keep_first}; expected both from 0 to 1')
        self.normalize = normalize
        self.two_views = two_views
        self.whiten = whiten
        self.keep_first = keep_first
        self.teacher_momentum = teacher_momentum
        self.teacher: Optional[MomentumTeacher] = None
        if teacher_momentum is not None and (whiten or keep_first or self.reset_head):
            raise ValueError(
                f'teacher_momentum={teacher_momentum} with whiten={whiten}, keep_first='
                f'{keep_first}, reset_head={self.reset_head}; expected none of these, which change '
                'labels or heads from round to round: a teacher has no rounds'
            )

    def build_teacher(self) -> None:
        """Build the teacher of the encoders, if there is to be one."""
        if self.teacher_momentum is not None:
            self.teacher = MomentumTeacher(self.encoders, self.teacher_momentum)

    def label_batch(
        self, inputs: Any, data_samples: Sequence[ActionDataSample]
    ) -> Tuple[Any, Tensor]:
        """The clips that the encoders see, and the label distances of a training step.

        Args:
            inputs (Tensor or dict): Sequences (B, clips, M, T, V, C), in a dict by modality if
                there are several; with a teacher the last clip is its own.
            data_samples (list): The samples.

        Returns:
            tuple: Sequences for :meth:`encode_views`, and what ``distances`` gives, for the views
            of all processes' samples.
        """
        plain = None
        if self.teacher is not None:
            self.teacher.update(self.encoders)
            inputs, plain = self.split_plain(inputs)
        frozen = self.gather_all(self.frozen_features(plain, data_samples))
        return inputs, self.repeat_for_views(self.distances(frozen))

    def split_plain(self, inputs: Any) -> Tuple[Any, Any]:
        """All clips but the last, and the last, of sequences or of each modality's.

        Raises:
            ValueError: If there is one clip only.
        """
        if isinstance(inputs, dict):
            parts = {name: self.split_plain(sequences) for name, sequences in inputs.items()}
            seen = {name: part[0] for name, part in parts.items()}
            return seen, {name: part[1] for name, part in parts.items()}
        if inputs.shape[1] < 2:
            raise ValueError(
                f'1 clip a sequence; {type(self).__name__}(teacher_momentum='
                f'{self.teacher_momentum}) expects the plain view after those for the encoder: set '
                "dict(type='AddPlainView', transforms=[...], plain=[...]) in the training "
                'pipeline, or data_preprocessor.augment.plain=0.95'
            )
        return inputs[:, :-1], inputs[:, -1:]

    def frozen_features(self, plain: Any, data_samples: Sequence[ActionDataSample]) -> Tensor:
        """Features that give the labels: the bank's, or the teacher's of plain views.

        The teacher computes in float32, also under automatic mixed precision.

        Returns:
            Tensor: Of shape (B, D) or (B, S, D).
        """
        if self.teacher is None or self.bank is None:
            return self.label_features(data_samples)  # without a bank an error that says so
        if isinstance(plain, Tensor):
            plain = {self.data_preprocessor.modality: plain}
        features: List[Tensor] = []
        with torch.no_grad(), without_autocast(next(iter(plain.values())).device):
            for name, encoder in self.teacher.encoders.items():
                features.append(encode(encoder, plain[name], self.segments))
        return torch.stack(features, dim=1)

    @torch.no_grad()
    def relabel(self, features: Tensor, names: Sequence[str]) -> Dict[str, float]:
        """As for :class:`BankPretrainer`; the first time in a run, the teacher becomes a copy."""
        if self.teacher is not None and self.bank is None:
            self.teacher.copy(self.encoders)
        return super().relabel(features, names)

    def encode_views(self, backbone: nn.Module, inputs: Tensor) -> Tensor:
        """Features to rank, of sequences (B, clips, M, T, V, C).

        Returns:
            Tensor: Of shape (B, D), or (2B, D) with two views, those of a sample side by side.

        Raises:
            ValueError: If ``two_views`` is set and there are not two clips.
        """
        if not self.two_views:
            return encode(backbone, inputs, self.segments)
        if inputs.shape[1] != 2:
            plain = '' if self.teacher is None else ' beside the plain view'
            raise ValueError(
                f'{inputs.shape[1]} clips a sequence{plain}; {type(self).__name__}(two_views=True) '
                f"expects two{plain}: set dict(type='TwoViews', transforms=[...]) in the training "
                'pipeline' + (', inside AddPlainView' if plain else '')
            )
        return encode(backbone, inputs.flatten(0, 1).unsqueeze(1), self.segments)

    def repeat_for_views(self, distances: Tensor) -> Tensor:
        """Distances (..., B, B) as they are, or (..., 2B, 2B) of the samples' views."""
        if not self.two_views:
            return distances
        return distances.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)

    def distances_of(self, frozen: Tensor) -> Tensor:
        """Label distances (S, B, B) of the bank's features (B, S, D) in S modalities.

        With ``keep_first`` the bank holds (B, 2S, D): the last round's features, then the first's.
        """
        distances = torch.stack(
            [pairwise_distances(features, self.normalize) for features in frozen.unbind(dim=1)]
        )
        if not self.keep_first:
            return distances
        # the mean without the diagonal of zeros, up to a factor that all have in common
        mean = distances.mean(dim=(1, 2), keepdim=True)
        now, first = (distances / torch.where(mean > 0, mean, 1)).chunk(2)
        return (1 - self.keep_first) * now + self.keep_first * first

    def prepare_labels(self, features: Tensor) -> Tensor:
        """Features (N, D) or (N, S, D) as the bank keeps them: whitened, beside the first ones."""
        streams = features if features.dim() == 3 else features.unsqueeze(1)  # (N, S, D)
        if self.whiten:
            whitened = [whiten_features(stream, self.whiten) for stream in streams.unbind(dim=1)]
            streams = torch.stack(whitened, dim=1)
            broadcast(streams)  # rounding may differ between processes
        if not self.keep_first:
            return streams.view_as(features)
        first = streams
        if self.bank is not None and self.bank.features is not None:
            first = self.bank.features.to(streams)[:, streams.shape[1] :]
        return torch.cat([streams, first], dim=1)
