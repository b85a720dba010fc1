"""Convolutions in the frequencies of tiles, against sums written out and PyTorch's own."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from deeprank_plugin.models import STTFormer
from deeprank_plugin.models.backbones import fourier_conv
from deeprank_plugin.models.backbones.fourier_conv import (
    attend_and_convolve,
    bilinear_convolution,
    convolve_tuples,
    stands_for,
    tile_matrices,
)

close = partial(torch.testing.assert_close, rtol=1e-11, atol=1e-11)


def normal(*shape, dtype=torch.float64, grad=False):
    return torch.randn(*shape, dtype=dtype, requires_grad=grad)


def attend_plainly(x, attention, weight, bias):
    """Every head's product with the input, heads before channels, then PyTorch's convolution."""
    mixed = torch.einsum('nctu,nhuv->nhctv', x, attention).flatten(1, 2)
    return F.conv2d(mixed, weight, bias, padding=(0, weight.shape[3] // 2))


def convolve_plainly(x, weight, bias):
    return F.conv2d(x, weight, bias, padding=(weight.shape[2] // 2, 0))


def inputs_of_attention(bodies, channels, tuples, joints, heads=2, out=4, taps=5, grad=False):
    return (
        normal(bodies, channels, tuples, joints, grad=grad),
        normal(bodies, heads, joints, joints, grad=grad),
        normal(out, heads * channels, 1, taps, grad=grad),
        normal(out, grad=grad),
    )


def inputs_of_tuples(bodies, channels, tuples, joints, out=4, taps=3, grad=False):
    return (
        normal(bodies, channels, tuples, joints, grad=grad),
        normal(out, channels, taps, 1, grad=grad),
        normal(out, grad=grad),
    )


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def any_width(monkeypatch):
    monkeypatch.setattr(fourier_conv, 'MIN_CHANNELS', 1)


@pytest.mark.parametrize('taps', [1, 2, 3, 5, 7])
@pytest.mark.parametrize('outputs', [1, 2, 5, 30, 31])
def test_matrices_give_a_correlation_in_fewer_products(outputs, taps):
    a, g, b = bilinear_convolution(outputs, taps)
    weight, x = normal(taps), normal(outputs + taps - 1)
    expected = [sum(float(weight[k] * x[i + k]) for k in range(taps)) for i in range(outputs)]
    close(a @ ((g @ weight) * (b @ x)), torch.tensor(expected, dtype=torch.float64))
    length = outputs + taps - 1
    complex_ones = (length - 1) // 2
    assert len(b) == length + complex_ones  # 1 or 2 real frequencies, 3 products for the others


@pytest.mark.parametrize('length', [1, 2, 14, 44, 45, 132, 150])
def test_tiles_cover_the_row(length):
    a, g, b = tile_matrices(length, 5, torch.float64)
    tiles, outputs = len(b), len(a)
    assert tiles * outputs >= length > (tiles - 1) * outputs
    weight, x = normal(5), normal(length)
    y = (a @ ((g @ weight) * (b @ x))[..., None]).flatten()[:length]
    close(y, F.conv1d(x[None, None], weight[None, None], padding=2)[0, 0])


SHAPES = [(1, 1, 1, 1), (2, 3, 4, 5), (3, 2, 1, 37), (1, 4, 7, 132), (2, 3, 47, 2)]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('taps', [3, 5])
@pytest.mark.parametrize(
    'ours, plain, make',
    [
        (attend_and_convolve, attend_plainly, inputs_of_attention),
        (convolve_tuples, convolve_plainly, inputs_of_tuples),
    ],
)
def test_equals_pytorch_in_values_and_gradients(ours, plain, make, shape, taps):
    inputs = make(*shape, taps=taps, grad=True)
    found, expected = ours(*inputs), plain(*inputs)
    assert found.shape == expected.shape
    close(found, expected)
    loss = normal(*expected.shape)
    gradients = [torch.autograd.grad((y * loss).sum(), inputs) for y in (found, expected)]
    for mine, theirs in zip(*gradients):
        close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    'ours, make', [(attend_and_convolve, inputs_of_attention), (convolve_tuples, inputs_of_tuples)]
)
def test_gradients_by_finite_differences(ours, make):
    assert torch.autograd.gradcheck(ours, make(2, 2, 3, 4, grad=True))


@pytest.mark.parametrize(
    'ours, plain, make',
    [
        (attend_and_convolve, attend_plainly, inputs_of_attention),
        (convolve_tuples, convolve_plainly, inputs_of_tuples),
    ],
)
def test_each_input_may_be_frozen(ours, plain, make):
    inputs = make(2, 3, 4, 6)
    for only in inputs:
        only.requires_grad_(True)
        (found,) = torch.autograd.grad(ours(*inputs).pow(2).sum(), only)
        (expected,) = torch.autograd.grad(plain(*inputs).pow(2).sum(), only)
        close(found, expected, rtol=1e-10, atol=1e-10)
        only.requires_grad_(False)


def test_without_gradients_bodies_go_some_at_a_time(monkeypatch):
    inputs = inputs_of_attention(7, 3, 4, 6)
    whole = attend_plainly(*inputs)
    sizes = []
    forward = fourier_conv.AttendAndConvolve.apply
    monkeypatch.setattr(fourier_conv, 'CHUNK', 3)
    monkeypatch.setattr(
        fourier_conv.AttendAndConvolve,
        'apply',
        lambda x, *others: sizes.append(len(x)) or forward(x, *others),
    )
    with torch.no_grad():
        close(attend_and_convolve(*inputs), whole)
    assert sizes == [3, 3, 1]
    close(attend_and_convolve(*inputs), whole)  # a gradient may be taken: all at once
    assert sizes == [3, 3, 1, 7]


def test_second_derivatives_are_refused():
    inputs = inputs_of_tuples(1, 2, 3, 4, grad=True)
    first = torch.autograd.grad(convolve_tuples(*inputs).pow(2).sum(), inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        first[0].sum().backward()


def test_float32_is_as_exact_as_its_rounding():
    inputs = inputs_of_attention(1, 32, 4, 75, heads=3, out=32)
    expected = attend_plainly(*inputs)
    found = attend_and_convolve(*(value.float() for value in inputs))
    assert found.dtype == torch.float32
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_takes_only_plain_convolutions_on_a_cpu(any_width):
    conv, x = nn.Conv2d(3, 4, (3, 1)), normal(1, 3, 4, 5, dtype=torch.float32)
    assert stands_for(conv, x)
    assert stands_for(conv, x.double())
    assert not stands_for(conv, x.half())
    assert not stands_for(conv, x.to('meta'))
    assert not stands_for(nn.Conv2d(3, 4, 1), x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert not stands_for(conv, x)
    hook = conv.register_forward_hook(lambda *_: None)
    assert not stands_for(conv, x)
    hook.remove()
    assert stands_for(conv, x)
    assert not stands_for(type('Other', (nn.Conv2d,), {})(3, 4, (3, 1)), x)


@pytest.mark.filterwarnings('ignore:.*torch.jit.trace', 'ignore::torch.jit.TracerWarning')
def test_traced_graphs_have_pytorchs_convolutions(any_width):
    model = STTFormer(num_joints=5, tuple_length=2, blocks=[(6, 10, 3)]).eval()
    traced = torch.jit.trace(model, torch.randn(1, 1, 4, 5, 3))
    kinds = {node.kind() for node in traced.inlined_graph.nodes()}
    assert 'aten::_convolution' in kinds
    assert not [kind for kind in kinds if 'Python' in kind]


@pytest.mark.parametrize('training', [True, False])
def test_network_is_the_same_without(any_width, training):
    kwargs = dict(num_joints=7, tuple_length=6, blocks=[(6, 6, 4), (6, 10, 3)])
    results = []
    for fourier in (True, False):
        torch.manual_seed(0)
        model = STTFormer(fourier=fourier, **kwargs).double().train(training)
        torch.manual_seed(1)
        y = model(normal(3, 2, 36, 7, 3))
        y.pow(2).mean().backward()
        results.append([y.detach(), *(p.grad for p in model.parameters())])
        names = sorted(model.state_dict())
    assert names == sorted(STTFormer(fourier=True, **kwargs).state_dict())
    for mine, theirs in zip(*results):
        close(mine, theirs, rtol=1e-9, atol=1e-10 * max(1.0, float(theirs.abs().max())))


@pytest.fixture
def taken(monkeypatch):
    """Names of the convolutions of fourier_conv that were called."""
    called = []
    for name in ('AttendAndConvolve', 'ConvolveTuples'):
        function = getattr(fourier_conv, name)
        apply = function.apply
        monkeypatch.setattr(
            function,
            'apply',
            lambda *args, name=name, apply=apply: called.append(name) or apply(*args),
        )
    return called


def test_every_convolution_of_a_network_takes_this_way(any_width, taken):
    kwargs = dict(num_joints=5, tuple_length=2, blocks=[(6, 6, 4), (6, 10, 3)])
    STTFormer(**kwargs)(torch.randn(1, 1, 4, 5, 3))
    assert taken == ['AttendAndConvolve', 'ConvolveTuples'] * 2
    STTFormer(fourier=False, **kwargs)(torch.randn(1, 1, 4, 5, 3))
    assert len(taken) == 4


def test_only_wide_blocks_take_this_way(taken):
    x = torch.randn(1, 1, 4, 5, 3)
    STTFormer(num_joints=5, tuple_length=2, blocks=[(6, 64, 4), (64, 127, 4)])(x)
    assert taken == []
    STTFormer(num_joints=5, tuple_length=2, blocks=[(6, 64, 4), (64, 128, 4)])(x)
    assert taken == ['AttendAndConvolve', 'ConvolveTuples']
