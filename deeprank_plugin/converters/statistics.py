"""What annotations hold: all faults by kind, statistics, and what looks suspicious.

Functions take annotations in MMAction2's format and return plain numbers, lists and dicts, which
``tools/data/check_annotations.py`` prints.
"""

import hashlib
import re
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from deeprank_plugin.datasets.annotations import LAYOUT_JOINTS, find_faults, sample_name
from deeprank_plugin.models.data_preprocessor import parse_layout

NTU_NAME = re.compile(r'S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}')
TEST_ENDINGS = ('_val', '_test')
BODY_SIZE = (0.2, 4.0)  # metres: a crouching child to an adult with a joint or two astray
BONE_VARIATION = 0.25
EXAMPLES = 3


class Tally:
    """Counts by kind, each with the first few messages."""

    def __init__(self) -> None:
        self.kinds: Dict[str, Dict] = {}

    def add(self, kind: str, message: str, number: int = 1) -> None:
        """Count ``number`` more of a kind."""
        entry = self.kinds.setdefault(kind, dict(count=0, examples=[]))
        entry['count'] += number
        if len(entry['examples']) < EXAMPLES:
            entry['examples'].append(message)


def collect_faults(
    content: Any,
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[Union[str, Dict]] = None,
) -> Tuple[Dict[str, Dict], List[Dict], Dict[str, List[str]]]:
    """All that ``SkeletonDataset`` would refuse, of all splits, and what is left without it.

    Args:
        content (dict or list): What ``load_annotations`` returned.
        path (str): For messages.
        num_classes (int, optional): Labels must be below it. Defaults to None.
        layout (str or dict, optional): Joint layout that the data must have. Defaults to None.

    Returns:
        tuple: Faults, kind to ``dict(count, examples)``; the annotations without faults, each with
        ``frame_dir``; and names of splits to names of samples that have such an annotation.

    Raises:
        ValueError: If the layout is not known.
    """
    tally = Tally()
    annotations, splits = split_content(content, path, tally)
    named, names = [], []
    for row, annotation in enumerate(annotations):
        if not isinstance(annotation, dict):
            kind = type(annotation).__name__
            tally.add('no dict', f'annotation number {row} of {path} is a {kind}; expected a dict')
            continue
        try:
            name = sample_name(annotation, path, row)
        except ValueError as error:
            tally.add('no name', str(error))
            continue
        named.append(annotation)
        names.append(name)
    faulty = set()
    for row, fault in find_faults(named, path, num_classes, layout):
        faulty.add(row)
        tally.add(fault.kind, str(fault))
    for name, count in Counter(names).items():
        if count > 1:
            tally.add(
                'name twice',
                f'sample {name!r} of {path} occurs {count} times; expected unique names: remove or '
                'rename the copies',
                count - 1,
            )
    known = set(names)
    for split, members in splits.items():
        if not members:
            tally.add('empty split', f'split {split!r} of {path} is empty; expected samples')
        missing = [name for name in members if name not in known]
        if missing:
            tally.add(
                'no annotation',
                f'{len(missing)} samples of split {split!r} have no annotation in {path}, such as '
                f'{missing[:EXAMPLES]}; expected one for each: make the file again',
                len(missing),
            )
    sound = {}
    for row, (annotation, name) in enumerate(zip(named, names)):
        if row not in faulty:
            sound.setdefault(name, dict(annotation, frame_dir=name))
    splits = {split: [n for n in members if n in sound] for split, members in splits.items()}
    return tally.kinds, list(sound.values()), splits


def split_content(content: Any, path: str, tally: Tally) -> Tuple[List, Dict[str, List]]:
    """Annotations and splits of a file, each as far as they are there."""
    if isinstance(content, list):
        return content, {}
    if not isinstance(content, dict) or not {'split', 'annotations'} <= set(content):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        tally.add(
            'no annotations',
            f'annotation file {path} holds {found}; expected dict(split={{name: [sample names]}}, '
            'annotations=[dict(frame_dir, label, total_frames, keypoint), ...])',
        )
    content = content if isinstance(content, dict) else {}
    splits, annotations = content.get('split', {}), content.get('annotations', [])
    if not isinstance(annotations, list):
        kind = type(annotations).__name__
        tally.add('no annotations', f'annotations of {path} are a {kind}; expected a list of dicts')
        annotations = []
    if not isinstance(splits, dict):
        kind = type(splits).__name__
        tally.add('no splits', f'split of {path} is a {kind}; expected a dict of lists of names')
        splits = {}
    kept = {}
    for split, members in splits.items():
        try:
            kept[split] = list(dict.fromkeys(members))
        except TypeError:
            kind = type(members).__name__
            tally.add(
                'no splits', f'split {split!r} of {path} is a {kind}; expected a list of names'
            )
    return annotations, kept


