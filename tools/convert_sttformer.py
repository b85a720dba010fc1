#!/usr/bin/env python
"""Convert weights of STTFormer between the layout of its authors' code and ours.

Ours is a checkpoint for RecognizerGCN with STTFormer and GCNHead: tools/test.py takes it, and an
init_cfg of type 'Pretrained' with prefix 'backbone.'. The authors' is a plain state dict.

Example:
    python tools/convert_sttformer.py ntu60_xsub_joint.pt sttformer_joint.pth
    python tools/convert_sttformer.py epoch_90.pth joint.pt --to authors --pe-tuples 20
"""

import argparse
import sys
from pathlib import Path

from sttformer_keys import (
    POSITIONS,
    from_authors,
    read_settings,
    to_authors,
)

from deeprank_plugin.command_line import refuse
from deeprank_plugin.engine.encoders import read_checkpoint
from deeprank_plugin.engine.publishing import hash_weights, write_checkpoint


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='file to read')
    parser.add_argument('dst', type=Path, help='file to write')
    parser.add_argument('--to', choices=['ours', 'authors'], default='ours', help='(%(default)s)')
    parser.add_argument(
        '--pe-tuples',
        type=int,
        metavar='N',
        help='to the authors: also write their buffers of positions, for N tuples (20 in theirs)',
    )
    parser.add_argument('--force', action='store_true', help='replace another file of that name')
    args = parser.parse_args()
    if args.pe_tuples is not None and args.to == 'ours':
        parser.error('--pe-tuples is for --to authors: our network makes its positions itself')
    return args


def describe(state_dict: dict, source: str) -> dict:
    """What the converted weights say of their network, with the name of the file they are from."""
    settings = read_settings(state_dict)
    names = ('blocks', 'num_heads', 'kernel_sizes', 'in_channels')
    # num_joints and tuple_length show in their product alone
    return dict(
        source=source,
        type='STTFormer',
        joints_in_tuple=settings['num_joints'],
        **{name: settings[name] for name in names},
    )


def main() -> None:
    """Read, convert, write, and print what came out."""
    args = parse_args()
    try:
        checkpoint = read_checkpoint(args.src)
        weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, dict):
            refuse(f"{args.src}: 'state_dict' is a {type(weights).__name__}; expected a dict.")
        if args.to == 'authors':
            converted = content = to_authors(weights, args.pe_tuples)
        else:
            converted = from_authors(weights)
            content = dict(state_dict=converted, meta=describe(converted, args.src.name))
        write_checkpoint(content, args.dst, args.force)
    except (ValueError, OSError) as error:
        refuse(f'{args.src}: {error}' if isinstance(error, ValueError) else str(error))
    print(f'{args.dst}: {len(converted)} tensors, sha256 {hash_weights(converted)}')
    if args.to == 'authors':
        return
    print(', '.join(f'{key}={value}' for key, value in content['meta'].items()))
    if not any(str(key).endswith(POSITIONS) for key in weights):
        print(
            f'note: no positions (*{POSITIONS}) came with these weights. Our network always adds '
            'them: if the weights were trained with use_pes=False, its outputs differ.',
            file=sys.stderr,
        )


if __name__ == '__main__':
    main()
