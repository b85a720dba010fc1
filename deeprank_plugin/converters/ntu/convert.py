"""Convert raw files to annotations part by part, so that an interrupted conversion can resume."""

import json
import os
import re
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple, Union

import numpy as np

from deeprank_plugin.converters.batch import BrokenFile, convert_all, fill_splits
from deeprank_plugin.version import __version__

from .clean_up import Note, clean_bodies
from .protocol import (
    CLASSES,
    FILES,
    MISSING,
    PUBLISHED,
    is_in,
    parse_known_name,
    parse_name,
    split_of,
)
from .skeleton_file import COORDINATES, JOINTS, read_bodies
from .sources import RawFile, list_files, read_file

PART = re.compile(r'S\d{3}C\d{3}\.(npy|json)(\.\d+)?', re.ASCII)
PART_VERSION = f'{__version__}, 1'  # a new version rebuilds all parts


def convert_files(
    sources: Sequence[Union[str, Path]],
    dataset: str,
    missing: Sequence[str],
    folder: Union[str, Path],
    label_names: Optional[Sequence[str]] = None,
    join: bool = False,
    skip_bad: bool = False,
    workers: Optional[int] = None,
) -> Tuple[Dict, List[str], List[Note], List[str]]:
    """Convert NTU RGB+D 60 or 120 to annotations.

    The files of each setup and camera form a part, which is written to a folder as soon as it is
    done: a later call with the same folder converts only parts that are missing or have changed.

    Args:
        sources (Sequence[str]): Folders and zip files of ``.skeleton`` files.
        dataset (str): 'ntu60' or 'ntu120'; files of other setups and actions are skipped.
        missing (Sequence[str]): Names of samples with missing skeletons, which are left out.
        folder (str): Folder of the parts. Coordinates are memory-mapped from there;
            :func:`remove_parts` removes the parts once they are no longer needed.
        label_names (Sequence[str], optional): Names of the classes. Defaults to None: none.
        join (bool): Whether to merge a body found again under another id. Defaults to False.
        skip_bad (bool): Whether to leave out broken files. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one per core.

    Returns:
        tuple: The content of an annotation pickle, with splits xsub_*, and xview_* (60) or xset_*
        (120), sorted by name; a sentence for each broken file; kind and sentence for everything
        else left out; and warnings.

    Raises:
        BrokenFile: If a source or a file is broken and not to be skipped, or no sample is left.
        ValueError: If an argument is invalid.
    """
    check_arguments(dataset, missing, label_names)
    files, faults, others = choose_files(list_files(sources), dataset)
    if faults and not skip_bad:
        raise BrokenFile(f'{faults[0]} (--skip-bad leaves out broken files)')
    listed = {name for name in missing if is_in(dataset, parse_known_name(name))}
    doubts = suspect_counts(dataset, len(files), others, len(listed))
    reason = 'listed as having missing skeletons'
    notes = [('listed sample', f'{file.name}, {reason}') for file in files if file.name in listed]
    groups: Dict[str, List[RawFile]] = {}
    for file in files:
        if file.name not in listed:
            groups.setdefault(file.name[:8], []).append(file)
    Path(folder).mkdir(parents=True, exist_ok=True)
    jobs = [(group, members, folder, join, skip_bad) for group, members in groups.items()]
    made, found = convert_all(convert_group, jobs, skip_bad, workers, unit='part', chunk=1)
    faults += found
    annotations = []
    for part in made:
        loaded, remarks = load_part(folder, part['group'])
        annotations += loaded
        notes += remarks
    belongs: Dict[str, Set[str]] = {split: set() for split in PUBLISHED[dataset]}
    for annotation in annotations:
        for split in split_of(dataset, parse_known_name(annotation['frame_dir'])):
            belongs[split].add(annotation['frame_dir'])
    splits = fill_splits(annotations, belongs, str, faults, allow_empty=True)
    empty = [split for split, names in splits.items() if not names]
    if empty:
        doubts.append(f'no file belongs to {", ".join(empty)}: training and test need samples')
    content = dict(split=splits, annotations=annotations)
    if label_names is not None:
        content['label_names'] = list(label_names)
    return content, faults, notes, doubts


def check_arguments(
    dataset: str, missing: Sequence[str], label_names: Optional[Sequence[str]]
) -> None:
    """Raise ``ValueError`` if an argument of :func:`convert_files` is invalid."""
    if dataset not in CLASSES:
        raise ValueError(f'dataset={dataset!r} is unknown; expected one of {tuple(CLASSES)}')
    if label_names is not None and len(label_names) != CLASSES[dataset]:
        raise ValueError(
            f'{len(label_names)} label_names; expected {CLASSES[dataset]}, the classes of {dataset}'
        )
    odd = [name for name in missing if parse_name(name) is None]
    if odd:
        raise ValueError(f'missing names {odd[0]!r}; expected samples such as S001C002P005R002A008')


