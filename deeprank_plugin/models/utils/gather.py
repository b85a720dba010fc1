"""Features of all processes, with gradients."""

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


class _GatherFeatures(torch.autograd.Function):
    """All-gather whose backward sums the gradients that the processes hold for each feature."""

    @staticmethod
    def forward(ctx, features: Tensor) -> Tensor:
        ctx.rows = features.shape[0]
        return torch.cat(all_gather(features.contiguous()))

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        all_reduce(gradient)
        start = get_rank() * ctx.rows
        return gradient[start : start + ctx.rows]


def gather_features(features: Tensor) -> Tensor:
    """Concatenate the features of all processes; with one process, return them as they are.

    Every process then computes the loss of the whole batch. In the backward pass each feature gets
    the sum of the gradients of all processes, so that the average that ``DistributedDataParallel``
    takes over the processes is the gradient of one process with the whole batch.

    Args:
        features (Tensor): Features of shape (B, D); B must be alike in all processes.

    Returns:
        Tensor: Features of shape (B * processes, D), in the order of the ranks.
    """
    if get_world_size() == 1:
        return features
    return _GatherFeatures.apply(features)
