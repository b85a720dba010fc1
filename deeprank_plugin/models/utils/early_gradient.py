"""Gradients computed within the forward pass, so that activations are freed part by part."""

from typing import Callable, Dict, Sequence

import torch
from torch import Tensor

from .precision import without_autocast

FIRST_SCALE = 2.0**16  # GradScaler's


class _EarlyGradient(torch.autograd.Function):
    """A loss whose forward pass already computes the gradients of its parameters."""

    @staticmethod
    def forward(ctx, compute_loss: Callable, state: Dict, *parameters: Tensor) -> Tensor:
        with torch.enable_grad():
            loss = compute_loss()
            scale = state.get('scale', first_scale(loss.device))
            # a backward pass runs outside autocast: each product in the type of its forward pass
            with without_autocast(loss.device):
                gradients = torch.autograd.grad(loss * scale, parameters, allow_unused=True)
        if state.get('read', True):  # by the last backward pass: this is a new step's first part
            state.update(finite=[], read=False)
        state['finite'].append(all_finite(gradients, loss))
        ctx.gradients, ctx.scale, ctx.state = gradients, scale, state
        return loss.detach()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        state = ctx.state
        state['read'] = True
        # a power of two changes no digit, so results do not depend on the previous step
        scale = torch.exp2(gradient.detach().abs().clamp(min=1e-30).log2().round())
        # GradScaler skips a step with a part that is not finite, and halves its scale
        scale = torch.where(torch.stack(state['finite']).all(), scale, scale / 2)
        # a gradient that is not finite marks a step that is skipped: it must not persist
        state['scale'] = torch.where(scale.isfinite(), scale, ctx.scale)
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

    Half-precision gradients need the scale of ``GradScaler`` when they are taken, which is known
    only in the backward pass. It begins with ``GradScaler``'s first one, is halved where a gradient
    of this step is not finite, and otherwise is that of the last step; so the same steps are
    skipped as without this function. A scale that grows is followed one step late, and a
    ``GradScaler`` with another first scale from the second step on.

    Args:
        compute_loss (Callable): Computes a scalar loss from ``parameters`` and from nothing else
            that needs a gradient.
        parameters (Sequence[Tensor]): The parameters.
        state (dict): Empty at first, kept between steps, and shared by the parts of a model.

    Returns:
        Tensor: The loss, a scalar.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    if not torch.is_grad_enabled() or not parameters:
        return compute_loss()
    return _EarlyGradient.apply(compute_loss, state, *parameters)


def first_scale(device: torch.device) -> float:
    """The scale before any backward pass: above 1 only where gradients may be in float16."""
    if not torch.amp.is_autocast_available(device.type):
        return 1.0
    half = torch.is_autocast_enabled(device.type)
    half = half and torch.get_autocast_dtype(device.type) == torch.float16
    return FIRST_SCALE if half else 1.0


def all_finite(gradients: Sequence, loss: Tensor) -> Tensor:
    """Whether a loss and all numbers of its gradients (or None) are finite, on its device."""
    found = [gradient for gradient in gradients if gradient is not None]
    norms = torch._foreach_norm([loss.detach(), *found], float('inf'))
    return torch.stack([norm.float() for norm in norms]).isfinite().all()
