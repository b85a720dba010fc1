#!/usr/bin/env python
"""Convert NTU RGB+D 60 or 120 from raw .skeleton files to an annotation pickle, in float32.

SOURCE is a folder of .skeleton files, or a zip file as distributed, read without unpacking it.
Samples with missing skeletons are left out, as in the published splits; their list comes from the
installed MMAction2 if it has one, else from --missing.

Finished parts are kept in the folder OUT.parts until the pickle is written, so an interrupted
conversion resumes: run the same command again. A broken file ends the conversion, or with
--skip-bad is left out and reported. The pickle is written whole or not at all.

Example:
    python tools/data/prepare_ntu.py nturgbd_skeletons_s001_to_s017.zip data/ntu60_3d.pkl \
        --dataset ntu60 --missing NTU_RGBD_samples_with_missing_skeletons.txt
    python tools/data/prepare_ntu.py nturgbd_skeletons_s001_to_s017.zip \
        nturgbd_skeletons_s018_to_s032.zip data/ntu120_3d.pkl --dataset ntu120 \
        --missing NTU_RGBD120_samples_with_missing_skeletons.txt --report ntu120_left_out.txt
"""

import argparse
import sys
from collections import Counter
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import List

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.command_line.conversion import add_conversion_options, require_output
from deeprank_plugin.converters.batch import report_faults
from deeprank_plugin.converters.ntu import (
    CLASSES,
    compare_counts,
    convert_files,
    find_missing,
    read_missing,
    remove_parts,
)
from deeprank_plugin.datasets.annotation_writing import write_pickle
from deeprank_plugin.datasets.class_names import CLASS_NAMES


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('sources', type=Path, nargs='+', metavar='SOURCE', help='folder or zip')
    parser.add_argument('out', type=Path, help='pickle to write')
    parser.add_argument('--dataset', choices=tuple(CLASSES), required=True)
    lists = parser.add_mutually_exclusive_group()
    lists.add_argument(
        '--missing',
        type=Path,
        action='append',
        metavar='FILE',
        help='list of samples with missing skeletons; may be repeated; default: that of MMAction2',
    )
    lists.add_argument(
        '--no-missing-list',
        action='store_true',
        help='keep listed samples; the splits then differ',
    )
    parser.add_argument(
        '--join-tracks',
        action='store_true',
        help='merge the bodies of a performer that the camera lost and found again',
    )
    add_conversion_options(parser)
    return parser.parse_args()


def choose_missing(args: argparse.Namespace) -> List[str]:
    """Read the names in the chosen lists of missing samples, and print their counts."""
    if args.no_missing_list:
        return []
    names = set()
    for path in args.missing or [find_missing(args.dataset)]:
        found = read_missing(path)
        print(f'samples with missing skeletons: {len(found)} in {path}')
        names.update(found)
    return sorted(names)


def main() -> None:
    """Convert, write, and print counts beside the published ones."""
    args = parse_args()
    parts = args.out.with_name(args.out.name + '.parts')
    require_output(args.out, args.force)
    try:
        missing = choose_missing(args)
        label_names = list(CLASS_NAMES[args.dataset])
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    try:
        content, faults, notes, doubts = convert_files(
            args.sources,
            args.dataset,
            missing,
            parts,
            label_names,
            args.join_tracks,
            args.skip_bad,
            args.workers,
        )
        report_faults(faults, args.report, [f'{kind}: {sentence}' for kind, sentence in notes])
        write_pickle(content, args.out)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    except BrokenProcessPool:
        exit_with_error(
            'a process ended unexpectedly, perhaps out of memory. Run the same command again '
            'with fewer --workers: finished parts are kept.'
        )
    except KeyboardInterrupt:
        print(f'interrupted; run the same command again to resume from {parts}', file=sys.stderr)
        sys.exit(130)
    splits, samples = content['split'], content['annotations']
    number, two = len(samples), sum(len(sample['keypoint']) == 2 for sample in samples)
    del content, samples  # they memory-map the parts
    remove_parts(parts)
    print(f'{args.out}: {number:,} samples, {two:,} with two bodies')
    print(f'left out: {len(faults):,} broken files')
    for kind, count in sorted(Counter(kind for kind, _ in notes).items()):
        print(f'  {kind}: {count:,}')
    lines, same = compare_counts(splits, args.dataset)
    print('\n'.join(lines))
    for doubt in doubts:
        print(f'WARNING: {doubt}')
    if args.no_missing_list:
        print('WARNING: no list of samples with missing skeletons was used')
    print(f'verdict: the splits {"have" if same else "do NOT have"} the published sizes')


if __name__ == '__main__':
    main()
