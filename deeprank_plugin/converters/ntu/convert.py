"""Raw files to annotations, part by part, so that an interrupted conversion resumes."""

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
from .protocol import CLASSES, FILES, MISSING, PUBLISHED, is_in, parse_name, split_of
from .skeleton_file import COORDINATES, JOINTS, read_bodies
from .sources import RawFile, list_files, read_file

PART = re.compile(r'S\d{3}C\d{3}\.(npy|json)(\.\d+)?', re.ASCII)
PART_VERSION = f'{__version__}, 1'  # another one makes all parts anew


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
    """Annotations of NTU RGB+D 60 or 120.

    The files of each setup and camera make a part, which is written to a folder as soon as it is
    done: a later call with the same folder reads only what is not in it or has changed since.

    Args:
        sources (Sequence[str]): Folders and zip files of ``.skeleton`` files.
        dataset (str): 'ntu60' or 'ntu120'; files of the other setups and actions are passed over.
        missing (Sequence[str]): Names of the samples with missing skeletons, which are left out.
        folder (str): Where parts are kept. The coordinates are mapped from there, so that they
            need no memory; :func:`remove_parts` removes them when they are no longer needed.
        label_names (Sequence[str], optional): Names of the classes. Defaults to None: none.
        join (bool): Whether a body may go on under another id. Defaults to False.
        skip_bad (bool): Whether to leave out broken files. Defaults to False.
        workers (int, optional): Processes. Defaults to None: one a core.

    Returns:
        tuple: The content of an annotation pickle, with splits xsub_*, and xview_* (60) or xset_*
        (120), sorted by name; a sentence for each broken file; kind and sentence for all else that
        was left out; and sentences on what looks doubtful.

    Raises:
        BrokenFile: If a source or a file is broken and not to be skipped, or a split is left
            without a sample.
        ValueError: If an argument is wrong.
    """
    check_arguments(dataset, missing, label_names)
    files, faults, others = choose_files(list_files(sources), dataset)
    if faults and not skip_bad:
        raise BrokenFile(f'{faults[0]} (--skip-bad leaves out what is broken)')
    listed = {name for name in missing if is_in(dataset, parse_name(name))}
    doubts = doubt_counts(dataset, len(files), others, len(listed))
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
        for split in split_of(dataset, parse_name(annotation['frame_dir'])):
            belongs[split].add(annotation['frame_dir'])
    splits = fill_splits(annotations, belongs, str, faults)
    content = dict(split=splits, annotations=annotations)
    if label_names is not None:
        content['label_names'] = list(label_names)
    return content, faults, notes, doubts


def check_arguments(
    dataset: str, missing: Sequence[str], label_names: Optional[Sequence[str]]
) -> None:
    """Raise ``ValueError`` if an argument of :func:`convert_files` is wrong."""
    if dataset not in CLASSES:
        raise ValueError(f'dataset={dataset!r} is not known; expected one of {tuple(CLASSES)}')
    if label_names is not None and len(label_names) != CLASSES[dataset]:
        raise ValueError(
            f'{len(label_names)} label_names; expected {CLASSES[dataset]}, as many as {dataset} has'
        )
    odd = [name for name in missing if parse_name(name) is None]
    if odd:
        raise ValueError(f'missing names {odd[0]!r}; expected samples such as S001C002P005R002A008')


def doubt_counts(dataset: str, files: int, others: int, listed: int) -> List[str]:
    """Sentences on numbers of files and of listed samples that are not those of the data set."""
    doubts = []
    if files != FILES[dataset]:
        doubts.append(f'{files:,} files of {dataset} were found, of {FILES[dataset]:,}')
    if others:
        doubts.append(f'{others:,} files are not of {dataset} and were passed over')
    if listed and listed != MISSING[dataset]:
        doubts.append(
            f'{listed} samples of {dataset} are listed as having missing skeletons, of '
            f'{MISSING[dataset]}: is the list that of the other data set?'
        )
    return doubts


def choose_files(files: Sequence[RawFile], dataset: str) -> Tuple[List[RawFile], List[str], int]:
    """Files of a data set, sentences on those of a wrong name, and the number of all others."""
    chosen, faults, others = [], [], 0
    for file in files:
        sample = parse_name(file.name)
        if sample is None:
            faults.append(
                f'{file} has a name that is none of NTU RGB+D; expected such as '
                'S001C002P003R002A013.skeleton (setup to 032, camera to 003, performer to 106, '
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
    """Make the part of some files, unless it is there and none of them has changed since.

    Coordinates go to <group>.npy, all else to <group>.json, which is written last.

    Args:
        group (str): Name of the part.
        files (Sequence[RawFile]): Its files.
        folder (str): Where parts are.
        join (bool): Whether a body may go on under another id.
        skip_bad (bool): Whether to go on after a broken file. If not nothing is written.

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
    """Whether a part is there, whole, without broken files, and made of the same files."""
    try:
        content = json.loads(record.read_bytes())
        same = all(content[name] == value for name, value in key.items())
        if not same or content['faults']:
            return False
        if content['rows'] == 0:
            return True
        rows = np.load(array, mmap_mode='r', allow_pickle=False)  # refuses a file that is cut
        return rows.shape == (content['rows'], JOINTS, COORDINATES) and rows.dtype == np.float32
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return False


def load_part(folder: Union[str, Path], group: str) -> Tuple[List[Dict], List[Note]]:
    """Annotations of a part, their coordinates mapped from its file, and notes on it."""
    content = json.loads((Path(folder) / f'{group}.json').read_bytes())
    if content['rows'] == 0:
        return [], []
    # a plain array in the eyes of pickle
    rows = np.asarray(np.load(Path(folder) / f'{group}.npy', mmap_mode='r', allow_pickle=False))
    annotations, begin = [], 0
    for name, bodies, frames in content['samples']:
        end = begin + bodies * frames
        sample = parse_name(name)
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
    """Remove the files that :func:`convert_group` wrote, and their folder if nothing else is in."""
    folder = Path(folder)
    for path in folder.iterdir() if folder.is_dir() else ():
        if PART.fullmatch(path.name):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
