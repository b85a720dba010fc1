#!/usr/bin/env python
"""Convert annotations losslessly between a pickle and an .npz, or to the joints of another layout.

An .npz involves no unpickling, and data loader workers share its coordinates instead of copying
them; SkeletonDataset accepts both. The data pass the checks of SkeletonDataset, and the output is
read back and compared before the file gets its name.

Example:
    python tools/data/convert_annotations.py data/ntu60_3d.pkl data/ntu60_3d.npz
    python tools/data/convert_annotations.py data/ntu60_3d.npz data/ntu60_3d.pkl
    python tools/data/convert_annotations.py azure.pkl azure_ntu25.pkl --to-layout nturgb+d

--to-layout copies joints, averages several, and leaves out what the layout does not have; joints
that only the new layout has are zero (in 2D with score 0). Axes and units stay as they are.
"""

import argparse
from pathlib import Path
from typing import Optional

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.command_line.data_file import guess_layout
from deeprank_plugin.datasets.annotation_writing import write_npz, write_pickle
from deeprank_plugin.datasets.annotations import (
    check_annotations,
    load_annotations,
    split_annotations,
)
from deeprank_plugin.datasets.reading import suspect_axes
from deeprank_plugin.layouts import LAYOUTS, find_layout, find_map, map_joints


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
    parser.add_argument(
        '--to-layout',
        metavar='LAYOUT',
        help=f'give the skeletons these joints: {", ".join(LAYOUTS)}, or a JSON file with names',
    )
    parser.add_argument(
        '--layout',
        help='joints of SRC, for --to-layout (default: the layout that joints and numbers fit)',
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')
    args = parser.parse_args()
    if args.to_layout is None:
        if (args.src.suffix == '.npz') == (args.dst.suffix == '.npz'):
            parser.error('expected one file whose name ends in .npz and one whose name does not')
        if args.layout is not None:
            parser.error('--layout is that of SRC for --to-layout: name the new one as well')
    if {'frame_dir', 'label', 'total_frames', 'keypoint'} & set(args.drop):
        parser.error('--drop: frame_dir, label, total_frames and keypoint are needed')
    return args


def read_checked(path: Path, drop: list) -> object:
    """Read a file without the dropped keys, and check all its splits."""
    content = load_annotations(path)
    annotations = split_annotations(content, str(path), None)
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


def change_layout(content: object, path: Path, source: Optional[str], target: str) -> str:
    """Give all samples the joints of another layout, in place; return what was done.

    Raises:
        ValueError: If a layout is unknown or does not fit, or there is no map.
    """
    annotations = content if isinstance(content, list) else content['annotations']
    old = find_layout(source or guess_layout(annotations[:64], str(path)))
    new = find_layout(target)
    check_annotations(annotations, str(path), layout=old)
    for annotation in annotations:
        score = annotation.get('keypoint_score')
        annotation['keypoint'], score = map_joints(annotation['keypoint'], old, new, score)
        if score is not None:
            annotation['keypoint_score'] = score
    check_annotations(annotations, str(path), layout=new)
    parts = find_map(old, new, old.planar or annotations[0]['keypoint'].shape[-1] == 2)
    counts = [len(found) for found in parts.values()]
    missing = [name for name, found in parts.items() if not found]
    done = f'layout {old.name} to {new.name}: {counts.count(1)} joints copied, '
    done += f'{sum(count > 1 for count in counts)} averaged, '
    done += f'{len(missing)} missing ({", ".join(missing)})' if missing else 'none missing'
    if annotations[0]['keypoint'].shape[-1] == 3:
        doubt = suspect_axes([a['keypoint'] for a in annotations[:64]], new, str(path))
        done += '' if doubt is None else f'\nwarning: {doubt}'
    return done


def main() -> None:
    """Read, check, change the layout, write, compare, and print a summary."""
    args = parse_args()
    if args.dst.is_dir():
        exit_with_error(f'{args.dst} is a folder: name a file to write.')
    if args.dst.exists() and not args.force:
        exit_with_error(f'{args.dst} exists: choose another name, or replace it with --force.')
    try:
        content = read_checked(args.src, args.drop)
        done = f'same content as {args.src}'
        if args.to_layout is not None:
            done = change_layout(content, args.src, args.layout, args.to_layout)
        (write_npz if args.dst.suffix == '.npz' else write_pickle)(content, args.dst)
    except (ValueError, OSError) as error:
        exit_with_error(f'{args.src}: {error}' if str(args.src) not in str(error) else str(error))
    annotations = content if isinstance(content, list) else content['annotations']
    splits = {} if isinstance(content, list) else content['split']
    megabytes = args.dst.stat().st_size / 1e6
    print(f'{args.dst}: {len(annotations)} sequences, {megabytes:.1f} MB, {done}')
    print('splits: ' + (', '.join(f'{name} {len(s)}' for name, s in splits.items()) or 'none'))
    print('keys: ' + ', '.join(annotations[0]))


if __name__ == '__main__':
    main()
