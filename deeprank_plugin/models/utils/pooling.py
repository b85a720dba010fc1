"""From a backbone's feature map to one vector per sequence."""

from torch import Tensor


def pool_features(feature_map: Tensor) -> Tensor:
    """Average a feature map over persons, time and joints, as MMAction2's ``GCNHead`` does.

    Args:
        feature_map (Tensor): Output of a GCN backbone, of shape (N, M, D, T, V).

    Returns:
        Tensor: Features of shape (N, D).

    Raises:
        ValueError: If the map does not have five axes.
    """
    if feature_map.dim() != 5:
        raise ValueError(
            f'the backbone returned a feature map of shape {tuple(feature_map.shape)}; expected '
            'five axes (N, M, D, T, V) as from the GCN backbones of MMAction2: use such a backbone'
        )
    return feature_map.mean(dim=(3, 4)).mean(dim=1)
