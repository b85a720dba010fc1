"""Gradients computed within the forward pass, so that activations are freed part by part."""

from typing import Callable, Dict, Sequence

import torch
from torch import Tensor


class _EarlyGradient(torch.autograd.Function):
    """A loss whose forward pass already computes the gradients of its parameters."""

    @staticmethod
    def forward(ctx, compute_loss: Callable, state: Dict, *parameters: Tensor) -> Tensor:
        with torch.enable_grad():
            loss = compute_loss()
            scale = state.get('scale', 1.0)
            gradients = torch.autograd.grad(loss * scale, parameters, allow_unused=True)
        ctx.gradients, ctx.scale, ctx.state = gradients, scale, state
        return loss.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        # a power of two changes no digit, so results do not depend on the previous step
        scale = torch.exp2(gradient.detach().abs().clamp(min=1e-30).log2().round())
        # a non-finite scale marks a step that is skipped: it must not persist
        ctx.state['scale'] = torch.where(scale.isfinite(), scale, ctx.scale)
        factor = gradient / ctx.scale
        return None, None, *(g if g is None else g * factor for g in ctx.gradients)


def early_gradient(
    compute_loss: Callable[[], Tensor], parameters: Sequence[Tensor], state: Dict
) -> Tensor:
    """The loss of ``compute_loss()``, with its graph already freed.

    Its value and its gradients are those of calling ``compute_loss()``. The activations, which the
    graph would have kept until the backward pass of the whole model, are released here; the
    gradients, as large as the parameters, are kept instead. Hooks of ``DistributedDataParallel``,
    gradient accumulation and loss scaling see an ordinary loss.

    Args:
        compute_loss (Callable): Computes a scalar loss from ``parameters`` and from nothing else
            that needs a gradient.
        parameters (Sequence[Tensor]): The parameters.
        state (dict): Empty at first, and kept between steps. Holds the magnitude of the last
            incoming gradient, which scales half-precision gradients as ``GradScaler`` does.

    Returns:
        Tensor: The loss, a scalar.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if not torch.is_grad_enabled() or not parameters:
        return compute_loss()
    return _EarlyGradient.apply(compute_loss, state, *parameters)
