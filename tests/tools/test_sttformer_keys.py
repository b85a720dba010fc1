"""Weights of the authors' STTFormer give the same logits in ours, and go back unchanged."""

import math

import pytest
import torch
from mmaction.registry import MODELS
from sttformer_keys import from_authors, read_settings, to_authors
from torch.nn import functional as F

HEADS, JOINTS, LENGTH, TUPLES, CLASSES = 2, 5, 2, 4, 3
POSITIONS = JOINTS * LENGTH
BLOCKS = [(6, 6, 4), (6, 10, 3), (10, 10, 5)]


def sines(channels, positions):
    """Positions by the formula, number by number, as float32."""
    rows = []
    for channel in range(channels):
        period = math.exp(math.log(10000.0) * (channel - channel % 2) / channels)
        wave = math.sin if channel % 2 == 0 else math.cos
        rows.append([wave(position / period) for position in range(positions)])
    return torch.tensor(rows, dtype=torch.float64).float()


def authors_state(with_positions=True, with_fc=True):
    """Random weights in the authors' layout, in float64."""
    generator = torch.Generator().manual_seed(0)
    state = {}

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def conv(name, out, *shape):
        state[f'{name}.weight'], state[f'{name}.bias'] = draw(out, *shape), draw(out)

    def conv_norm(name, out, *shape):
        conv(f'{name}.0', out, *shape)
        for part in ('weight', 'bias', 'running_mean'):
            state[f'{name}.1.{part}'] = draw(out)
        state[f'{name}.1.running_var'] = draw(out).abs() + 0.5
        state[f'{name}.1.num_batches_tracked'] = torch.tensor(11)

    conv_norm('input_map', BLOCKS[0][0], 3, 1, 1)
    for index, (before, after, qkv) in enumerate(BLOCKS):
        block = f'blocks.{index}'
        if with_positions:
            state[f'{block}.pes.pe'] = torch.stack([sines(before, POSITIONS)] * TUPLES, dim=1)[None]
        conv(f'{block}.to_qkvs', 2 * HEADS * qkv, before, 1, 1)
        state[f'{block}.alphas'] = draw(1, HEADS, 1, 1)
        state[f'{block}.att0s'] = draw(1, HEADS, POSITIONS, POSITIONS)
        conv_norm(f'{block}.out_nets', after, before * HEADS, 1, 5)
        conv_norm(f'{block}.ff_net', after, after, 1, 1)
        conv_norm(f'{block}.out_nett', after, after, 3, 1)
        if before != after:
            conv_norm(f'{block}.ress', after, before, 1, 1)
            conv_norm(f'{block}.rest', after, after, 1, 1)
    if with_fc:
        conv('fc', CLASSES, BLOCKS[-1][1])
    return state


