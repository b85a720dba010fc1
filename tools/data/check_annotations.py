#!/usr/bin/env python
"""Check an annotation file (pickle or .npz) and summarise its content.

Everything that SkeletonDataset rejects is a fault; faults are counted by kind, over all splits.
Data that it accepts but a user may not want give a warning: units other than metres, bodies that do
not stand along y, empty frames, absent bodies before present ones, bones that change in length,
subjects or sequences in both the training and the test split. The last line is the verdict: ok,
warnings (exit code 0) or faults (exit code 1). The statistics cover samples without faults.

Example:
    python tools/data/check_annotations.py data/ntu60_3d.pkl --num-classes 60 --plot pictures
"""

import argparse
import json
import sys
import textwrap
import zipfile
from pathlib import Path

from deeprank_plugin.command_line import exit_with_error, require_writable
from deeprank_plugin.converters.statistics import examine
from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.layouts import Layout, find_layout
from deeprank_plugin.visualization import draw_skeletons

ROWS = 12  # sequences per picture


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help='annotation pickle or .npz')
    parser.add_argument('--num-classes', type=int, help='labels must be below it')
    parser.add_argument(
        '--layout',
        metavar='NAME',
        help='required joint layout, a name or a JSON file; default: not checked, and guessed from '
        'the number of joints for bones and pictures',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the report to this file')
    parser.add_argument(
        '--plot', type=Path, metavar='DIR', help='draw a sequence of each class into this folder'
    )
    return parser.parse_args()


def read_verified(path: Path) -> object:
    """Read a file; verify the checksums of an .npz as well.

    Raises:
        ValueError: If the file is damaged.
    """
    content = load_annotations(path)
    if path.suffix == '.npz':
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(
                f'annotation file {path}: {damaged} does not match its checksum; expected an '
                'undamaged file: copy or make it again'
            )
    return content


def format_range(values: dict, form: str = '.0f') -> str:
    """Format as min / median / max."""
    return ' / '.join(format(values[key], form) for key in ('min', 'median', 'max'))


def print_report(report: dict) -> None:
    """Print everything but the verdict."""
    print(f'{report["file"]}: {report["samples"]} samples, {report["sound"]} without faults')
    if report['sound']:
        parts = {'all': report['all'], **report['splits']}
        width = max(len(name) for name in parts) + 2
        print(f'{"split":<{width}}{"samples":>9}{"classes":>9}{"a class":>12}  frames min/med/max')
        for name, part in parts.items():
            counts = list(part['classes'].values()) or [0]
            a_class = f'{min(counts)}-{max(counts)}'
            lengths = format_range(part['lengths']) if part['lengths'] else ''
            print(
                f'{name:<{width}}{part["samples"]:>9}{len(part["classes"]):>9}{a_class:>12}  '
                f'{lengths}'
            )
        bodies, sizes, bones = report['bodies'], report['sizes'], report['bones']
        print(
            f'bodies: {bodies["bodies"]}, absent throughout {bodies["empty_bodies"]:.1%}; present '
            f'in a sample {format_range(bodies["present"], ".3g")} (min / median / max); frames '
            f'without a body {bodies["empty_frames"]:.2%}'
        )
        size = format_range(sizes['size'], '.4g')
        print(f'size of a body (min / median / max): {size}: {sizes["unit"]}')
        if bones:
            variation = format_range(bones['variation'], '.2%')
            print(
                f'bones change in length by {variation} (min / median / max, '
                f'layout {report["layout"]}), most in {bones["worst"]}'
            )
        else:
            print('bones: not measured (3D data of a known layout: --layout)')
        for pair, found in report['pairs'].items():
            print(
                f'in both {pair.replace(", ", " and ")}: {len(found["samples"])} samples, '
                f'{len(found["subjects"])} subjects, {len(found["duplicates"])} sequences with the '
                'same coordinates'
            )
    for kind, entry in report['faults'].items():
        print(f'fault: {kind}: {entry["count"]}')
        for example in entry['examples']:
            print(f'    {example}')
    for warning in report['warnings']:
        print(f'warning: {warning}')


def plot_classes(annotations: list, folder: Path, layout: Layout) -> list:
    """Draw the first sequence of each class, several per picture; return the pictures' paths."""
    chosen = {}
    for annotation in annotations:
        chosen.setdefault(int(annotation['label']), annotation)
    chosen = [chosen[label] for label in sorted(chosen)]
    paths = []
    for start in range(0, len(chosen), ROWS):
        part = chosen[start : start + ROWS]
        # names can be as long as a picture is wide
        titles = [textwrap.fill(f'{a["label"]}: {a["frame_dir"]}', 20) for a in part]
        figure = draw_skeletons([a['keypoint'] for a in part], titles, layout=layout)
        paths.append(folder / f'skeletons_{start // ROWS:02d}.png')
        figure.savefig(paths[-1], dpi=80)
    return paths


def main() -> None:
    """Read, examine, print, draw."""
    args = parse_args()
    if not args.annotations.is_file():
        exit_with_error(f'annotation file {str(args.annotations)!r} does not exist.')
    if args.plot:
        require_writable(str(args.plot), 'folder', '--plot')
    path = str(args.annotations)
    try:
        layout = None if args.layout is None else find_layout(args.layout)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    try:
        content = read_verified(args.annotations)
    except ValueError as error:
        entry = dict(count=1, examples=[str(error)])
        report = dict(file=path, samples=0, sound=0, all=None, faults=dict(unreadable=entry))
        report.update(warnings=[], verdict='faults')
        annotations = []
    else:
        report, annotations = examine(content, path, args.num_classes, layout)
    print_report(report)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    if args.plot and annotations:
        if report['layout'] is None:
            print('pictures: none, the joints match no known layout: name it with --layout')
        else:
            paths = plot_classes(annotations, args.plot, layout or find_layout(report['layout']))
            print('pictures: ' + ', '.join(map(str, paths)))
    print(f'verdict: {report["verdict"]}')
    sys.exit(report['verdict'] == 'faults')


if __name__ == '__main__':
    main()
