"""A pair score that is a distance: how near two samples lie on a learned sphere."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class MetricScore(nn.Module):
    r"""Scores a pair by the squared distance of its projected features ('metric').

    .. math:: s(a, i) = -\kappa \, \lVert z_a - z_i \rVert^2

    with z the L2-normalised output of a 2-layer MLP (D, D, ``channels``) with ReLU, and
    :math:`\kappa = e^k` learned. As ranking labels are comparisons of distances, a score of this
    form can only be right about all of them if the projected features lie as the frozen ones do.

    Args:
        in_channels (int): Number of feature channels D.
        channels (int): Outputs of the projection. Defaults to 64.
        log_scale (float): First value of k. Defaults to 2.0.
    """

    def __init__(self, in_channels: int, channels: int = 64, log_scale: float = 2.0) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.ReLU(), nn.Linear(in_channels, channels)
        )
        self.first_log_scale = log_scale
        self.log_scale = nn.Parameter(torch.tensor(log_scale))

    def reset_parameters(self) -> None:
        """Give k its first value; the layers of the projection reset themselves."""
        nn.init.constant_(self.log_scale, self.first_log_scale)

    def forward(self, feats: Tensor) -> Tensor:
        """Pair scores (B, B) of features (B, D)."""
        unit = normalize(self.projection(feats), dim=1)
        return self.log_scale.exp() * (2 * unit @ unit.T - 2)  # -|z_a - z_i|^2, of unit vectors