def summarise(values: Sequence[float]) -> Dict[str, float]:
    """Smallest, middle and largest value."""
    numbers = [np.min(values), np.median(values), np.max(values)]
    return {key: float(number) for key, number in zip(('min', 'median', 'max'), numbers)}


def describe_split(annotations: Sequence[Dict]) -> Dict:
    """Number, lengths in frames, and samples a class, of one split or of the whole file."""
    if not annotations:
        return dict(samples=0, lengths=None, classes={})
    counts = Counter(int(annotation['label']) for annotation in annotations)
    return dict(
        samples=len(annotations),
        lengths=summarise([annotation['keypoint'].shape[1] for annotation in annotations]),
        classes={label: counts[label] for label in sorted(counts)},
    )


def describe_bodies(annotations: Sequence[Dict]) -> Dict:
    """Shares of bodies that are zero throughout, of frames without a body, and first bodies absent.

    Returns:
        dict: ``bodies``, the number of bodies M in all samples; ``empty_bodies``, the share of them
        that are absent; ``empty_frames``, the share of frames (of samples) with no body at all;
        ``first_empty``, the names of samples whose first body is absent while another is not.
    """
    bodies = empty = frames = blank = 0
    first = []
    for annotation in annotations:
        present = annotation['keypoint'].any(axis=(2, 3))  # (M, T)
        there = present.any(axis=1)
        bodies += len(there)
        empty += int((~there).sum())
        frames += present.shape[1]
        blank += int((~present.any(axis=0)).sum())
        if not there[0]:
            first.append(annotation['frame_dir'])
    return dict(
        bodies=bodies,
        empty_bodies=empty / max(bodies, 1),
        empty_frames=blank / max(frames, 1),
        first_empty=first,
    )


def body_size(keypoint: np.ndarray) -> float:
    """Median over bodies and frames of the longest side of the box around the joints present.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, C); absent joints are exactly zero.

    Returns:
        float: Size in the unit of the coordinates; 0 if no frame shows two joints.
    """
    present = keypoint.any(axis=-1)  # (M, T, V)
    shown = keypoint[present.sum(axis=-1) > 1].astype(np.float64)  # (frames, V, C)
    if not len(shown):
        return 0.0
    absent = ~shown.any(axis=-1)[..., None]
    high = np.where(absent, -np.inf, shown).max(axis=1)
    low = np.where(absent, np.inf, shown).min(axis=1)
    return float(np.median((high - low).max(axis=-1)))


def describe_sizes(annotations: Sequence[Dict]) -> Dict:
    """Sizes of the bodies, what unit they suggest, and the samples that are out of line.

    Returns:
        dict: ``size`` (min, median, max over samples); ``unit``: 'metres', or what else the median
        looks like; ``suspicious``: names of samples out of ``BODY_SIZE`` in metres (if the median
        is within), or, in other units, ten times larger or smaller than the median.
    """
    sizes = [body_size(annotation['keypoint']) for annotation in annotations]
    median = float(np.median(sizes))
    metres = BODY_SIZE[0] <= median <= BODY_SIZE[1]
    whole = all((a['keypoint'] == np.round(a['keypoint'])).all() for a in annotations[:50])
    if metres:
        unit = 'metres'
    elif median < BODY_SIZE[0]:
        unit = 'normalised coordinates, or nearly all joints absent'
    elif whole:
        unit = 'pixels (all numbers are whole)'
    elif median > 600:
        unit = 'millimetres or pixels'
    elif median > 20:
        unit = 'centimetres or pixels'
    else:
        unit = 'none that we know'
    low, high = BODY_SIZE if metres else (median / 10, median * 10)
    return dict(
        size=summarise(sizes),
        unit=unit,
        suspicious=[a['frame_dir'] for a, s in zip(annotations, sizes) if not low <= s <= high],
    )


