#!/usr/bin/env python
"""Classify skeleton sequences from files, print the top classes, and animate them.

The input is a file or a folder of files: .npy with one array of shape (M, T, V, C), .npz with one
per name, annotations of MMAction2 (.pkl, .npz), or .skeleton of NTU RGB+D. The config's test
pipeline prepares them, so the scores equal those of tools/test.py. With --window the inputs are
long recordings, whose persons each get a timeline.

Example:
    python tools/demo_skeleton.py CONFIG work_dirs/<run>/epoch_100.pth \\
        recordings/ --out-dir work_dirs/demo_skeleton
    python tools/demo_skeleton.py CONFIG CHECKPOINT long.npy --window 2 --stride 0.5 --fps 30
    python tools/demo_skeleton.py JOINT_CONFIG JOINT_CHECKPOINT data/toy.pkl --split xsub_val \\
        --limit 4 --stream BONE_CONFIG BONE_CHECKPOINT --stream MOTION_CONFIG MOTION_CHECKPOINT
"""

import argparse
import sys
from pathlib import Path
from typing import Dict, List, Optional

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from deeprank_plugin.apis import (
    Prediction,
    fuse_streams,
    inference_skeleton_sequence,
    init_model,
    name_actions,
)
from deeprank_plugin.apis.inferencer import (
    animate_prediction,
    to_record,
    true_name,
    write_json,
)
from deeprank_plugin.apis.inputs import pack_infos, pack_recordings
from deeprank_plugin.apis.models import label_names
from deeprank_plugin.apis.sequences import read_sequences
from deeprank_plugin.apis.timeline import FPS, find_rate, tabulate, to_timeline_record
from deeprank_plugin.apis.timeline_pictures import animate_timeline, draw_timeline
from deeprank_plugin.command_line import (
    OptionAction,
    add_parameters,
    exit_with_error,
    find_checkpoint,
    load_config,
    parameters_of,
    print_warnings,
    require_writable,
)
from deeprank_plugin.visualization.animation import check_format
from deeprank_plugin.visualization.figure import file_names


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a finetuned model')
    parser.add_argument('checkpoint', help='its checkpoint, or its work dir')
    parser.add_argument('input', help='file or folder of sequences')
    parser.add_argument(
        '--stream',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='another model, such as one for bones, whose scores are averaged with the others: use '
        'the config saved in its work dir; may be repeated',
    )
    parser.add_argument(
        '--out-dir',
        default='work_dirs/demo_skeleton',
        help='folder for animations and predictions.json (%(default)s)',
    )
    parser.add_argument(
        '--format',
        choices=['gif', 'mp4', 'none'],
        default='gif',
        help='of the animations; mp4 needs ffmpeg, none disables them (%(default)s)',
    )
    parser.add_argument(
        '--window',
        type=float,
        help='name actions over time, by windows of so many seconds: prints intervals of each '
        'person, writes timelines.json and a picture beside each animation',
    )
    parser.add_argument(
        '--stride', type=float, default=0.5, help='seconds from a window to the next (%(default)s)'
    )
    parser.add_argument('--fps', type=float, help="frames per second; default: the file's, else 30")
    parser.add_argument('--topk', type=int, default=5, help='classes to print (%(default)s)')
    parser.add_argument('--split', help='split of annotations; default: all samples')
    parser.add_argument('--limit', type=int, help='use the first sequences only')
    parser.add_argument('--names', nargs='+', help='use the sequences with these names only')
    parser.add_argument('--batch-size', type=int, help="default: that of the config's test data")
    parser.add_argument(
        '--scale',
        type=float,
        help="factor to the unit of the training data, 0.001 for mm; default: the config's, else 1",
    )
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (%(default)s)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override entries of every config',
    )
    add_parameters(parser)
    args = parser.parse_args()
    for name in ('window', 'stride', 'fps', 'topk', 'limit', 'batch_size', 'scale'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")}: expected more than 0')
    return args


def print_table(names: List[str], predictions: List[Prediction], truths: List, k: int) -> None:
    """Print one block per sequence, with one line per class."""
    table = Table(box=None, header_style='bold')
    table.add_column('sequence', overflow='fold')
    for column in ('rank', 'score', 'label'):
        table.add_column(column, justify='right')
    table.add_column('class', overflow='fold')
    for name, prediction, truth in zip(names, predictions, truths):
        known = '' if truth is None else f' (true: {truth})'
        for rank, (label, text, score) in enumerate(prediction.top(k), start=1):
            first = rank == 1
            table.add_row(
                *(name + known if first else '', str(rank), f'{score:.2%}', str(label), text),
                style='bold' if first else None,
                end_section=rank == k,
            )
    print_wide(table)


def print_wide(table: Table) -> None:
    """Print a table, wide enough if the output is not a terminal."""
    Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False).print(table)


