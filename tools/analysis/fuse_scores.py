#!/usr/bin/env python
"""Fuse the scores of several streams, matched by sample name.

Each file is a dump of tools/test.py --dump for one stream (joint, bone, motion). Writes fused.json
(all metrics), per_class.csv, confusion.csv, confusion.png and fused.pkl (scores, as dumped).

Example:
    python tools/analysis/fuse_scores.py joint.pkl bone.pkl motion.pkl --out-dir work_dirs/fused
"""

import argparse
import csv
import json
import pickle
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from dumps import Predictions, load_predictions

from deeprank_plugin.command_line import exit_with_error, require_writable
from deeprank_plugin.evaluation.functional.fusion import (
    ClassificationMetrics,
    classification_metrics,
    fuse_scores,
)
from deeprank_plugin.visualization import plot_confusion


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('dumps', nargs='+', type=Path, help='one file for each stream')
    parser.add_argument('--weights', nargs='+', type=float, help='one for each stream; default: 1')
    parser.add_argument(
        '--scores',
        nargs='+',
        default=['auto'],
        choices=['auto', 'probabilities', 'logits'],
        help='content of the files: one for all or one for each (default: auto, from the values)',
    )
    parser.add_argument('--names', type=Path, help='text file with one class name per line')
    parser.add_argument('--out-dir', type=Path, default=Path('work_dirs/fused'))
    return parser.parse_args()


def align(first: Predictions, other: Predictions, paths: List[Path]) -> np.ndarray:
    """Scores of ``other`` in the order of ``first``.

    Raises:
        ValueError: If classes, samples or labels differ.
    """
    if first.scores.shape[1] != other.scores.shape[1]:
        raise ValueError(
            f'{paths[0]} has {first.scores.shape[1]} classes and {paths[1]} '
            f'{other.scores.shape[1]}; expected streams of one data set'
        )
    row_of = {name: row for row, name in enumerate(other.names)}
    for names, known, path in (
        (first.names, set(row_of), paths[1]),
        (other.names, set(first.names), paths[0]),
    ):
        missing = [name for name in names if name not in known]
        if missing:
            raise ValueError(
                f'{len(missing)} samples are not in {path}, the first is {missing[0]!r}; expected '
                'the same samples in every stream: dump them with the same split'
            )
    rows = np.array([row_of[name] for name in first.names])
    differ = np.flatnonzero(first.labels != other.labels[rows])
    if len(differ):
        name = first.names[differ[0]]
        raise ValueError(
            f'sample {name!r} has class {first.labels[differ[0]]} in {paths[0]} and '
            f'{other.labels[rows][differ[0]]} in {paths[1]} ({len(differ)} such samples); expected '
            'streams of one data set'
        )
    return other.scores[rows]


def read_names(path: Optional[Path], number: int) -> List[str]:
    """Read class names; without a file, use class numbers."""
    if path is None:
        return [str(index) for index in range(number)]
    names = path.read_text(encoding='utf-8').strip().splitlines()
    if len(names) != number:
        raise ValueError(
            f'{path} has {len(names)} lines; expected one for each of {number} classes'
        )
    return names


def write_csv(path: Path, rows: List) -> None:
    """Write rows to a CSV file."""
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file, lineterminator='\n').writerows(rows)


def per_class_list(metrics: ClassificationMetrics) -> List[Optional[float]]:
    """Accuracy of each class, None for absent classes (JSON has no NaN)."""
    return [None if np.isnan(value) else float(value) for value in metrics.per_class]


def check_arguments(args: argparse.Namespace) -> None:
    """Exit with an error if the dumps, the output folder or ``--scores`` do not fit together."""
    places = [path.resolve() for path in args.dumps]
    twice = [str(path) for path in args.dumps if places.count(path.resolve()) > 1]
    if twice:
        exit_with_error(
            f'{twice[0]} is given {len(twice)} times; expected each file once (see --weights).'
        )
    if (args.out_dir / 'fused.pkl').resolve() in places:
        exit_with_error(
            f'{args.out_dir}/fused.pkl is read and would be overwritten: name another --out-dir.'
        )
    if len(args.scores) not in (1, len(args.dumps)):
        exit_with_error(
            f'{len(args.scores)} --scores for {len(args.dumps)} files; expected 1 or one each.'
        )