def bone_variation(keypoint: np.ndarray, pairs: Sequence[Tuple[int, int]]) -> Optional[float]:
    """How much bones change in length within a sequence: 0 for a rigid skeleton.

    For each bone of each body, the standard deviation of its length over the frames that show both
    joints, divided by the mean; of these, the mean.

    Args:
        keypoint (np.ndarray): Coordinates of shape (M, T, V, 3); absent joints are exactly zero.
        pairs (Sequence[tuple[int, int]]): (joint, parent), the root paired with itself.

    Returns:
        float, optional: None if no bone is shown twice.
    """
    joints, parents = np.array([pair for pair in pairs if pair[0] != pair[1]]).T
    present = keypoint.any(axis=-1)
    both = present[..., joints] & present[..., parents]  # (M, T, bones)
    difference = keypoint[..., joints, :].astype(np.float64) - keypoint[..., parents, :]
    length = np.where(both, np.linalg.norm(difference, axis=-1), 0)
    number = both.sum(axis=1)  # (M, bones)
    mean = length.sum(axis=1) / np.maximum(number, 1)
    square = np.where(both, (length - mean[:, None]) ** 2, 0).sum(axis=1)
    known = (number > 1) & (mean > 0)  # a joint that copies its parent makes no bone
    if not known.any():
        return None
    return float((np.sqrt(square[known] / number[known]) / mean[known]).mean())


def describe_bones(annotations: Sequence[Dict], pairs: Sequence[Tuple[int, int]]) -> Optional[Dict]:
    """Bone-length variation of all samples, and the sample with the largest."""
    found = [(bone_variation(a['keypoint'], pairs), a['frame_dir']) for a in annotations]
    found = [(value, name) for value, name in found if value is not None]
    if not found:
        return None
    return dict(variation=summarise([value for value, _ in found]), worst=max(found)[1])


def subject_of(annotation: Dict) -> Optional[str]:
    """Key ``subject`` of an annotation, or the performer in a name such as S001C001P001R001A001."""
    if 'subject' in annotation:
        return str(annotation['subject'])
    match = NTU_NAME.search(str(annotation['frame_dir']))
    return None if match is None else str(int(match[1]))


def content_hash(annotation: Dict) -> str:
    """SHA-256 of the coordinates: shape, type and bytes."""
    keypoint = annotation['keypoint']
    text = f'{keypoint.shape} {keypoint.dtype.str}'.encode()
    return hashlib.sha256(text + keypoint.tobytes()).hexdigest()


def find_pairs(splits: Sequence[str]) -> List[Tuple[str, str]]:
    """Pairs of splits that train and test each other: x_train with x_val or x_test."""
    stems = [split[: -len('_train')] for split in splits if split.endswith('_train')]
    return [(f'{s}_train', s + end) for s in stems for end in TEST_ENDINGS if s + end in splits]


def compare_pair(train: Sequence[Dict], test: Sequence[Dict], hashes: Dict[str, str]) -> Dict:
    """What two splits share that should be apart.

    Args:
        train (Sequence[dict]): Annotations of the one.
        test (Sequence[dict]): Annotations of the other.
        hashes (dict): Name of a sample to :func:`content_hash`.

    Returns:
        dict: ``samples``, names in both; ``subjects``, subjects in both; ``duplicates``, pairs of
        names (train, test) with the same coordinates; ``classes``, those of the test split that
        the training split lacks.
    """
    names = [{annotation['frame_dir'] for annotation in part} for part in (train, test)]
    subjects = [{subject_of(a) for a in part} - {None} for part in (train, test)]
    labels = [{int(annotation['label']) for annotation in part} for part in (train, test)]
    first: Dict[str, str] = {}
    for annotation in train:
        first.setdefault(hashes[annotation['frame_dir']], annotation['frame_dir'])
    twins = [
        (first[hashes[a['frame_dir']]], a['frame_dir'])
        for a in test
        if hashes[a['frame_dir']] in first and a['frame_dir'] not in names[0]
    ]
    return dict(
        samples=sorted(names[0] & names[1]),
        subjects=sorted(subjects[0] & subjects[1]),
        duplicates=twins,
        classes=sorted(labels[1] - labels[0]),
    )


def guess_layout(annotations: Sequence[Dict]) -> Optional[str]:
    """The layout with as many joints as the samples have, if there is one."""
    joints, channels = annotations[0]['keypoint'].shape[2:]
    fitting = [name for name, number in LAYOUT_JOINTS.items() if number == joints]
    return fitting[0] if fitting and (fitting[0] != 'nturgb+d' or channels == 3) else None


