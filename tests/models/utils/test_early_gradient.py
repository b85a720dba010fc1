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


def test_small_gradients_survive_half_precision():
    """Inside, gradients are scaled by the incoming factor, as GradScaler scales a whole graph."""
    weight, state = torch.tensor(1.0, requires_grad=True), {}

    def run():
        half = weight.half()  # its gradient passes through float16: below 6e-8 it would vanish
        return half.float() * 1e-9

    found = []
    for _ in range(2):
        (gradient,) = torch.autograd.grad(early_gradient(run, [weight], state) * 65536.0, [weight])
        found.append(gradient.item() / 65536.0)
    assert found[0] == 0  # the first step does not know the scale yet
    assert found[1] == pytest.approx(1e-9, rel=1e-2)


def test_without_gradients_nothing_is_recorded():
    parameters = make()
    with torch.no_grad():
        assert not early_gradient(lambda: loss(parameters), parameters, {}).requires_grad
