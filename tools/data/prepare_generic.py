#!/usr/bin/env python
"""Convert a folder of .npy, .npz or .csv sequences to an annotation pickle.

LIST is a CSV file with a header: file (inside FOLDER), label (an integer from 0, or a name), and
subject or a column of splits. Class names are sorted, and written into the pickle as label_names;
to test a trained model on them, --classes CHECKPOINT numbers them as its classes.
A broken file ends the conversion, or with --skip-bad is left out and reported. The
pickle is written whole or not at all.

Layouts: the built-in ones, such as nturgb+d, coco and smpl (kinect-v1 becomes NTU's 25 joints), or
a JSON file {"num_node": V, "edges": [[joint, joint], ...], "center": joint}, optionally with
"names", "left", "right" and "dims".

Example:
    python tools/data/prepare_generic.py moves moves/list.csv data/moves.pkl --layout nturgb+d \
        --train-subjects 1 3 5 --scale 0.001
"""

import argparse
from pathlib import Path

from deeprank_plugin.command_line import exit_with_error
from deeprank_plugin.command_line.conversion import (
    add_conversion_options,
    print_summary,
    require_output,
)
from deeprank_plugin.converters.batch import report_faults
from deeprank_plugin.converters.generic import Reading, convert_folder
from deeprank_plugin.converters.generic.class_list import read_class_names
from deeprank_plugin.datasets.annotation_writing import write_pickle
from deeprank_plugin.layouts import LAYOUTS, find_layout


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='folder of sequences')
    parser.add_argument('list', type=Path, help='CSV file: file, label, subject or split')
    parser.add_argument('out', type=Path, help='pickle to write')
    parser.add_argument('--layout', default='nturgb+d', help='name or JSON file (%(default)s)')
    splits = parser.add_mutually_exclusive_group(required=True)
    splits.add_argument(
        '--train-subjects',
        nargs='+',
        metavar='SUBJECT',
        help='subjects of split xsub_train; all others make xsub_val',
    )
    splits.add_argument('--split-column', metavar='NAME', help='column with the split of each line')
    parser.add_argument(
        '--scale', type=float, default=1.0, help='factor to metres: 0.001 for mm (%(default)s)'
    )
    parser.add_argument(
        '--img-shape',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the images of 2D poses, in the unit of the coordinates; written into the '
        'file as img_shape. Default: not written, and training takes the largest coordinates',
    )
    parser.add_argument(
        '--channels',
        type=int,
        default=3,
        help='numbers per joint in .csv and two-axis arrays (%(default)s)',
    )
    parser.add_argument(
        '--axes',
        help='axes of the arrays: M bodies, T frames, V joints, C channels; default: TVC or MTVC',
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='annotation file or checkpoint whose class names and numbers to use; default: the '
        'names of LIST, sorted',
    )
    add_conversion_options(parser)
    return parser.parse_args()


def main() -> None:
    """Convert, write, and print a summary and how to use the file."""
    args = parse_args()
    require_output(args.out, args.force)
    try:
        classes = None if args.classes is None else read_class_names(args.classes)
        image = None if args.img_shape is None else tuple(args.img_shape)
        reading = Reading(find_layout(args.layout), args.channels, args.axes, args.scale, image)
        content, faults, doubts = convert_folder(
            args.folder,
            args.list,
            reading,
            args.train_subjects,
            args.split_column,
            args.skip_bad,
            args.workers,
            classes,
        )
        report_faults(faults, args.report)
        write_pickle(content, args.out)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    name = reading.output_layout.name
    layout = name if name in LAYOUTS else args.layout
    print_summary(content, args.out, layout, faults, doubts)


if __name__ == '__main__':
    main()