def examine(
    content: Any,
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[str] = None,
) -> Tuple[Dict, List[Dict]]:
    """Everything about a file: faults, statistics, warnings and a verdict.

    Metres and bones of constant length are expected of 3D data: three channels, and no layout in
    which the third is a score ('coco', 'openpose').

    Args:
        content (dict or list): What ``load_annotations`` returned.
        path (str): For messages.
        num_classes (int, optional): Labels must be below it. Defaults to None.
        layout (str, optional): Joint layout that the data must have. Defaults to None: not checked,
            and guessed from the number of joints for the lengths of bones.

    Returns:
        tuple: A dict with ``verdict`` ('ok', 'warnings' or 'faults'), ``faults``, ``warnings``
        (sentences), ``samples`` (in the file), and, over the samples without faults, ``sound``
        (their number), ``all``, ``splits``, ``layout``, ``bodies``, ``sizes``, ``bones`` and
        ``pairs``; and the annotations without faults.

    Raises:
        ValueError: If the layout is not known.
    """
    faults, annotations, splits = collect_faults(content, path, num_classes, layout)
    metres = False
    of_file = content if isinstance(content, list) else []
    of_file = content.get('annotations', []) if isinstance(content, dict) else of_file
    report: Dict[str, Any] = dict(
        file=str(path),
        samples=len(of_file) if isinstance(of_file, list) else 0,
        sound=len(annotations),
        all=describe_split(annotations),
        splits={},
        layout=layout,
        bodies=None,
        sizes=None,
        bones=None,
        pairs={},
    )
    if annotations:
        of_name = {annotation['frame_dir']: annotation for annotation in annotations}
        parts = {split: [of_name[n] for n in members] for split, members in splits.items()}
        report['splits'] = {split: describe_split(part) for split, part in parts.items()}
        report['bodies'] = describe_bodies(annotations)
        report['sizes'] = describe_sizes(annotations)
        report['layout'] = layout = layout or guess_layout(annotations)
        metres = annotations[0]['keypoint'].shape[3] == 3 and layout in (None, 'nturgb+d')
        if metres and layout is not None:
            report['bones'] = describe_bones(annotations, parse_layout(layout)[1])
        together = find_pairs(list(splits))
        hashes = {n: content_hash(a) for n, a in of_name.items()} if together else {}
        for train, test in together:
            found = compare_pair(parts[train], parts[test], hashes)
            report['pairs'][f'{train}, {test}'] = found
            if found['samples']:
                names = found['samples']
                faults['in both splits'] = dict(
                    count=faults.get('in both splits', dict(count=0))['count'] + len(names),
                    examples=[
                        f'{len(names)} samples of {path} are in {train!r} and in {test!r}, such as '
                        f'{names[:EXAMPLES]}; expected each in one of them'
                    ],
                )
    else:
        faults.setdefault(
            'no sample',
            dict(count=1, examples=[f'{path} holds no sample without faults; expected some']),
        )
    report['faults'] = faults
    report['warnings'] = find_warnings(report, metres)
    report['verdict'] = 'faults' if faults else 'warnings' if report['warnings'] else 'ok'
    return report, annotations


def find_warnings(report: Dict, metres: bool) -> List[str]:
    """Sentences on what SkeletonDataset takes and a user may not want."""
    if not report['sound']:
        return []
    warnings = []
    sizes, bodies, bones = report['sizes'], report['bodies'], report['bones']
    if metres and sizes['unit'] != 'metres':
        warnings.append(
            f'a body measures {sizes["size"]["median"]:.4g} (median of the longest side); expected '
            f'{BODY_SIZE[0]} to {BODY_SIZE[1]} metres: this looks like {sizes["unit"]}'
        )
    elif metres and sizes['suspicious']:
        warnings.append(
            f'{some(sizes["suspicious"], "samples")} in another unit or badly tracked: the body '
            f'measures less than {BODY_SIZE[0]} or more than {BODY_SIZE[1]} metres'
        )
    if bones is not None and bones['variation']['median'] > BONE_VARIATION:
        warnings.append(
            f'bones change in length by {bones["variation"]["median"]:.0%} (median): the joints '
            'may be in another order than the layout has them'
        )
    if bodies['first_empty']:
        warnings.append(
            f'{some(bodies["first_empty"], "samples")} with an absent first body while another is '
            'there: put those present first'
        )
    labels = list(report['all']['classes'])
    absent = sorted(set(range(labels[-1] + 1)) - set(labels))
    if absent:
        warnings.append(f'{some(absent, "classes")} below the largest label without a sample')
    for pair, found in report['pairs'].items():
        train, test = pair.split(', ')
        if found['duplicates']:
            twins = [f'{a} = {b}' for a, b in found['duplicates']]
            warnings.append(
                f'{some(twins, "samples")} of {test} with the coordinates of one of {train}'
            )
        if found['subjects'] and 'sub' in train:
            warnings.append(f'{some(found["subjects"], "subjects")} both in {train} and in {test}')
        if found['classes']:
            warnings.append(
                f'{some(found["classes"], "classes")} of {test} without a sample in {train}'
            )
    return warnings


def some(items: Sequence, noun: str) -> str:
    """A number of things, and the first of them."""
    shown = ', '.join(map(str, items[:EXAMPLES]))
    return f'{len(items)} {noun} ({shown}{", ..." if len(items) > EXAMPLES else ""})'
