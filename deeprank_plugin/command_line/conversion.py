"""What the converters share: options, checks of the file to write, and what they print of it."""

import argparse
import shlex
from pathlib import Path
from typing import Dict, Sequence

from deeprank_plugin.converters.batch import check_output

from .data_file import find_splits
from .failures import exit_with_error, require_writable


def add_conversion_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a pickle is made and replaced."""
    parser.add_argument(
        '--workers', type=count_workers, metavar='N', help='processes; default: one per core'
    )
    parser.add_argument('--skip-bad', action='store_true', help='leave out what is broken')
    parser.add_argument(
        '--report', type=Path, metavar='FILE', help='write what is left out to this file'
    )
    parser.add_argument('--force', action='store_true', help='overwrite an existing file')


def count_workers(text: str) -> int:
    """A number of processes.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r}; expected at least 1')
    return int(text)


def require_output(path: Path, force: bool) -> None:
    """Exit with an error if the pickle cannot or must not be written, before any work is done."""
    try:
        check_output(path, force)
    except ValueError as error:
        exit_with_error(str(error))
    require_writable(str(path.parent), 'folder', 'OUT')


def print_summary(
    content: Dict,
    out: Path,
    layout: str,
    faults: Sequence[str] = (),
    doubts: Sequence[str] = (),
) -> None:
    """Print what an annotation file holds, what was left out, and how to train on it.

    Args:
        content (dict): The content of the file.
        out (Path): The file.
        layout (str): Layout of its joints: a name, or a JSON file.
        faults (Sequence[str]): A sentence for each file left out.
        doubts (Sequence[str]): Warnings.
    """
    annotations = content['annotations']
    bodies = max(annotation['keypoint'].shape[0] for annotation in annotations)
    print(f'{out}: {len(annotations):,} sequences, up to {bodies} bodies')
    print('splits: ' + ', '.join(f'{name} {len(s):,}' for name, s in content['split'].items()))
    labels = sorted({a['label'] for a in annotations if 'label' in a})
    print(f'classes: {len(labels)}, num_classes={labels[-1] + 1}' if labels else 'classes: none')
    for label, name in enumerate(content.get('label_names', [])):
        print(f'  {label} {name}')
    print(f'left out: {len(faults):,}')
    print_command(content, out, layout)
    for doubt in doubts:
        print(f'WARNING: {doubt}')


def print_command(content: Dict, out: Path, layout: str) -> None:
    """Print the command for the file: to predict if it has no labels, else to train."""
    if not any('label' in annotation for annotation in content['annotations']):
        command = ['python', 'tools/demo_skeleton.py', 'CONFIG', 'CHECKPOINT', str(out)]
        print(f'predict on it, with the config and checkpoint of a model: {shlex.join(command)}')
        return
    try:
        find_splits(content, str(out))
    except ValueError as error:
        print(f'tools/train.py does not know what to train on: {error}')
        return
    command = ['python', 'tools/train.py', 'configs/deeprank/deeprank_stgcn-slim.py']
    command += ['--data', str(out), '--layout', layout]
    print(f'pretrain on it: {shlex.join(command)}')
