#!/usr/bin/env python
"""Convert annotations losslessly between a pickle and an .npz, in either direction.

An .npz involves no unpickling, and data loader workers share its coordinates instead of copying
them; SkeletonDataset accepts both. The data pass the checks of SkeletonDataset, and the output is
read back and compared before the file gets its name.

Example:
    python tools/data/convert_annotations.py data/ntu60_3d.pkl data/ntu60_3d.npz
    python tools/data/convert_annotations.py data/ntu60_3d.npz data/ntu60_3d.pkl
"""

import argparse
from pathlib import Path

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.datasets.annotation_writing import write_npz, write_pickle
from deeprank_plugin.datasets.annotations import (
    check_annotations,
    load_annotations,
    split_annotations,
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', type=Path, help='pickle or .npz to read')
    parser.add_argument('dst', type=Path, help='.npz or pickle to write')
    parser.add_argument(
        '--drop', nargs='+', default=[], metavar='KEY', help='sample keys to leave out'
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    args = parser.parse_args()
    if (args.src.suffix == '.npz') == (args.dst.suffix == '.npz'):
        parser.error('expected one file whose name ends in .npz and one whose name does not')
    if {'frame_dir', 'label', 'total_frames', 'keypoint'} & set(args.drop):
        parser.error('--drop: frame_dir, label, total_frames and keypoint are needed')
    return args


def read_checked(path: Path, drop: list) -> object:
    """Read a file without the dropped keys, and check all its splits."""
    content = load_annotations(path)
    annotations = split_annotations(content, str(path), None)
    if not annotations:
        raise ValueError(f'annotation file {path} holds no sample; expected at least one')
    if isinstance(content, dict):
        for name, members in content['split'].items():
            if len(members):  # an empty split does no harm to the others
                split_annotations(content, str(path), name)
    unknown = set(drop) - {key for annotation in annotations for key in annotation}
    if unknown:
        raise ValueError(f'--drop {sorted(unknown)}: no sample of {path} has these keys')
    annotations = [{k: v for k, v in a.items() if k not in drop} for a in annotations]
    check_annotations(annotations, str(path))
    return annotations if isinstance(content, list) else dict(content, annotations=annotations)


def main() -> None:
    """Read, check, write, compare, and print a summary."""
    args = parse_args()
    if args.dst.exists() and not args.force:
        exit_with_error(f'{args.dst} exists: choose another name, or replace it with --force.')
    try:
        content = read_checked(args.src, args.drop)
        (write_npz if args.dst.suffix == '.npz' else write_pickle)(content, args.dst)
    except (ValueError, OSError) as error:
        exit_with_error(f'{args.src}: {error}' if str(args.src) not in str(error) else str(error))
    annotations = content if isinstance(content, list) else content['annotations']
    splits = {} if isinstance(content, list) else content['split']
    megabytes = args.dst.stat().st_size / 1e6
    print(
        f'{args.dst}: {len(annotations)} sequences, {megabytes:.1f} MB, same content as {args.src}'
    )
    print('splits: ' + (', '.join(f'{name} {len(s)}' for name, s in splits.items()) or 'none'))
    print('keys: ' + ', '.join(annotations[0]))


if __name__ == '__main__':
    main()
