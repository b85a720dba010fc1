"""The parts of a sample's name, and the samples of the published splits.

Sources: samples with missing skeletons, https://github.com/shahroudy/NTURGB-D; splits, Shahroudy et
al. (CVPR 2016) and Liu et al. (TPAMI 2020).
"""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import read_lines, shorten

NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})', re.ASCII)
SUFFIX = '.skeleton'

CLASSES = {'ntu60': 60, 'ntu120': 120}
FILES = {'ntu60': 56880, 'ntu120': 114480}
MISSING = {'ntu60': 302, 'ntu120': 535}
TRAIN_SUBJECTS = {
    'ntu60': frozenset((1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)),
}
TRAIN_SUBJECTS['ntu120'] = TRAIN_SUBJECTS['ntu60'] | frozenset(
    (45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98)
    + (100, 103)
)
TRAIN_CAMERAS = (2, 3)
PUBLISHED = {
    'ntu60': dict(xsub_train=40091, xsub_val=16487, xview_train=37646, xview_val=18932),
    'ntu120': dict(xsub_train=63026, xsub_val=50919, xset_train=54468, xset_val=59477),
}
# The longer list includes the shorter one.
MISSING_LISTS = {
    'ntu60': (
        'NTU_RGBD_samples_with_missing_skeletons.txt',
        'NTU_RGBD120_samples_with_missing_skeletons.txt',
    ),
    'ntu120': ('NTU_RGBD120_samples_with_missing_skeletons.txt',),
}


class Sample(NamedTuple):
    """The numbers in a sample's name, from 1."""

    setup: int
    camera: int
    subject: int
    replication: int
    action: int


LARGEST_NUMBERS = {'ntu60': Sample(17, 3, 40, 2, 60), 'ntu120': Sample(32, 3, 106, 2, 120)}


def parse_name(name: str) -> Optional[Sample]:
    """Parse a sample's name; None if it does not belong to NTU RGB+D 120."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    sample = Sample(*map(int, match.groups()))
    limits = LARGEST_NUMBERS['ntu120']
    return sample if all(1 <= n <= most for n, most in zip(sample, limits)) else None


def parse_known_name(name: str) -> Sample:
    """Parse the name of a sample that is known to belong to NTU RGB+D.

    Raises:
        ValueError: If it does not.
    """
    sample = parse_name(name)
    if sample is None:
        raise ValueError(f'{name!r} is not a sample of NTU RGB+D; expected S001C002P003R002A013')
    return sample


def is_in(dataset: str, sample: Sample) -> bool:
    """Whether a sample belongs to 'ntu60', or to 'ntu120', which includes 'ntu60'."""
    return all(number <= most for number, most in zip(sample, LARGEST_NUMBERS[dataset]))


def split_of(dataset: str, sample: Sample) -> Tuple[str, str]:
    """Names of the two splits that a sample belongs to."""
    subject = sample.subject in TRAIN_SUBJECTS[dataset]
    if dataset == 'ntu60':
        other, trained = 'xview', sample.camera in TRAIN_CAMERAS
    else:
        other, trained = 'xset', sample.setup % 2 == 0
    return f'xsub_{"train" if subject else "val"}', f'{other}_{"train" if trained else "val"}'


def read_missing(path: Union[str, Path]) -> List[str]:
    """Read the names in a list of samples with missing skeletons.

    Remarks before the first name, as in the list of the data set's authors, are skipped.

    Raises:
        BrokenFile: If the file is not such a list.
    """
    expected = 'names of samples with missing skeletons, one per line, such as S001C002P005R002A008'
    names: List[str] = []
    for row, line in enumerate(read_lines(path, expected), 1):
        name = line.strip()
        name = name[: -len(SUFFIX)] if name.lower().endswith(SUFFIX) else name
        if parse_name(name) is not None:
            names.append(name)
        elif name and names:
            raise BrokenFile(f'{path}, line {row} is {shorten(line)}; expected {expected}')
    if not names:
        raise BrokenFile(f'{path} holds no sample name; expected {expected}')
    return names


def find_missing(dataset: str) -> Path:
    """Find the list of samples with missing skeletons that ships with MMAction2.

    Args:
        dataset (str): 'ntu60' or 'ntu120'.

    Raises:
        ValueError: If the installed MMAction2 has no such list.
    """
    names = MISSING_LISTS[dataset]
    spec = find_spec('mmaction')
    roots = [] if spec is None else spec.submodule_search_locations or []
    for root in roots:
        for folder in ('.mim/tools/data/skeleton', '../tools/data/skeleton'):
            for name in names:
                path = Path(root) / folder / name
                if path.is_file():
                    return path
    raise ValueError(
        f'the list of samples with missing skeletons, {names[0]}, is not in the installed '
        "MMAction2 (.mim/tools/data/skeleton); expected it, because the published splits don't "
        'include these samples: name it with --missing FILE (it is in tools/data/skeleton of '
        "MMAction2's repository and in Matlab of shahroudy/NTURGB-D), or go without by "
        '--no-missing-list'
    )


def compare_counts(splits: Dict[str, Sequence[str]], dataset: str) -> Tuple[List[str], bool]:
    """Compare the sizes of the splits with the published ones; lines, and whether all agree."""
    lines, same = [], True
    for split, expected in PUBLISHED[dataset].items():
        number = len(splits[split])
        verdict = 'the same' if number == expected else f'differs by {number - expected:+,}'
        lines.append(f'{split}: {number:,} samples, published {expected:,}: {verdict}')
        same &= number == expected
    return lines, same
