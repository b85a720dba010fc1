#!/usr/bin/env python
"""Write encoder-only files from a checkpoint of DeepRank, MVDeepRank or RecognizerGCN.

A file holds the weights under backbone.*, the config text without local paths, modality, method,
data, epoch, versions and the SHA-256 of the weights, whose first 8 digits end the file name.
Load it in any downstream config with
    init_cfg=dict(type='Pretrained', checkpoint='FILE')

Example:
    python tools/publish_encoder.py work_dirs/<run>/epoch_150.pth out/stgcn_ntu60-xsub.pth
    python tools/publish_encoder.py work_dirs/<mv run>/epoch_150.pth out/mv.pth --stream joint bone
    python tools/publish_encoder.py --verify out/stgcn_ntu60-xsub-0123abcd.pth
"""

import argparse
import re
import sys
from pathlib import Path

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.engine.encoders import list_streams, read_checkpoint
from deeprank_plugin.engine.publishing import (
    DIGITS,
    extract_encoder,
    hash_weights,
    verify,
    write_checkpoint,
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', nargs='?', help='file that MMEngine saved')
    parser.add_argument(
        'out', nargs='?', type=Path, help='OUT.pth becomes OUT-<hash>.pth, OUT_<stream>-<hash>.pth'
    )
    parser.add_argument(
        '--stream', nargs='+', help='joint, bone, motion; default: all in the checkpoint'
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    parser.add_argument(
        '--verify', metavar='FILE', help='only compare a published file with its hash'
    )
    args = parser.parse_args()
    if args.verify is None and args.out is None:
        parser.error('expected CHECKPOINT and OUT, or --verify FILE')
    if args.verify is not None and args.checkpoint is not None:
        parser.error('--verify takes one file and nothing else')
    return args


def publish(checkpoint_path: str, out: Path, streams, force: bool) -> None:
    """Extract all requested streams, then write them."""
    if out.is_dir():
        exit_with_error(f'{out} is a folder: name a file in it, such as {out / "encoder.pth"}.')
    checkpoint = read_checkpoint(checkpoint_path)
    held = list_streams(checkpoint)
    several = any(
        key.startswith(('streams.', 'module.streams.')) for key in checkpoint['state_dict']
    )
    stem = out.name[: -len('.pth')] if out.name.endswith('.pth') else out.name
    published = [
        extract_encoder(checkpoint, stream, checkpoint_path)
        for stream in dict.fromkeys(streams or held)
    ]
    for encoder in published:
        meta = encoder['meta']
        name = f'{stem}_{meta["modality"]}' if several else stem
        path = out.with_name(f'{name}-{meta["sha256"][:DIGITS]}.pth')
        write_checkpoint(encoder, path, force)
        print(
            f'{path}: {meta["modality"]} encoder of {meta["method"]}, epoch {meta["epoch"]}, '
            f'{len(encoder["state_dict"])} tensors, sha256 {meta["sha256"]}'
        )


def verify_file(path: str) -> None:
    """Check the weights against the hash in the file and in its name."""
    published = read_checkpoint(path)
    matches = verify(published)
    found = hash_weights(published['state_dict'])
    if not matches:
        print(
            f'{path}: does NOT match: recorded sha256 {published["meta"]["sha256"]}, but '
            f'the weights have {found}'
        )
        sys.exit(1)
    in_name = re.search(rf'-([0-9a-f]{{{DIGITS}}})\.pth$', path)
    if in_name is not None and not found.startswith(in_name[1]):
        print(
            f'{path}: does NOT match: its name ends in {in_name[1]}, but the weights have sha256 '
            f'{found}'
        )
        sys.exit(1)
    print(f'{path}: matches, sha256 {found}')


def main() -> None:
    """Publish, or verify."""
    args = parse_args()
    try:
        if args.verify is not None:
            verify_file(args.verify)
        else:
            publish(args.checkpoint, args.out, args.stream, args.force)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))


if __name__ == '__main__':
    main()
