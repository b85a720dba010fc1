#!/usr/bin/env python
"""Convert poses that a camera's software wrote to an annotation pickle.

SOURCE is a recording, or a folder of them: JSON files of MMPose (inferencers, demos), AlphaPose,
MediaPipe landmarks (docs/camera.md has the form), Azure Kinect (the offline processor of its
samples), or folders with one JSON file per frame, of OpenPose or MMPose. Persons keep their track
ids, or are linked from frame to frame by distance.

--labels LIST is a CSV file with a header: file (inside SOURCE), label (an integer from 0, or a
name), and subject or a column of splits. With start and end (seconds, or with --in-frames the
numbers of the first and the last frame) a line takes a part of the recording. Without a list, all
recordings are converted without labels.

Axes and units are made those of NTU RGB+D: metres, y up. By default Azure Kinect is read as
millimetres, y down; MediaPipe's world landmarks as metres, y down; MMPose's 3D poses as metres, z
up and mirrored; OpenPose's as metres, y down. 2D poses stay in pixels, with scores.

Examples:
    python tools/data/prepare_poses.py poses data/poses.pkl --labels poses.csv \
        --train-subjects anna ben --fps 30 --img-shape 1080 1920
    python tools/data/prepare_poses.py kinect data/kinect.pkl --cut 4 --val-share 0.2 \
        --to-layout nturgb+d
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
from deeprank_plugin.converters.generic.class_list import read_class_names
from deeprank_plugin.converters.poses import FORMATS, Settings, convert_recordings
from deeprank_plugin.converters.poses.tracking import LINKS
from deeprank_plugin.datasets.annotation_writing import write_pickle
from deeprank_plugin.datasets.reading import TURNS
from deeprank_plugin.layouts import LAYOUTS


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='recording, or folder of recordings')
    parser.add_argument('out', type=Path, help='pickle to write')
    parser.add_argument(
        '--format', dest='form', default='auto', choices=('auto', *FORMATS), help='(%(default)s)'
    )
    add_labels(parser.add_argument_group('labels and splits'))
    add_coordinates(parser.add_argument_group('coordinates'))
    add_persons(parser.add_argument_group('persons and time'))
    add_conversion_options(parser)
    return parser.parse_args()


def add_labels(group) -> None:
    """Add the options that say what the recordings show, and what is trained on."""
    group.add_argument(
        '--labels', type=Path, metavar='LIST', help='CSV file: file, label, subject, start, end'
    )
    ways = group.add_mutually_exclusive_group()
    ways.add_argument(
        '--train-subjects',
        nargs='+',
        metavar='SUBJECT',
        help='subjects of split xsub_train; all others make xsub_val',
    )
    ways.add_argument('--split-column', metavar='NAME', help='column with the split of each line')
    ways.add_argument(
        '--val-share',
        type=float,
        metavar='SHARE',
        help='share of the recordings, drawn at random, that makes split val; the others make '
        'train. Default: one split, all, to predict on',
    )
    group.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='annotation file or checkpoint whose class names and numbers to use; default: the '
        'names of LIST, sorted',
    )


def add_coordinates(group) -> None:
    """Add the options for joints, axes and units."""
    group.add_argument(
        '--dims',
        type=int,
        choices=(2, 3),
        help='coordinates to read where files have both: OpenPose (default 2), MediaPipe (image 2, '
        'world 3; default 3)',
    )
    group.add_argument(
        '--layout', help='joints of the files, a name or JSON file; default: by their number'
    )
    group.add_argument(
        '--to-layout', metavar='NAME', help=f'joints of the samples: {", ".join(LAYOUTS)}'
    )
    group.add_argument(
        '--up',
        choices=list(TURNS),
        help='axis of the files that points up (3D), such as z or, with =, --up=-y; default: by '
        'format',
    )
    group.add_argument(
        '--scale', type=float, help='factor to metres (3D), or on pixels (2D); default: by format'
    )
    group.add_argument(
        '--img-shape',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the images of 2D poses; default: what the files say',
    )


def add_persons(group) -> None:
    """Add the options for persons, frame rates and parts."""
    default = Settings()
    group.add_argument('--max-persons', type=int, default=default.max_persons, help='(%(default)s)')
    group.add_argument(
        '--link',
        choices=LINKS,
        default=default.link,
        help='how persons are linked over the frames: by track id, by distance, or by id where '
        'every person has one (%(default)s)',
    )
    group.add_argument(
        '--max-gap',
        type=int,
        default=default.max_gap,
        metavar='FRAMES',
        help='frames that a person may be absent, linked by distance (%(default)s)',
    )
    group.add_argument(
        '--max-distance',
        type=float,
        default=default.max_distance,
        metavar='BODIES',
        help='mean distance of the joints of two linked poses, in body sizes (%(default)s)',
    )
    group.add_argument('--fps', type=float, help='frames per second; default: what the files say')
    group.add_argument('--to-fps', type=float, help='frames per second of the samples')
    group.add_argument(
        '--cut', type=float, metavar='SECONDS', help='cut whole recordings into pieces'
    )
    group.add_argument(
        '--in-frames', action='store_true', help='start and end of LIST are frame numbers'
    )


def main() -> None:
    """Convert, write, and print a summary and how to use the file."""
    args = parse_args()
    require_output(args.out, args.force)
    try:
        classes = None if args.classes is None else read_class_names(args.classes)
        given = {name: getattr(args, name) for name in Settings._fields}
        image = args.img_shape and tuple(args.img_shape)
        content, layout, faults, doubts = convert_recordings(
            args.source,
            Settings(**dict(given, img_shape=image)),
            args.labels,
            args.train_subjects,
            args.split_column,
            args.val_share,
            args.skip_bad,
            args.workers,
            classes,
        )
        report_faults(faults, args.report)
        write_pickle(content, args.out)
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    name = layout.name if layout.name in LAYOUTS else args.to_layout or args.layout
    print_summary(content, args.out, name, faults, doubts)


if __name__ == '__main__':
    main()
