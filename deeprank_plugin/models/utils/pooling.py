"""From a backbone's feature map to one vector per sequence."""

import torch
from torch import Tensor


def pool_features(feature_map: Tensor, segments: int = 1) -> Tensor:
    """Average a feature map over persons, joints and time, as MMAction2's ``GCNHead`` does.

    With several segments each equal part of the time is averaged on its own, so that the vector
    says what happens when. The parts are those of adaptive average pooling: if they do not divide
    T', neighbours share a position.

    Args:
        feature_map (Tensor): Output of a GCN backbone, of shape (N, M, D, T', V').
        segments (int): Number of parts S of the time. Defaults to 1.

    Returns:
        Tensor: Features of shape (N, D * S), the S parts of a channel side by side.

    Raises:
        ValueError: If the map does not have five axes, or fewer than S positions in time.
    """
    if feature_map.dim() != 5:
        raise ValueError(
            f'the backbone returned a feature map of shape {tuple(feature_map.shape)}; expected '
            'five axes (N, M, D, T, V) as from the GCN backbones of MMAction2: use such a backbone'
        )
    if segments == 1:
        return feature_map.mean(dim=(3, 4)).mean(dim=1)
    frames = feature_map.shape[3]
    if not 1 <= segments <= frames:
        raise ValueError(
            f'segments={segments} for a feature map with {frames} positions in time; expected from '
            '1 to as many: set fewer segments, or a longer clip_len of CropResize'
        )
    feature_map = feature_map.mean(dim=4).mean(dim=1)  # (N, D, T')
    parts = [
        feature_map[..., i * frames // segments : -(-(i + 1) * frames // segments)].mean(dim=2)
        for i in range(segments)
    ]
    return torch.stack(parts, dim=2).flatten(1)
