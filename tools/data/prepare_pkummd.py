#!/usr/bin/env python
"""Convert PKU-MMD, part I or II, from its skeleton, label and split files to an annotation pickle.

Each action instance becomes a sample of two bodies; with --untrimmed, each video one recording with
its instances as segments, for tools/test_untrimmed.py. A broken file or instance ends the
conversion, or with --skip-bad is left out and reported. The pickle is written whole or not at all.

Example:
    python tools/data/prepare_pkummd.py raw/PKU_Skeleton_Renew raw/Train_Label_PKU_final \
        data/pkummd1_3d.pkl --part 1 --xsub raw/cross-subject.txt --xview raw/cross-view.txt
    python tools/data/prepare_pkummd.py raw2/skeleton raw2/label data/pkummd2_3d.pkl --part 2 \
        --xsub raw2/cross_subject_v2.txt
"""

import argparse
from pathlib import Path

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.command_line.conversion import add_conversion_options, require_output
from deeprank_plugin.converters.batch import report_faults
from deeprank_plugin.converters.pkummd import (
    PROTOCOLS,
    compare_published,
    convert_videos,
    instance_labels,
)
from deeprank_plugin.datasets.annotation_writing import write_pickle


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('skeletons', type=Path, help='folder of skeleton files, <video>.txt')
    parser.add_argument('labels', type=Path, help='folder of label files, <video>.txt')
    parser.add_argument('out', type=Path, help='pickle to write')
    parser.add_argument('--part', type=int, choices=(1, 2), required=True, help='part I or II')
    parser.add_argument('--xsub', type=Path, metavar='FILE', help='split list of X-Sub')
    parser.add_argument('--xview', type=Path, metavar='FILE', help='split list of X-View')
    parser.add_argument(
        '--classes',
        type=int,
        choices=(41, 51),
        help='for part II: 51 keeps the numbers of part I as labels; default: 41, without gaps',
    )
    parser.add_argument(
        '--untrimmed', action='store_true', help='keep videos whole, with their segments'
    )
    add_conversion_options(parser)
    args = parser.parse_args()
    if args.xsub is None and args.xview is None:
        parser.error('expected --xsub FILE, --xview FILE or both: the split lists of the data set')
    if args.part == 1 and args.classes == 41:
        parser.error('--classes 41 is for part II; part I has 51')
    return args


def main() -> None:
    """Convert, write, and print counts beside the published ones."""
    args = parse_args()
    require_output(args.out, args.force)
    lists = {name: getattr(args, name) for name in PROTOCOLS if getattr(args, name) is not None}
    try:
        content, faults, doubts = convert_videos(
            args.skeletons,
            args.labels,
            lists,
            args.part,
            args.classes,
            args.skip_bad,
            args.workers,
            args.untrimmed,
        )
        report_faults(faults, args.report)
        write_pickle(content, args.out)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    annotations, names = content['annotations'], content['label_names']
    two = sum(bool(annotation['keypoint'][1].any()) for annotation in annotations)
    labels = instance_labels(annotations)
    print(f'{args.out}: {compare_published(args.part, len(labels))}')
    print('splits: ' + ', '.join(f'{name} {len(s):,}' for name, s in content['split'].items()))
    unit = 'videos' if args.untrimmed else 'instances'
    print(f'classes: {len(set(labels))} of {len(names)}; {unit} with two bodies: {two:,}')
    print(f'left out: {len(faults):,}')
    for doubt in doubts:
        print(f'WARNING: {doubt}')


if __name__ == '__main__':
    main()
