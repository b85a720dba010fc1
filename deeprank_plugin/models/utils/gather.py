"""Features of all processes, with gradients."""

from typing import List

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


class _GatherFeatures(torch.autograd.Function):
    """All-gather whose backward pass sums each feature's gradients over the processes."""

    @staticmethod
    def forward(ctx, features: Tensor) -> Tensor:
        number = torch.tensor([len(features)], device=features.device)
        numbers: List[int] = torch.cat(all_gather(number)).tolist()
        ctx.rows = slice(sum(numbers[: get_rank()]), sum(numbers[: get_rank() + 1]))
        # collectives need equal shapes: shorter ones are padded, and cut afterwards
        filled = features.new_zeros(max(numbers), *features.shape[1:])
        filled[: len(features)] = features
        parts = all_gather(filled)
        return torch.cat([part[:rows] for part, rows in zip(parts, numbers)])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        all_reduce(gradient)
        return gradient[ctx.rows]


def gather_features(features: Tensor) -> Tensor:
    """Concatenate the features of all processes; with one process, return them unchanged.

    Every process then computes the loss of the whole batch. In the backward pass each feature gets
    the sum of its gradients in all processes, so the average that ``DistributedDataParallel`` takes
    over processes is the gradient of one process with the whole batch.

    Args:
        features (Tensor): Features of shape (B, D); B may differ between processes, as in the last
            batch of an epoch.

    Returns:
        Tensor: Features of shape (sum of all B, D), in the order of the ranks.
    """
    if get_world_size() == 1:
        return features
    return _GatherFeatures.apply(features)