def suspect_counts(dataset: str, files: int, others: int, listed: int) -> List[str]:
    """Warnings on numbers of files and listed samples that differ from the data set's."""
    doubts = []
    if files != FILES[dataset]:
        doubts.append(f'{files:,} of the {FILES[dataset]:,} files of {dataset} were found')
    if others:
        doubts.append(f'{others:,} files do not belong to {dataset} and were skipped')
    if listed and listed != MISSING[dataset]:
        doubts.append(
            f'{listed} samples of {dataset} are listed as having missing skeletons, expected '
            f'{MISSING[dataset]}: is this the list of the other data set?'
        )
    return doubts


def choose_files(files: Sequence[RawFile], dataset: str) -> Tuple[List[RawFile], List[str], int]:
    """Files of a data set, a sentence for each invalid name, and the number of other files."""
    chosen, faults, others = [], [], 0
    for file in files:
        sample = parse_name(file.name)
        if sample is None:
            faults.append(
                f'{file} has a name that does not belong to NTU RGB+D; expected one such as '
                'S001C002P003R002A013.skeleton (setup up to 032, camera to 003, performer to 106, '
                'replication to 002, action to 120): rename or remove the file'
            )
        elif is_in(dataset, sample):
            chosen.append(file)
        else:
            others += 1
    return chosen, faults, others


def convert_group(
    group: str, files: Sequence[RawFile], folder: Union[str, Path], join: bool, skip_bad: bool
) -> Tuple[List[Dict], List[str]]:
    """Convert the files of one part, unless the part exists and no file has changed since.

    Coordinates go to <group>.npy, everything else to <group>.json, which is written last.

    Args:
        group (str): Name of the part.
        files (Sequence[RawFile]): Its files.
        folder (str): Folder of the parts.
        join (bool): Whether to merge a body found again under another id.
        skip_bad (bool): Whether to continue after a broken file; if not, nothing is written.

    Returns:
        tuple: ``[dict(group=group)]``, for :func:`load_part`; and a sentence for each broken file.
    """
    key = dict(version=PART_VERSION, join=join, files=[list(file) for file in files])
    array, record = Path(folder) / f'{group}.npy', Path(folder) / f'{group}.json'
    if is_done(array, record, key):
        return [dict(group=group)], []
    record.unlink(missing_ok=True)
    keypoints, samples, notes, faults = [], [], [], []
    with ExitStack() as stack:
        archives: Dict[str, zipfile.ZipFile] = {}
        for file in files:
            try:
                lines = read_file(file, archives, stack)
                keypoint, found = clean_bodies(*read_bodies(lines, str(file)), join)
            except BrokenFile as error:
                faults.append(str(error))
                if not skip_bad:
                    return [], faults
                continue
            keypoints.append(keypoint.reshape(-1, JOINTS, COORDINATES))
            samples.append([file.name, *keypoint.shape[:2]])
            notes += [(kind, f'{file.name}, {sentence}') for kind, sentence in found]
    rows = np.concatenate(keypoints) if keypoints else np.zeros((0, JOINTS, COORDINATES), 'f4')
    content = dict(key, rows=len(rows), samples=samples, notes=notes, faults=faults)
    for path in (array, record):
        temporary = path.with_name(f'{path.name}.{os.getpid()}')
        with temporary.open('wb') as stream:
            if path == array:
                np.save(stream, rows, allow_pickle=False)
            else:
                stream.write(json.dumps(content).encode())
        os.replace(temporary, path)
    return [dict(group=group)], faults


def is_done(array: Path, record: Path, key: Dict) -> bool:
    """Whether a part exists, complete, without broken files, and made from the same files."""
    try:
        content = json.loads(record.read_bytes())
        same = all(content[name] == value for name, value in key.items())
        if not same or content['faults']:
            return False
        if content['rows'] == 0:
            return True
        rows = np.load(array, mmap_mode='r', allow_pickle=False)  # raises if the file is truncated
        return rows.shape == (content['rows'], JOINTS, COORDINATES) and rows.dtype == np.float32
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return False


def load_part(folder: Union[str, Path], group: str) -> Tuple[List[Dict], List[Note]]:
    """Load the annotations of a part, with memory-mapped coordinates, and its notes."""
    content = json.loads((Path(folder) / f'{group}.json').read_bytes())
    if content['rows'] == 0:
        return [], []
    # pickle treats this as a plain array
    rows = np.asarray(np.load(Path(folder) / f'{group}.npy', mmap_mode='r', allow_pickle=False))
    annotations, begin = [], 0
    for name, bodies, frames in content['samples']:
        end = begin + bodies * frames
        sample = parse_known_name(name)
        annotations.append(
            dict(
                frame_dir=name,
                label=sample.action - 1,
                total_frames=frames,
                keypoint=rows[begin:end].reshape(bodies, frames, JOINTS, COORDINATES),
                setup=sample.setup,
                camera=sample.camera,
                subject=sample.subject,
            )
        )
        begin = end
    return annotations, [tuple(note) for note in content['notes']]


def remove_parts(folder: Union[str, Path]) -> None:
    """Remove the files that :func:`convert_group` wrote, and their folder if it is then empty."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if PART.fullmatch(path.name):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
