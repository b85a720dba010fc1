"""Gradients taken early are the gradients, whatever is done with the loss."""

import pytest
import torch

from deeprank_plugin.models.utils import early_gradient


def make():
    torch.manual_seed(0)
    return [torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2)]


def loss(parameters):
    return (parameters[0] * parameters[1].exp()).sum().pow(2)


@pytest.mark.parametrize('factor', [1.0, -3.0, 0.0, 1e-20, 2.0**40])
def test_any_factor_in_any_step(factor):
    parameters, state = make(), {}
    expected = torch.autograd.grad(loss(parameters) * factor, parameters)
    for before in (1.0, factor):  # the second step knows the scale of the first
        early = early_gradient(lambda: loss(parameters), parameters, state)
        assert early.item() == loss(parameters).item()
        found = torch.autograd.grad(early * (factor if before == factor else before), parameters)
    for ours, truth in zip(found, expected):
        torch.testing.assert_close(ours, truth, rtol=1e-14, atol=0)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_step_that_is_not_finite_does_not_last(bad):
    parameters, state = make(), {}
    expected = torch.autograd.grad(loss(parameters) * 2, parameters)
    for factor in (bad, 2.0):
        early = early_gradient(lambda: loss(parameters), parameters, state)
        found = torch.autograd.grad(early * factor, parameters)
    for ours, truth in zip(found, expected):
        torch.testing.assert_close(ours, truth, rtol=1e-14, atol=0)


def test_the_graph_is_freed_and_parameters_without_gradient_are_left():
    parameters, kept = make(), []
    parameters.append(torch.ones(3, requires_grad=False))

    def run():
        hidden = parameters[0] * 2
        hidden.register_hook(lambda gradient: kept.append(gradient))
        return (hidden * parameters[1] * parameters[2]).sum()

    result = early_gradient(run, parameters, {})
    assert len(kept) == 1  # the backward pass of this part is over
    result.backward()
    assert len(kept) == 1
    assert torch.equal(parameters[0].grad, 2 * parameters[1])
    assert parameters[2].grad is None


def run_scaled(early, steps=12, **scaler_options):
    """Weights, scales and skipped steps of two parts trained in float16 with GradScaler."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 4) for _ in range(2)]
    parameters = [p for layer in layers for p in layer.parameters()]
    optimizer, state = torch.optim.SGD(parameters, lr=0.001), {}
    scaler = torch.amp.GradScaler('cpu', **scaler_options)
    inputs, found = torch.randn(2, 8, 4), []
    inputs[1] *= 10  # the second part alone overflows
    for _ in range(steps):
        with torch.autocast('cpu', torch.float16):
            losses = []
            for layer, batch in zip(layers, inputs):

                def compute(layer=layer, batch=batch):
                    return layer(layer(batch)).float().pow(2).mean()

                own = list(layer.parameters())
                losses.append(early_gradient(compute, own, state) if early else compute())
        optimizer.zero_grad()
        scaler.scale(sum(losses)).backward()
        skipped = not all(p.grad.isfinite().all() for p in parameters)
        gradients = [p.grad.clone() for p in parameters]
        scaler.step(optimizer)
        scaler.update()
        found.append((skipped, scaler.get_scale(), gradients))
    return found


def test_grad_scaler_skips_the_same_steps():
    plain, early = run_scaled(early=False), run_scaled(early=True)
    for (skipped, scale, gradients), (ours, our_scale, found) in zip(plain, early):
        assert ours == skipped and our_scale == scale
        if not skipped:
            assert all(map(torch.equal, found, gradients))
    skips = [skipped for skipped, _, _ in plain]
    assert 2 <= sum(skips) <= 8 and not any(skips[-3:])


def test_a_grad_scaler_with_another_first_scale_is_followed_from_the_second_step():
    plain, early = (run_scaled(early, init_scale=128.0) for early in (False, True))
    assert not any(skipped for skipped, _, _ in plain)
    assert not any(skipped for skipped, _, _ in early[1:])


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
        unscaled = dict(scale=torch.tensor(1.0))  # a larger one may overflow in float16
        plain, early = run(), early_gradient(run, [weight], unscaled)
    expected, found = (torch.autograd.grad(loss, weight)[0] for loss in (plain, early))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_without_gradients_nothing_is_recorded():
    parameters = make()
    with torch.no_grad():
        assert not early_gradient(lambda: loss(parameters), parameters, {}).requires_grad