def write_results(
    folder: Path,
    content: Dict,
    names: List[str],
    streams: Dict[str, ClassificationMetrics],
    total: ClassificationMetrics,
) -> None:
    """Write the metrics, the accuracies of the classes and the confusion matrix."""
    (folder / 'fused.json').write_text(json.dumps(content, indent=2) + '\n')
    per_class = [['class', 'name', 'samples', *streams, 'fusion']]
    for index, name in enumerate(names):
        cells = [f'{m.per_class[index]:.6f}' for m in (*streams.values(), total)]
        per_class.append([index, name, int(total.counts[index]), *cells])
    write_csv(folder / 'per_class.csv', per_class)
    confusion = [[name, *row] for name, row in zip(names, total.confusion.tolist())]
    write_csv(folder / 'confusion.csv', [['', *names], *confusion])
    title = f'top-1 {100 * total.top1:.1f} %, {content["num_samples"]} samples'
    plot_confusion(total.confusion, names, title).savefig(folder / 'confusion.png')


def write_dump(path: Path, first: Predictions, fused: np.ndarray) -> None:
    """Write the fused scores in the format of ``tools/test.py --dump``."""
    samples = [
        dict(
            frame_dir=name,
            pred_score=torch.tensor(row),
            gt_label=torch.tensor([int(label)]),
            pred_label=torch.tensor([int(row.argmax())]),
        )
        for name, row, label in zip(first.names, fused, first.labels)
    ]
    path.write_bytes(pickle.dumps(samples))


def print_tables(
    names: List[str],
    streams: Dict[str, ClassificationMetrics],
    total: ClassificationMetrics,
    weights: Sequence[float],
) -> None:
    """Print the accuracies of the classes, then the metrics of the streams and their fusion."""
    width = max(*map(len, streams), 6)
    print(
        f'{"class":>5} {"samples":>8} '
        + ' '.join(f'{f"stream {i}":>9}' for i in range(len(streams)))
        + f' {"fusion":>9}'
    )
    for index, name in enumerate(names):
        cells = [f'{100 * m.per_class[index]:9.1f}' for m in (*streams.values(), total)]
        label = '' if name == str(index) else f'  {name}'
        print(f'{index:>5} {total.counts[index]:>8} ' + ' '.join(cells) + label)
    print()
    print(f'{"stream":<{width}} {"weight":>7} {"top-1":>7} {"top-5":>7} {"mean class":>11}')
    rows = [*zip(streams, weights, streams.values()), ('fusion', None, total)]
    for name, weight, metrics in rows:
        shown = '' if weight is None else f'{weight:g}'
        print(
            f'{name:<{width}} {shown:>7} {100 * metrics.top1:7.2f} {100 * metrics.top5:7.2f} '
            f'{100 * metrics.mean_class:11.2f}'
        )


def main() -> None:
    """Read, match, fuse, write, print."""
    args = parse_args()
    check_arguments(args)
    kinds = args.scores if len(args.scores) > 1 else args.scores * len(args.dumps)
    try:
        dumps = [load_predictions(path, kind) for path, kind in zip(args.dumps, kinds)]
        first = dumps[0]
        scores = [
            align(first, dump, [args.dumps[0], path]) for dump, path in zip(dumps, args.dumps)
        ]
        fused = fuse_scores(scores, args.weights)
        names = read_names(args.names, fused.shape[1])
    except (ValueError, OSError) as error:
        exit_with_error(str(error))
    held = ['logits' if dump.were_logits else 'probabilities' for dump in dumps]
    for path, kind in zip(args.dumps, held):
        print(f'{path} holds {kind}' + ('; their softmax is taken.' if kind == 'logits' else '.'))
    streams = {str(p): classification_metrics(s, first.labels) for p, s in zip(args.dumps, scores)}
    total = classification_metrics(fused, first.labels)
    require_writable(str(args.out_dir), 'folder of the results', '--out-dir')
    content = dict(
        num_samples=len(first.names),
        weights=args.weights or [1.0] * len(dumps),
        streams={
            path: dict(metrics.summary(), scores=kind, per_class=per_class_list(metrics))
            for (path, metrics), kind in zip(streams.items(), held)
        },
        fusion=dict(total.summary(), per_class=per_class_list(total)),
    )
    write_results(args.out_dir, content, names, streams, total)
    write_dump(args.out_dir / 'fused.pkl', first, fused)
    print_tables(names, streams, total, content['weights'])
    print(f'written to {args.out_dir}')


if __name__ == '__main__':
    main()
