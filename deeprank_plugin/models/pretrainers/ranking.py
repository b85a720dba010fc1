"""What DeepRank and MV-DeepRank share: label distances, and the views of a sample in a batch."""

from typing import Dict, Optional

import torch
from mmengine.dist import broadcast
from torch import Tensor, nn

from ..utils import pairwise_distances, whiten_features
from ..utils.distances import check_normalization
from .base import BankPretrainer, encode


class RankingPretrainer(BankPretrainer):
    """Ranks the samples of a batch by distances between the bank's features.

    A subclass implements ``loss`` with :meth:`encode_views` and :meth:`distances_of`, and builds
    encoders and heads.

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
        **kwargs: As for :class:`BankPretrainer`.

    Raises:
        ValueError: If an argument is out of range.
    """

    min_scored = 3  # a triplet

    def __init__(
        self,
        data_preprocessor: Dict,
        normalize: Optional[str] = 'l2',
        two_views: bool = False,
        whiten: float = 0.0,
        keep_first: float = 0.0,
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
            raise ValueError(
                f'{inputs.shape[1]} clips a sequence; {type(self).__name__}(two_views=True) '
                "expects two: set dict(type='TwoViews', transforms=[...]) in the training pipeline"
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
