#!/usr/bin/env python
"""Convert weights of STTFormer between the format of its authors' code and ours.

Ours is a checkpoint for RecognizerGCN with STTFormer and GCNHead, for tools/test.py or an init_cfg
of type 'Pretrained'. The authors' is a plain state dict.

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

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.engine.encoders import read_checkpoint
from deeprank_plugin.engine.publishing import hash_weights, write_checkpoint


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
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
        help='to the authors: also write their position buffers, for N tuples (20 in their code)',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    args = parser.parse_args()
    if args.pe_tuples is not None and args.to == 'ours':
        parser.error('--pe-tuples is for --to authors: our network computes its positions itself')
    return args


def make_meta(state_dict: dict, source: str) -> dict:
    """Settings of the network read from the converted weights, with the source file's name."""
    settings = read_settings(state_dict)
    names = ('blocks', 'num_heads', 'kernel_sizes', 'in_channels')
    # the weights determine only the product of num_joints and tuple_length
    return dict(
        source=source,
        type='STTFormer',
        joints_in_tuple=settings['num_joints'],
        **{name: settings[name] for name in names},
    )


def main() -> None:
    """Read, convert, write, and print a summary."""
    args = parse_args()
    try:
        checkpoint = read_checkpoint(args.src)
        weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, dict):
            exit_with_error(
                f"{args.src}: 'state_dict' is a {type(weights).__name__}; expected a dict."
            )
        if args.to == 'authors':
            converted = content = to_authors(weights, args.pe_tuples)
        else:
            converted = from_authors(weights)
            content = dict(state_dict=converted, meta=make_meta(converted, args.src.name))
        write_checkpoint(content, args.dst, args.force)
    except (ValueError, OSError) as error:
        exit_with_error(f'{args.src}: {error}' if isinstance(error, ValueError) else str(error))
    print(f'{args.dst}: {len(converted)} tensors, sha256 {hash_weights(converted)}')
    if args.to == 'authors':
        return
    print(', '.join(f'{key}={value}' for key, value in content['meta'].items()))
    if not any(str(key).endswith(POSITIONS) for key in weights):
        print(
            f'note: these weights have no positions (*{POSITIONS}). Our network always adds '
            'them: if the weights were trained with use_pes=False, its outputs differ.',
            file=sys.stderr,
        )


if __name__ == '__main__':
    main()
