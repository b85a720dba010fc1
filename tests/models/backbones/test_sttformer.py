"""STTFormer against the formulas written out, and in everything that a backbone must bear."""

import math

import pytest
import torch
from mmaction.registry import MODELS
from torch.nn import functional as F

from deeprank_plugin.models import DeepRank, STTFormer

TINY = dict(num_joints=5, tuple_length=2, blocks=[(6, 6, 4), (6, 10, 3)], num_heads=2)


def make(**kwargs):
    torch.manual_seed(0)
    model = STTFormer(**{**TINY, **kwargs})
    with torch.no_grad():  # nothing may stay at its plain initial value
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(
                    torch.rand_like(value) + 0.5 if 'var' in name else torch.randn_like(value)
                )
    return model.double()


def assert_alike(found, expected):
    """Equal but for the rounding of float64; graphs take convolutions another way."""
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13 * scale)


def plain_norm(x, norm, training):
    """BatchNorm of (N, C, T, P): mean and variance over all axes but C."""
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    else:
        mean, var = norm['running_mean'], norm['running_var']
    x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    return x * norm['weight'][:, None, None] + norm['bias'][:, None, None]


def plain_conv(x, weight, bias):
    """Convolution by shifted sums, with zeros beyond the ends."""
    rows, columns = weight.shape[2:]
    padded = F.pad(x, (columns // 2, columns // 2, rows // 2, rows // 2))
    out = 0
    for r in range(rows):
        for c in range(columns):
            part = padded[:, :, r : r + x.shape[2], c : c + x.shape[3]]
            out = out + torch.einsum('oc,nctp->notp', weight[:, :, r, c], part)
    return out + bias[:, None, None]


def plain_forward(state, x, training, heads=2, length=2, depth=2):
    """The formulas of PROTOCOL: attention = tanh(QK^T / (d T')) alpha + map; no softmax."""

    def sub(prefix):
        return {k[len(prefix) + 1 :]: v for k, v in state.items() if k.startswith(prefix + '.')}

    def conv_norm(prefix, y):
        y = plain_conv(y, state[f'{prefix}.0.weight'], state[f'{prefix}.0.bias'])
        return plain_norm(y, sub(f'{prefix}.1'), training)

    def leaky(y):
        return torch.where(y > 0, y, 0.1 * y)

    n, m, t, v, c = x.shape
    y = torch.zeros(n * m, c, t // length, v * length, dtype=x.dtype)
    for body in range(n * m):
        for frame in range(t):
            for joint in range(v):
                index = (frame % length) * v + joint
                y[body, :, frame // length, index] = x[body // m, body % m, frame, joint]
    y = leaky(conv_norm('embed', y))
    for number in range(depth):
        p = f'blocks.{number}'
        channels, tuples, positions = y.shape[1:]
        pe = torch.zeros(channels, positions, dtype=x.dtype)
        for ch in range(channels):
            for pos in range(positions):
                angle = pos * math.exp(-math.log(10000.0) * (ch - ch % 2) / channels)
                pe[ch, pos] = math.sin(angle) if ch % 2 == 0 else math.cos(angle)
        qk = plain_conv(
            y + pe.float().double()[:, None],
            state[f'{p}.to_qk.weight'],
            state[f'{p}.to_qk.bias'],
        )
        d = qk.shape[1] // (2 * heads)
        mixed = []
        for head in range(heads):
            q = qk[:, head * d : (head + 1) * d]
            k = qk[:, (heads + head) * d : (heads + head + 1) * d]
            attention = torch.einsum('ndtu,ndtv->nuv', q, k) / (d * tuples)
            attention = attention.tanh() * state[f'{p}.attention_scale'][0, head, 0, 0]
            attention = attention + state[f'{p}.attention_map'][0, head]
            mixed.append(torch.einsum('nctu,nuv->nctv', y, attention))
        wide = f'{p}.spatial_residual.0.weight' in state
        residual = conv_norm(f'{p}.spatial_residual', y) if wide else y
        z = leaky(conv_norm(f'{p}.merge_heads', torch.cat(mixed, dim=1)) + residual)
        z = leaky(conv_norm(f'{p}.feed_forward', z) + residual)
        residual = conv_norm(f'{p}.temporal_residual', z) if wide else z
        y = leaky(conv_norm(f'{p}.temporal', z) + residual)
    return y.view(n, m, *y.shape[1:])


@pytest.mark.parametrize('training', [True, False])
def test_equals_the_formulas(training):
    model = make().train(training)
    x = torch.randn(3, 2, 8, 5, 3, dtype=torch.float64)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    expected = plain_forward(state, x, training)
    found = model(x)
    assert found.shape == (3, 2, 10, 4, 10)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_size_of_the_paper():
    model = STTFormer()
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters + 60 * 256 + 60 == 6233588
    model.init_weights()
    block = model.blocks[0]
    assert torch.equal(block.attention_map, torch.full((1, 3, 150, 150), 1 / 150))
    assert torch.equal(block.attention_scale, torch.ones(1, 3, 1, 1))
    conv = block.temporal[0]  # fan-out is 64 x 3
    assert float(conv.weight.detach().std()) == pytest.approx(math.sqrt(2 / (64 * 3)), rel=0.05)
    assert not conv.bias.any()
    assert bool((block.temporal[1].weight == 1).all())


def test_paper_size_takes_a_step_and_gives_256_features():
    model = STTFormer(with_cp=True)
    y = model(torch.randn(1, 1, 12, 25, 3))
    assert y.shape == (1, 1, 256, 2, 150)
    y.mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_checkpointing_changes_no_number():
    x = torch.randn(2, 1, 4, 5, 3, dtype=torch.float64)
    results = []
    for with_cp in (False, True):
        model = make(with_cp=with_cp)
        y = model(x)
        y.pow(2).sum().backward()
        results.append([y.detach(), *(p.grad for p in model.parameters())])
    for plain, recomputed in zip(*results):
        assert torch.equal(plain, recomputed)


def test_dropout_acts_in_training_only():
    model = make(dropout=0.5)
    x = torch.randn(2, 1, 4, 5, 3, dtype=torch.float64)
    model.eval()
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


@pytest.mark.parametrize('with_cp', [False, True])
def test_script_and_export(with_cp):
    model = make(with_cp=with_cp).eval()
    x = torch.randn(2, 1, 4, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)
        scripted = torch.jit.script(model)
        assert_alike(scripted(x), expected)
        batch = torch.export.Dim('batch', min=2)
        program = torch.export.export(model, (x,), dynamic_shapes=dict(x={0: batch}))
        more = torch.randn(3, 1, 4, 5, 3, dtype=torch.float64)
        assert_alike(program.module()(more), model(more))


def test_channels_last_and_autocast():
    model = make().float()
    x = torch.randn(4, 2, 8, 5, 3)
    expected = model(x).detach()
    last = model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x), expected, rtol=1e-3, atol=1e-3)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        y = model(x)
    y.float().pow(2).mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    scale = float(expected.std())
    assert float((y.float() - expected).detach().abs().mean()) < 0.05 * scale


def test_compile_traces_the_whole_graph():
    model = make().eval()
    x = torch.randn(2, 1, 4, 5, 3, dtype=torch.float64)
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    assert_alike(compiled(x), model(x))


def test_nothing_that_cannot_be_pickled():
    import pickle

    model = make()
    again = pickle.loads(pickle.dumps(model))
    x = torch.randn(2, 1, 4, 5, 3, dtype=torch.float64)
    assert torch.equal(again(x), model(x))
    assert not [name for name in model.state_dict() if 'position' in name]


@pytest.mark.parametrize(
    'shape, message',
    [
        ((1, 1, 7, 5, 3), '7 frames do not divide into tuples of 2.*clip_len'),
        ((1, 1, 8, 4, 3), '4 joints and 3 channels.*expected 5 and 3.*num_joints'),
        ((1, 1, 8, 5, 2), '5 joints and 2 channels.*in_channels'),
    ],
)
def test_wrong_input(shape, message):
    with pytest.raises(ValueError, match=message):
        make()(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(tuple_length=0), 'tuple_length=0'),
        (dict(kernel_sizes=(3, 4)), 'two odd numbers'),
        (dict(blocks=[]), 'for each block'),
        (dict(blocks=[(6, 6)]), 'for each block'),
        (dict(blocks=[(6, 8, 2), (6, 6, 2)]), 'block 0 ends with 8.*block 1 begins with 6'),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        STTFormer(**{**TINY, **kwargs})


def test_in_deeprank_and_in_the_recogniser():
    backbone = dict(type='STTFormer', blocks=[(4, 8, 2)], num_heads=1)
    with pytest.raises(ValueError, match=r'25 joints.*layout 17.*backbone\.num_joints'):
        DeepRank(
            backbone,
            dict(type='RankHead', in_channels=8),
            dict(type='SkeletonPreprocessor', layout='coco'),
        )
    DeepRank(backbone, dict(type='RankHead', in_channels=8))
    DeepRank(dict(backbone, tuple_length=5), dict(type='RankHead', in_channels=8))
    model = MODELS.build(
        dict(
            type='RecognizerGCN',
            backbone=backbone,
            cls_head=dict(type='GCNHead', num_classes=3, in_channels=8),
        )
    )
    assert model(torch.randn(2, 1, 1, 12, 25, 3), stage='head').shape == (2, 3)


def test_removed_arguments_are_rejected():
    with pytest.raises(TypeError, match='fourier'):
        make(fourier=False)
