#!/usr/bin/env python
"""Detect the actions in untrimmed recordings, and score them as PKU-MMD does.

FILE is an annotation file whose samples hold segments, a list of (start, end, label) in frames from
0 with the end excluded (prepare_pkummd.py --untrimmed writes one), or any file or folder of
recordings with a CSV file of file,start,end,label in seconds (--truth). The classifier sees
windows; consecutive frames of the same class make a detection. Prints the mean average precision by
action (mAP_a) and by video (mAP_v) at each overlap theta; writes metrics.json and detections.json.

Example:
    python tools/test_untrimmed.py work_dirs/<run>/<config>.py work_dirs/<run> \\
        data/pkummd1_untrimmed.pkl --split xsub_val
    python tools/test_untrimmed.py CONFIG CHECKPOINT recordings/ --truth actions.csv --fps 30
"""

import argparse
import warnings
from pathlib import Path
from typing import Dict, List

from tqdm import tqdm

from deeprank_plugin.apis import init_model, read_sequences
from deeprank_plugin.apis.inferencer import write_json
from deeprank_plugin.apis.inputs import find_rules, model_layout, pack_infos
from deeprank_plugin.apis.models import label_names, require_classifier
from deeprank_plugin.apis.segments import check_classes, read_truths
from deeprank_plugin.apis.timeline import find_rates
from deeprank_plugin.apis.untrimmed import detect_actions
from deeprank_plugin.apis.windows import find_clip_len, size_windows
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
from deeprank_plugin.datasets.reading import suspect_axes
from deeprank_plugin.evaluation.functional import Detection, detection_map
from deeprank_plugin.evaluation.functional.detection import RULES

RECORDED = (
    *('checkpoint', 'file', 'truth', 'split'),
    *('rule', 'window', 'stride', 'fps', 'threshold'),
)  # arguments in metrics.json


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a finetuned model')
    parser.add_argument('checkpoint', help='its checkpoint, or its work dir')
    parser.add_argument('file', help='file or folder of recordings')
    parser.add_argument(
        '--truth', metavar='CSV', help='segments, in seconds; default: those in FILE'
    )
    parser.add_argument(
        '--in-frames',
        action='store_true',
        help='start and end of the CSV are the numbers of the first and the last frame',
    )
    parser.add_argument('--fps', type=float, help="frames per second; default: the file's, else 30")
    parser.add_argument('--split', help="split of annotations, or 'all'; needed if FILE has any")
    parser.add_argument('--window', type=float, default=2.0, help='in seconds (%(default)s)')
    parser.add_argument('--stride', type=float, default=0.5, help='in seconds (%(default)s)')
    parser.add_argument(
        '--threshold', type=float, help='lower scores are background; default: none is'
    )
    parser.add_argument(
        '--theta', type=float, nargs='+', default=[0.1, 0.3, 0.5, 0.7], help='(%(default)s)'
    )
    parser.add_argument(
        '--rule',
        choices=RULES,
        default='interpolated',
        help="script: the precision-recall curve of evaluate.py by PKU-MMD's authors (%(default)s)",
    )
    parser.add_argument('--out-dir', default='work_dirs/test_untrimmed', help='(%(default)s)')
    parser.add_argument('--batch-size', type=int, help="default: that of the config's test data")
    parser.add_argument('--scale', type=float, help='factor to the unit of the training data')
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (%(default)s)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionAction, metavar='KEY=VALUE', help='as for train.py'
    )
    add_parameters(parser)
    args = parser.parse_args()
    for name in ('fps', 'batch_size', 'scale'):
        value = getattr(args, name)
        if value is not None and not 0 < value < float('inf'):
            parser.error(f'--{name.replace("_", "-")} {value}: expected more than 0')
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        parser.error(f'--threshold {args.threshold}: expected a probability, 0 to 1')
    if args.in_frames and args.truth is None:
        parser.error('--in-frames is for the times of --truth; segments in FILE are frames')
    return args


def evaluate(args: argparse.Namespace) -> None:
    """Read, detect, score, print, write."""
    sequences = read_sequences(
        args.file, None if args.split == 'all' else args.split, name_split=args.split is None
    )
    rates = find_rates(sequences, args.fps)
    config = load_config(args.config, **parameters_of(args))
    model = init_model(config, args.checkpoint, args.device, args.cfg_options)
    require_classifier(model)
    names = label_names(model)
    pack_infos(model, sequences, args.scale)
    arrays = [sequence['keypoint'] for sequence in sequences]
    doubt = suspect_axes(arrays, model_layout(model), args.file)
    if doubt is not None:
        warnings.warn(doubt, stacklevel=1)
    clip_len = find_clip_len(find_rules(model).transforms)
    for rate in sorted(set(rates)):
        size_windows(args.window, args.stride, rate, clip_len)  # warns of short ones
    truths = read_truths(sequences, args.file, names, args.truth, None if args.in_frames else rates)
    if args.truth is None:
        check_classes(model, sequences)
    for theta in args.theta:
        detection_map([], truths, theta)  # raises before detection takes its time
    known = {truth.video for truth in truths}
    without = [s['frame_dir'] for s in sequences if s['frame_dir'] not in known]
    if without:
        warnings.warn(
            f'{len(without)} of {len(sequences)} recordings, such as {without[0]!r}, have no '
            'segment: each detection in them counts as wrong, by action',
            stacklevel=1,
        )
    detections: List[Detection] = []
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # pack_infos has spoken of all recordings
        for sequence, rate in tqdm(list(zip(sequences, rates)), desc='Detecting', disable=None):
            detections += detect_actions(
                model,
                sequence,
                args.window,
                args.stride,
                rate,
                args.threshold,
                args.batch_size,
                args.scale,
            )
    metrics = [
        dict(theta=theta, **detection_map(detections, truths, theta, args.rule))
        for theta in args.theta
    ]
    print(f'{len(sequences)} recordings, {len(truths)} actions, {len(detections)} detections')
    print('theta | mAP_a | mAP_v')
    for found in metrics:
        print(f'{found["theta"]:5.2f} | {found["mAP_a"]:5.3f} | {found["mAP_v"]:5.3f}')
    write(args, names, detections, metrics)


def write(
    args: argparse.Namespace, names: List[str], detections: List[Detection], metrics: List[Dict]
) -> None:
    """Write metrics.json and detections.json; numpy's numbers have become Python's."""
    for found in metrics:
        found['by_action'] = {names[label]: ap for label, ap in found['by_action'].items()}
    settings = {key: getattr(args, key) for key in RECORDED}
    records = [dict(d._asdict(), name=names[d.label]) for d in detections]
    contents = dict(metrics=dict(settings, results=metrics), detections=records)
    for name, content in contents.items():
        write_json(Path(args.out_dir) / f'{name}.json', content)
    print(f'{args.out_dir}: metrics.json, detections.json')


def main() -> None:
    """Check the paths, then evaluate."""
    args = parse_args()
    args.checkpoint = find_checkpoint(args.checkpoint)
    require_writable(args.out_dir, 'folder', '--out-dir')
    try:
        with print_warnings():
            evaluate(args)
    except (OSError, ValueError) as error:
        exit_with_error(str(error))


if __name__ == '__main__':
    main()
