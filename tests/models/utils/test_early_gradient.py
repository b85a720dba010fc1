"""Gradients taken early are the gradients, whatever is done with the loss."""

import pytest
import torch

from deeprank_plugin.models.utils import early_gradient


def make():
    torch.manual_seed(0)
    return [torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def loss(parameters):
    return (parameters[0] * parameters[1].exp()).sum().pow(2)


@pytest.mark.parametrize('factor', [1.0, -3.0, 0.0, 1e-20, 2.0**40, float('inf')])
@pytest.mark.parametrize('scale', [None, lambda loss: loss * 2.0**16])
def test_any_factor(factor, scale):
    parameters = make()
    expected = torch.autograd.grad(loss(parameters) * factor, parameters)
    early = early_gradient(lambda: loss(parameters), parameters, scale)
    assert early.item() == loss(parameters).item()
    for ours, truth in zip(torch.autograd.grad(early * factor, parameters), expected):
        torch.testing.assert_close(ours, truth, rtol=1e-14, atol=0)


def test_the_graph_is_freed_and_parameters_without_gradient_are_left():
    parameters, kept = make(), []
    parameters.append(torch.ones(3, requires_grad=False))

    def run():
        hidden = parameters[0] * 2
        hidden.register_hook(lambda gradient: kept.append(gradient))
        return (hidden * parameters[1] * parameters[2]).sum()

    result = early_gradient(run, parameters)
    assert len(kept) == 1  # the backward pass of this part is over
    result.backward()
    assert len(kept) == 1
    assert torch.equal(parameters[0].grad, 2 * parameters[1])
    assert parameters[2].grad is None


def run_scaled(early, steps=12, accumulate=1, **scaler_options):
    """Gradients, scales and skipped steps of two parts trained in float16 with GradScaler."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 4) for _ in range(2)]
    parameters = [p for layer in layers for p in layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.001)
    scaler = torch.amp.GradScaler('cpu', **scaler_options)
    inputs, found = torch.randn(2, 8, 4), []
    inputs[1] *= 10  # the second part alone overflows
    for _ in range(steps):
        optimizer.zero_grad()
        for share in range(accumulate):
            with torch.autocast('cpu', torch.float16):
                losses = []
                for layer, batch in zip(layers, inputs + 0.1 * share):

                    def compute(layer=layer, batch=batch):
                        return layer(layer(batch)).float().pow(2).mean()

                    def scale(loss):
                        return scaler.scale(loss / accumulate)

                    own = list(layer.parameters())
                    losses.append(early_gradient(compute, own, scale) if early else compute())
            scaler.scale(sum(losses) / accumulate).backward()
        finite = [bool(p.grad.isfinite().all()) for p in parameters]
        gradients = [p.grad.clone() for p in parameters]
        scaler.step(optimizer)
        scaler.update()
        found.append((finite, scaler.get_scale(), gradients))
    return found


SCALERS = {
    'first scale': dict(),
    'another': dict(init_scale=128.0),
    'too large': dict(init_scale=2.0**30, steps=24),
    'grows': dict(init_scale=4096.0, growth_interval=1),
    'accumulated': dict(accumulate=3),
    'disabled': dict(enabled=False, steps=2),
}


@pytest.mark.parametrize('name', SCALERS)
def test_grad_scaler_sees_the_same_gradients(name):
    plain, early = (run_scaled(early, **SCALERS[name]) for early in (False, True))
    for (finite, scale, gradients), (ours, our_scale, found) in zip(plain, early):
        assert ours == finite and our_scale == scale
        for truth, gradient in zip(gradients, found):
            torch.testing.assert_close(gradient, truth, rtol=0, atol=0, equal_nan=True)
    skipped = sum(not all(finite) for finite, _, _ in plain)
    assert all(plain[-1][0]) or name == 'grows'
    assert bool(skipped) == (name not in ('another', 'disabled'))
    if name == 'first scale':
        assert plain[0][0] == [True, True, False, False]  # one part alone
    if name == 'grows':  # until it overflows, again and again
        scales = [scale for _, scale, _ in plain]
        assert skipped > 1 and any(late > early for early, late in zip(scales, scales[1:]))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_a_backward_pass_is_not_in_autocast(dtype):
    """Its products are in the type of the forward pass: here float32, and a sum in half."""
    weight = torch.randn(16, 16, requires_grad=True)
    inputs = torch.randn(4, 16)

    def run():
        half = inputs @ weight
        with torch.autocast('cpu', enabled=False):
            return (half.float() @ weight).pow(2).sum()

    with torch.autocast('cpu', dtype):
        plain, early = run(), early_gradient(run, [weight])
    expected, found = (torch.autograd.grad(loss, weight)[0] for loss in (plain, early))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_without_gradients_nothing_is_recorded():
    parameters = make()
    with torch.no_grad():
        assert not early_gradient(lambda: loss(parameters), parameters).requires_grad
