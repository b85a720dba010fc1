"""Gradients computed within the forward pass, so that activations are freed part by part."""

from typing import Callable, Optional, Sequence

import torch
from torch import Tensor

from .precision import without_autocast

Scale = Callable[[Tensor], Tensor]


class _EarlyGradient(torch.autograd.Function):
    """A loss whose forward pass already computes the gradients of its parameters."""

    @staticmethod
    def forward(ctx, compute_loss: Callable, scale: Optional[Scale], *parameters: Tensor) -> Tensor:
        with torch.enable_grad():
            loss = compute_loss()
            scaled = loss if scale is None else scale(loss)
            # a backward pass runs outside autocast: each product in the type of its forward pass
            with without_autocast(loss.device):
                ctx.gradients = torch.autograd.grad(scaled, parameters, allow_unused=True)
        ctx.scale = None if scale is None else scale(torch.ones_like(loss))
        return loss.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        factor = gradient if ctx.scale is None else gradient / ctx.scale
        return None, None, *(g if g is None else g * factor for g in ctx.gradients)


def early_gradient(
    compute_loss: Callable[[], Tensor], parameters: Sequence[Tensor], scale: Optional[Scale] = None
) -> Tensor:
    """The loss of ``compute_loss()``, with its graph already freed.

    Its value and its gradients are those of calling ``compute_loss()``. The activations, which the
    graph would have kept until the backward pass of the whole model, are released here; the
    gradients, as large as the parameters, are kept instead. Hooks of ``DistributedDataParallel``,
    gradient accumulation and loss scaling see an ordinary loss.

    Half-precision gradients underflow or overflow according to what the loss is multiplied by
    before its backward pass. With the run's own ``scale`` they are bit for bit those of
    ``compute_loss()``, so ``GradScaler`` skips the same steps.

    Args:
        compute_loss (Callable): Computes a scalar loss from ``parameters`` and from nothing else
            that needs a gradient.
        parameters (Sequence[Tensor]): The parameters.
        scale (Callable, optional): Multiplies a loss as this step will do before its backward pass,
            such as ``GradScaler.scale``. Defaults to None: by 1.

    Returns:
        Tensor: The loss, a scalar.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if not torch.is_grad_enabled() or not parameters:
        return compute_loss()
    return _EarlyGradient.apply(compute_loss, scale, *parameters)
