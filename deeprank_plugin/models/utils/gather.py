"""Features of all processes, with gradients."""

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


class _GatherFeatures(torch.autograd.Function):
    """All-gather whose backward pass sums each feature's gradients over the processes."""

    @staticmethod
    def forward(ctx, features: Tensor, equal: bool) -> Tensor:
        numbers = [len(features)] * get_world_size()
        if not equal:
            number = torch.tensor([len(features)], device=features.device)
            numbers = torch.cat(all_gather(number)).tolist()  # waits for the device
        ctx.rows = slice(sum(numbers[: get_rank()]), sum(numbers[: get_rank() + 1]))
        # collectives need equal shapes: shorter ones are padded, and cut afterwards
        filled = features.new_zeros(max(numbers), *features.shape[1:])
        filled[: len(features)] = features
        parts = all_gather(filled)
        return torch.cat([part[:rows] for part, rows in zip(parts, numbers)])

    @staticmethod
    def backward(ctx, gradient: Tensor):
        gradient = gradient.contiguous()
        all_reduce(gradient)
        return gradient[ctx.rows], None


def gather_features(features: Tensor, equal: bool = False) -> Tensor:
    """Concatenate the features of all processes; with one process, return them unchanged.

    Every process then computes the loss of the whole batch. In the backward pass each feature gets
    the sum of its gradients in all processes, so the average that ``DistributedDataParallel`` takes
    over processes is the gradient of one process with the whole batch.

    Args:
        features (Tensor): Features of shape (B, D); B may differ between processes, as in the last
            batch of an epoch.
        equal (bool): Whether B is known to be the same in all processes. Otherwise they exchange
            it, and wait for the device to do so. Defaults to False.

    Returns:
        Tensor: Features of shape (sum of all B, D), in the order of the ranks.
    """
    if get_world_size() == 1:
        return features
    return _GatherFeatures.apply(features, equal)
