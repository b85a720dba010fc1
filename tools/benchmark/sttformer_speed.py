#!/usr/bin/env python
"""STTFormer against the formulas of its paper written with einsum, forward and backward.

All variants have the same layers and weights, and give the same results; they differ in how
attention and convolutions are computed. On a CPU all keep freed memory, as the tools do
(docs/speed.md). On a GPU, bfloat16 with channels_last and torch.compile is compared with float32.

Example:
    python tools/benchmark/sttformer_speed.py --batch-sizes 1 2 4
"""

import argparse
import copy
from functools import partial

import torch
from common import add_device, conditions, make_parser, measure, print_table, write_json
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from deeprank_plugin.engine.memory import keep_freed_memory
from deeprank_plugin.models import STTFormer

TITLE = 'STTFormer: one step forward and backward'


def plain_block(block: nn.Module, x: Tensor) -> Tensor:
    """An STTBlock by its formulas: einsum over heads, (N, C, T', P) to (N, C_out, T', P)."""
    batch, _, tuples, positions = x.shape
    heads, channels = block.num_heads, block.qk_channels
    qk = block.to_qk(x + block.position).view(batch, 2 * heads, channels, tuples, positions)
    query, key = qk.chunk(2, dim=1)
    attention = torch.einsum('nsctu,nsctv->nsuv', query, key) / (channels * tuples)
    attention = attention.tanh() * block.attention_scale + block.attention_map
    mixed = torch.einsum('nctu,nsuv->nsctv', x, block.dropout(attention))
    mixed = mixed.reshape(batch, -1, tuples, positions)
    residual = block.spatial_residual(x)
    x = leaky_relu(block.merge_heads(mixed) + residual, 0.1)
    x = leaky_relu(block.feed_forward(x) + residual, 0.1)
    return leaky_relu(block.temporal(x) + block.temporal_residual(x), 0.1)


class PlainSTTFormer(STTFormer):
    """STTFormer with plain blocks."""

    def forward(self, x: Tensor) -> Tensor:
        """Like STTFormer, with plain blocks."""
        batch, bodies, frames, joints, channels = x.shape
        length = self.tuple_length
        x = x.flatten(0, 1).permute(0, 3, 1, 2)
        x = x.reshape(batch * bodies, channels, frames // length, joints * length)
        x = self.embed(x)
        for block in self.blocks:
            x = plain_block(block, x)
        return x.unflatten(0, (batch, bodies))


def step(model: nn.Module, x: Tensor, dtype: torch.dtype = torch.float32) -> None:
    """Features, their squared mean, and its gradient."""
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        loss = model(x).float().pow(2).mean()
    loss.backward()


def compiled_copy(model: nn.Module) -> nn.Module:
    """A copy of a model in channels_last, compiled; the model itself stays as it is."""
    fast = copy.deepcopy(model).to(memory_format=torch.channels_last)
    fast.compile()
    return fast


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--batch-sizes', type=int, nargs='+', default=[8], help='(8)')
    parser.add_argument('--frames', type=int, default=120, help='(%(default)s)')
    parser.add_argument('--repeats', type=int, default=3, help='(%(default)s)')
    add_device(parser)
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    on_cpu = torch.device(args.device).type == 'cpu'
    kept = on_cpu and keep_freed_memory()
    torch.manual_seed(0)
    models = {'plain': PlainSTTFormer(), 'ours': STTFormer()}
    for model in models.values():
        model.load_state_dict(models['plain'].state_dict())
        model.to(args.device)
    rows = []
    for size in args.batch_sizes:
        x = torch.randn(size, 2, args.frames, 25, 3, device=args.device)
        with torch.no_grad():
            features = {way: model(x) for way, model in models.items()}
        ways = {way: partial(step, model, x) for way, model in models.items()}
        if not on_cpu:
            fast = partial(step, compiled_copy(models['ours']), x, torch.bfloat16)
            ways['bfloat16, channels_last, compile'] = fast
        seconds = measure(ways, args.repeats)
        for way, value in seconds.items():
            row = dict(batch=size, way=way, seconds=value, ratio=seconds['plain'] / value)
            if way in features:
                row['difference'] = relative_difference(features[way], features['plain'])
            rows.append(row)
    print_table(TITLE, ['batch', 'way', 'seconds', 'ratio', 'difference'], rows)
    print('ratio: speed-up over plain')
    print('difference: of the features from plain, float32: largest / largest feature')
    if on_cpu:
        memory = 'kept for the next tensors, as in the tools' if kept else 'system default'
        print(f'Freed memory: {memory}.')
        print('No GPU here: bfloat16, channels_last and compile were not measured.')
    context = dict(conditions(), frames=args.frames, bodies=2, device=args.device, memory_kept=kept)
    write_json(args.out, TITLE, context, rows)


def relative_difference(value: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return float((value - expected).abs().max() / expected.abs().max())


if __name__ == '__main__':
    main()
