"""The larger ranking classifiers of Table II, which look at each triplet as a whole."""

import math
from typing import Tuple

import torch
from torch import Tensor, nn

from ..utils import to_device


class MLPClassifier(nn.Module):
    """Two 2-layer MLPs with ReLU: one for [anchor; candidate], one for the two results ('MLP').

    The first layer of each takes a concatenation, so its halves are applied separately: once per
    sample and once per pair instead of once per triplet, with the same result.

    Args:
        in_channels (int): Number of feature channels D.
        hidden_channels (int): Outputs of every layer but the last.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.pair = nn.Sequential(
            nn.Linear(2 * in_channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, hidden_channels),
        )
        self.triplet = nn.Sequential(
            nn.Linear(2 * hidden_channels, hidden_channels),
            nn.ReLU(),
            nn.Linear(hidden_channels, 2),
        )

    def prepare(self, feats: Tensor) -> Tuple[Tensor, ...]:
        """What all triplets of features (B, D) share: two tensors (B, B, hidden)."""
        weight, bias = self.pair.get_parameter('0.weight'), self.pair.get_parameter('0.bias')
        of_anchor, of_candidate = weight.chunk(2, dim=1)
        anchors = feats @ of_anchor.T + bias
        pairs = self.pair[2](self.pair[1](anchors.unsqueeze(1) + feats @ of_candidate.T))
        weight, bias = self.triplet.get_parameter('0.weight'), self.triplet.get_parameter('0.bias')
        of_first, of_second = weight.chunk(2, dim=1)
        return pairs @ of_first.T + bias, pairs @ of_second.T

    def forward(self, first: Tensor, second: Tensor, triplets: Tensor) -> Tensor:
        """Logits (K, 2) of triplets (3, K), from the output of :meth:`prepare`."""
        anchor, one, two = triplets
        return self.triplet[2](self.triplet[1](first[anchor, one] + second[anchor, two]))


class ViTClassifier(nn.Module):
    """A small transformer on the tokens anchor, first and second candidate ('ViT').

    Linear embedding, sine-cosine positions, two pre-norm blocks of width 256 with two heads and 128
    hidden units, the mean of the tokens, and a linear layer (Table II). Pre-norm
    order, the norm after the last block, GELU and no dropout follow ViT and MAE, which the paper
    cites; without that last norm the loss diverges at a learning rate of 0.1.

    Args:
        in_channels (int): Number of feature channels D.
        hidden_channels (int): Width of the tokens; even. Table II: 256.
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_channels, hidden_channels)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                hidden_channels,
                nhead=2,
                dim_feedforward=128,
                dropout=0.0,
                activation='gelu',
                batch_first=True,
                norm_first=True,
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(hidden_channels)
        self.fc = nn.Linear(hidden_channels, 2)

    def prepare(self, feats: Tensor) -> Tuple[Tensor, ...]:
        """Embedded features (B, hidden), without positions."""
        return (self.embed(feats),)

    def forward(self, tokens: Tensor, triplets: Tensor) -> Tensor:
        """Logits (K, 2) of triplets (3, K), from the output of :meth:`prepare`."""
        positions = sincos_positions(3, tokens.shape[1]).to(tokens.dtype)
        hidden = tokens[triplets.T] + to_device(positions, tokens.device)  # (K, 3, hidden)
        for block in self.blocks:
            hidden = block(hidden)
        return self.fc(self.norm(hidden).mean(dim=1))


def sincos_positions(number: int, channels: int) -> Tensor:
    """Positions of shape (number, channels): sines, then cosines (Vaswani et al., 2017)."""
    half = channels // 2
    rates = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(number).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def unrank_triplets(ranks: Tensor, number: int) -> Tensor:
    """Triplets (3, K) of distinct samples, from their indices (K,) among all P(B, 3)."""
    pairs = (number - 1) * (number - 2)
    anchor, rest = ranks // pairs, ranks % pairs
    first, second = rest // (number - 2), rest % (number - 2)
    first = first + (first >= anchor)
    low, high = torch.minimum(anchor, first), torch.maximum(anchor, first)
    second = second + (second >= low)
    second = second + (second >= high)
    return torch.stack([anchor, first, second])


def stratified_places(draws: Tensor, total: int) -> Tensor:
    """Indices of K of ``total`` triplets: one in each of K equal parts, at fraction ``draws`` (K,).

    With uniform ``draws`` all triplets are equally likely.
    """
    parts = torch.arange(len(draws), device=draws.device)
    return ((parts + draws.double()) * (total / len(draws))).long().clamp(max=total - 1)


CLASSIFIERS = dict(MLP=MLPClassifier, ViT=ViTClassifier)