def choose(sequences: List[Dict], names: Optional[List[str]]) -> List[Dict]:
    """The sequences with these names, or all.

    Raises:
        ValueError: If there is none of a name.
    """
    if names is None:
        return sequences
    found = {str(sequence.get('frame_dir')): sequence for sequence in sequences}
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f'--names {missing[0]}: there is no such sequence; expected names such as '
            f'{", ".join(list(found)[:3])}'
        )
    return [found[name] for name in names]


def classify(args: argparse.Namespace) -> None:
    """Read, classify, print and animate."""
    if args.format != 'none':
        check_format(f'.{args.format}')
    sequences = read_sequences(args.input, args.split)
    sequences = choose(sequences, args.names)[: args.limit]
    own = load_config(args.config, **parameters_of(args))
    models = [
        init_model(config, checkpoint, args.device, args.cfg_options)
        for config, checkpoint in [(own, args.checkpoint), *args.stream]
    ]
    if args.window is not None:
        classify_windows(args, models, sequences)
        return
    infos, _ = pack_infos(models[0], sequences, args.scale)
    rates = [find_rate(info, args.fps) or FPS for info in infos]
    options = dict(batch_size=args.batch_size, scale=args.scale)
    if len(models) == 1:
        predictions = inference_skeleton_sequence(models[0], sequences, **options)
    else:
        predictions = fuse_streams(models, sequences, **options)
    names = [str(info['frame_dir']) for info in infos]
    truths = [true_name(info, label_names(models[0])) for info in infos]
    print_table(names, predictions, truths, args.topk)
    results = [to_record(info, p, args.topk) for info, p in zip(infos, predictions)]
    out_dir = Path(args.out_dir)
    write_json(out_dir / 'predictions.json', results)
    print(f'{out_dir / "predictions.json"}: {len(results)} sequences')
    if args.format == 'none':
        return
    jobs = list(zip(infos, predictions, file_names(names), rates))
    for info, prediction, name, rate in tqdm(jobs, desc='Drawing', disable=None):
        path = out_dir / f'{name}.{args.format}'
        animate_prediction(models[0], info, prediction, path, rate)
    print(f'{out_dir}: {len(jobs)} animations, the first is {jobs[0][2]}.{args.format}')


def classify_windows(args: argparse.Namespace, models: List, sequences: List[Dict]) -> None:
    """Name actions over time, print, write and draw."""
    recordings = name_actions(
        models, sequences, args.window, args.stride, args.fps, args.batch_size, args.scale
    )
    print_wide(tabulate([timeline for persons in recordings for timeline in persons]))
    out_dir = Path(args.out_dir)
    write_json(out_dir / 'timelines.json', [to_timeline_record(persons) for persons in recordings])
    print(f'{out_dir / "timelines.json"}: {len(recordings)} recordings')
    infos = pack_recordings(models[0], sequences, args.scale)[0]
    names = file_names([str(info['frame_dir']) for info in infos])
    jobs = list(zip(infos, recordings, names))
    for info, persons, name in tqdm(jobs, desc='Drawing', disable=None):
        draw_timeline(models[0], info, persons, out_dir / f'{name}.png')
        if args.format != 'none':
            animate_timeline(models[0], info, persons, out_dir / f'{name}.{args.format}')
    print(f'{out_dir}: {len(jobs)} pictures, the first is {jobs[0][2]}.png')


def main() -> None:
    """Check the paths, then classify."""
    args = parse_args()
    args.checkpoint = find_checkpoint(args.checkpoint)
    args.stream = [(config, find_checkpoint(checkpoint)) for config, checkpoint in args.stream]
    require_writable(args.out_dir, 'folder', '--out-dir')
    try:
        with print_warnings():
            classify(args)
    except (OSError, ValueError) as error:
        exit_with_error(str(error))


if __name__ == '__main__':
    main()
