"""Shared by converters of many files: broken files, several processes, splits, the report."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, TypeVar

from tqdm import tqdm

SHOWN = 20  # number of faults printed
Made = TypeVar('Made')


class BrokenFile(ValueError):
    """A raw file is invalid: which one, what was found, what was expected, what to do."""


def convert_all(
    function: Callable[..., Tuple[List[Made], List[str]]],
    jobs: Sequence[Tuple],
    skip_bad: bool = False,
    workers: Optional[int] = None,
    unit: str = 'file',
    chunk: Optional[int] = None,
) -> Tuple[List[Made], List[str]]:
    """Convert many files; the samples keep the order of the files for any number of processes.

    Args:
        function (callable): Returns the annotations of one file, and a sentence for each fault.
        jobs (Sequence[tuple]): Its arguments for each file.
        skip_bad (bool): Whether to continue after a fault. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one per available core.
        unit (str): Name of a job in the progress bar. Defaults to 'file'.
        chunk (int, optional): Jobs that a process takes at a time. Defaults to None: up to 32.

    Returns:
        tuple: All annotations, and all faults.

    Raises:
        BrokenFile: At the first fault, unless ``skip_bad``.
    """
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1
    workers = min(workers, len(jobs))
    if workers < 2:
        return gather((function(*job) for job in jobs), len(jobs), skip_bad, unit)
    with ProcessPoolExecutor(workers) as executor:
        try:
            chunk = chunk or max(1, min(32, len(jobs) // (8 * workers)))
            results = executor.map(function, *zip(*jobs), chunksize=chunk)
            return gather(results, len(jobs), skip_bad, unit)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def gather(
    results: Iterable[Tuple[List[Made], List[str]]],
    number: int,
    skip_bad: bool,
    unit: str = 'file',
) -> Tuple[List[Made], List[str]]:
    """Collect the results of :func:`convert_all`, with a progress bar on a terminal."""
    annotations: List[Made] = []
    faults: List[str] = []
    for made, found in tqdm(results, total=number, unit=unit, disable=None):
        if found and not skip_bad:
            raise BrokenFile(f'{found[0]} (--skip-bad leaves out broken files)')
        annotations += made
        faults += found
    return annotations, faults


def fill_splits(
    annotations: Sequence[Dict],
    belongs: Dict[str, Any],
    source: Callable[[str], Any],
    faults: Sequence[str],
    allow_empty: bool = False,
) -> Dict[str, List[str]]:
    """Names of the samples of each split, in the order of the annotations.

    Args:
        annotations (Sequence[dict]): The samples.
        belongs (dict): Split name to the set of its sources (videos, files).
        source (callable): Returns the source of a sample, given its name.
        faults (Sequence[str]): What was left out, for messages.
        allow_empty (bool): Whether some splits, not all, may be empty. Defaults to False.

    Raises:
        BrokenFile: If a split that must not be empty has no sample.
    """
    splits: Dict[str, List[str]] = {split: [] for split in belongs}
    for annotation in annotations:
        name = annotation['frame_dir']
        for split, members in belongs.items():
            if source(name) in members:
                splits[split].append(name)
    empty = [split for split, names in splits.items() if not names]
    if len(empty) > (len(splits) - 1 if allow_empty else 0):
        if faults:
            raise BrokenFile(
                f'split {empty[0]!r} has no sample left; expected at least one: repair the broken '
                f'files ({len(faults)} faults, the first: {faults[0]})'
            )
        raise BrokenFile(
            f'no file belongs to split {empty[0]!r}; expected at least one: add files of this split'
        )
    return splits


def check_output(path: Path, force: bool) -> None:
    """Raise ``ValueError`` if a pickle cannot or must not be written to a path."""
    if path.suffix == '.npz':
        raise ValueError(
            f'{path} ends in .npz; expected the name of a pickle: write one, then convert it with '
            'tools/data/convert_annotations.py'
        )
    if path.is_dir() or (path.exists() and not force):
        remedy = 'choose another name' if path.is_dir() else 'or replace it with --force'
        raise ValueError(f'{path} exists; expected a new name: {remedy}')


def report_faults(
    faults: Sequence[str], path: Optional[Path] = None, notes: Sequence[str] = ()
) -> None:
    """Print the first faults to stderr; write all faults and notes to a file, if given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(line + '\n' for line in [*faults, *notes]), encoding='utf-8')
    for fault in faults[:SHOWN]:
        print(f'left out: {fault}', file=sys.stderr)
    if len(faults) > SHOWN:
        rest = f'and {len(faults) - SHOWN} more'
        print(rest + (f', all in {path}' if path else ': --report FILE lists all'), file=sys.stderr)