def authors_logits(state, x):
    """The authors' network in test mode, of sequences (N, C, T, V, M), by its formulas."""

    def leaky(y):
        return F.leaky_relu(y, 0.1)

    def conv_norm(name, y):
        weight = state[f'{name}.0.weight']
        padding = [size // 2 for size in weight.shape[2:]]
        y = F.conv2d(y, weight, state[f'{name}.0.bias'], padding=padding)
        mean, var, scale, shift = (
            state[f'{name}.1.{part}'][None, :, None, None]
            for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (y - mean) / torch.sqrt(var + 1e-5) * scale + shift

    n, c, t, v, m = x.shape
    # joint v of frame t is position (t mod length) * V + v of tuple t // length
    y = x.permute(0, 4, 1, 2, 3).reshape(n * m, c, t // LENGTH, v * LENGTH)
    y = leaky(conv_norm('input_map', y))
    for index in range(len(BLOCKS)):
        block = f'blocks.{index}'
        weight = state[f'{block}.to_qkvs.weight'][:, :, 0, 0]
        bias = state[f'{block}.to_qkvs.bias'][:, None, None]
        projected = torch.einsum('oc,nctv->notv', weight, y + state[f'{block}.pes.pe'].double())
        heads = (projected + bias).unflatten(1, (2 * HEADS, -1))  # (N, 2H, d, T', P)
        queries, keys = heads[:, :HEADS], heads[:, HEADS:]
        d, tuples = heads.shape[2:4]
        attention = torch.einsum('nhdtu,nhdtv->nhuv', queries, keys) / (d * tuples)
        attention = torch.tanh(attention) * state[f'{block}.alphas'] + state[f'{block}.att0s']
        looked = torch.einsum('nctu,nhuv->nhctv', y, attention).flatten(1, 2)
        wide = f'{block}.ress.0.weight' in state
        residual = conv_norm(f'{block}.ress', y) if wide else y
        y = leaky(conv_norm(f'{block}.out_nets', looked) + residual)
        y = leaky(conv_norm(f'{block}.ff_net', y) + residual)
        y = leaky(
            conv_norm(f'{block}.out_nett', y) + (conv_norm(f'{block}.rest', y) if wide else y)
        )
    pooled = y.reshape(n, m, y.shape[1], -1).mean(dim=(1, 3))
    return pooled @ state['fc.weight'].T + state['fc.bias']


def our_network():
    return MODELS.build(
        dict(
            type='RecognizerGCN',
            backbone=dict(
                type='STTFormer',
                num_joints=JOINTS,
                tuple_length=LENGTH,
                blocks=BLOCKS,
                num_heads=HEADS,
            ),
            cls_head=dict(type='GCNHead', num_classes=CLASSES, in_channels=BLOCKS[-1][1]),
        )
    ).double()


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_same_logits_as_the_authors_formulas(prefix):
    state = authors_state()
    model = our_network().eval()
    model.load_state_dict(from_authors({prefix + k: v for k, v in state.items()}), strict=True)
    x = torch.randn(3, 2, LENGTH * TUPLES, JOINTS, 3, dtype=torch.float64)  # (N, M, T, V, C)
    with torch.no_grad():
        found = model(x[:, None], stage='head')
    expected = authors_logits(state, x.permute(0, 4, 2, 3, 1))
    assert float(expected.std()) > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    # the comparison feels the order of queries and keys, and the positions
    swapped = {k: v.roll(len(v) // 2, 0) if 'to_qkvs' in k else v for k, v in state.items()}
    without = {k: v * 0 if k.endswith('.pes.pe') else v for k, v in state.items()}
    for other in (swapped, without):
        assert float((authors_logits(other, x.permute(0, 4, 2, 3, 1)) - expected).std()) > 1e-3


def assert_same(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype and torch.equal(found[key], value), key


@pytest.mark.parametrize('with_fc', [True, False])
def test_there_and_back_is_the_same(with_fc):
    state = authors_state(with_fc=with_fc)
    ours = from_authors(state)
    assert_same(to_authors(ours, pe_tuples=TUPLES), state)
    assert_same(to_authors(ours), authors_state(with_positions=False, with_fc=with_fc))
    assert_same(from_authors(to_authors(ours)), ours)
    assert_same(to_authors({f'module.{k}': v for k, v in ours.items()}), to_authors(ours))
    buffer = to_authors(ours, pe_tuples=7)['blocks.1.pes.pe']
    assert buffer.shape == (1, 6, 7, POSITIONS) and buffer.dtype == torch.float32


def test_back_and_there_from_our_network():
    state = our_network().state_dict()
    assert_same(from_authors(to_authors(state, pe_tuples=1)), state)


def test_settings_are_read_from_the_weights():
    settings = read_settings(from_authors(authors_state()))
    assert settings == dict(
        num_joints=POSITIONS,
        tuple_length=1,
        blocks=BLOCKS,
        num_heads=HEADS,
        kernel_sizes=(3, 5),
        in_channels=3,
    )


def test_positions_computed_in_float32_are_ours():
    """At the size of the paper, where float32 is furthest from our positions."""
    model = MODELS.build(dict(type='STTFormer', blocks=[(256, 256, 1)], num_heads=1))
    state = to_authors({f'backbone.{k}': v for k, v in model.state_dict().items()}, pe_tuples=2)
    channel, position = torch.arange(256)[:, None], torch.arange(150.0)[None]
    angle = position * torch.exp((channel - channel % 2).float() * -(math.log(10000.0) / 256))
    buffer = torch.where(channel % 2 == 0, angle.sin(), angle.cos())
    assert not torch.equal(state['blocks.0.pes.pe'][0, :, 0], buffer)
    state['blocks.0.pes.pe'] = torch.stack([buffer, buffer], dim=1)[None]
    assert len(from_authors(state)) == len(model.state_dict())


@pytest.mark.parametrize(
    'change, message',
    [
        (
            lambda s: s.update({'blocks.1.pes.pe': s['blocks.1.pes.pe'] + 1e-3}),
            'blocks.1.pes.pe.*0.001',
        ),
        (lambda s: s['blocks.2.pes.pe'][0, 3, 1, 4].fill_(math.nan), 'blocks.2.pes.pe.*nan'),
        (lambda s: s.pop('blocks.1.pes.pe'), 'missing: blocks.1.pes.pe;'),
        (
            lambda s: s.update({'blocks.1.pes.pe': torch.zeros(1, 6, TUPLES, 3)}),
            r'blocks.1.pes.pe \(found \(1, 6, 4, 3\), expected \(1, 6, 4, 10\)',
        ),
        (lambda s: s.update(extra=torch.zeros(1)), 'unknown: extra;'),
        (
            lambda s: [s.pop(k) for k in ('fc.bias', 'blocks.0.ff_net.1.weight')],
            'missing: blocks.0.ff_net.1.weight, fc.bias;',
        ),
        (lambda s: s.pop('fc.weight'), r'missing: fc.weight;'),
        (lambda s: s.pop('blocks.1.ress.0.bias'), 'missing: blocks.1.ress.0.bias;'),
        (
            lambda s: s.update({'blocks.0.ress.0.bias': torch.zeros(6)}),
            'unknown: blocks.0.ress.0.bias;',
        ),
        (
            lambda s: s.update({'blocks.2.alphas': torch.zeros(1, 3, 1, 1)}),
            r'blocks.2.alphas \(found \(1, 3, 1, 1\), expected \(1, 2, 1, 1\)\)',
        ),
        (
            lambda s: s.update({'blocks.1.to_qkvs.bias': torch.zeros(13)}),
            r'blocks.1.to_qkvs.bias \(found \(13,\), expected \(12,\)\)',
        ),
        (
            lambda s: [s.pop(k) for k in list(s) if k.startswith('blocks.1.')],
            'blocks.1.out_nets.0.weight is missing',
        ),
        (
            lambda s: s.update({'blocks.0.att0s': torch.zeros(4, 4)}),
            r'blocks.0.att0s has shape \(4, 4\) \(expected 4 axes\)',
        ),
        (
            lambda s: s.update({'blocks.0.ff_net.1.num_batches_tracked': 3}),
            r'not tensors: blocks.0.ff_net.1.num_batches_tracked \(int\)',
        ),
        (lambda s: s.update({3: torch.zeros(1)}), 'keys 3 are not strings'),
        (lambda s: s.clear(), 'input_map.0.weight is missing.*Found: none'),
    ],
)
def test_what_does_not_fit_is_listed(change, message):
    state = authors_state()
    change(state)
    with pytest.raises(ValueError, match=message):
        from_authors(state)


def test_the_way_back_lists_our_names():
    ours = from_authors(authors_state())
    ours['head.fc0.weight'] = ours.pop('backbone.blocks.0.temporal.0.bias')
    with pytest.raises(
        ValueError, match='missing: backbone.blocks.0.temporal.0.bias; unknown: head.fc0.weight;'
    ):
        to_authors(ours)
    with pytest.raises(ValueError, match='backbone.embed.0.weight is missing.*Found: input_map'):
        to_authors(authors_state())
    with pytest.raises(ValueError, match='pe_tuples=0'):
        to_authors(from_authors(authors_state()), pe_tuples=0)


def test_old_files_without_batch_counts():
    state = {k: v for k, v in authors_state().items() if 'num_batches' not in k}
    ours = from_authors(state)
    assert not [key for key in ours if 'num_batches' in key]
    our_network().load_state_dict({**our_network().state_dict(), **ours}, strict=True)
    assert_same(to_authors(ours, pe_tuples=TUPLES), state)
