"""All faults of an annotation file by kind, and the samples without faults."""

from collections import Counter
from typing import Any, Dict, List, Optional, Tuple

from deeprank_plugin.datasets.annotations import LayoutLike, find_faults, sample_name
from deeprank_plugin.datasets.class_names import check_label_names

EXAMPLES = 3


class Tally:
    """Counts by kind, each with the first few messages."""

    def __init__(self) -> None:
        self.kinds: Dict[str, Dict] = {}

    def add(self, kind: str, message: str, number: int = 1) -> None:
        """Add ``number`` to the count of a kind."""
        entry = self.kinds.setdefault(kind, dict(count=0, examples=[]))
        entry['count'] += number
        if len(entry['examples']) < EXAMPLES:
            entry['examples'].append(message)


def collect_faults(
    content: Any,
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[LayoutLike] = None,
) -> Tuple[Dict[str, Dict], List[Dict], Dict[str, List[str]]]:
    """Everything that ``SkeletonDataset`` would reject, over all splits, and what remains.

    Args:
        content (dict or list): What ``load_annotations`` returned.
        path (str): For messages.
        num_classes (int, optional): Labels must be below it. Defaults to None.
        layout (str, dict or Layout, optional): Required joint layout. Defaults to None.

    Returns:
        tuple: Faults, kind to ``dict(count, examples)``; the annotations without faults, each with
        ``frame_dir``; and split names to the names of samples that have such an annotation.

    Raises:
        ValueError: If the layout is unknown.
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
                'rename the duplicates',
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
    sound: Dict[str, Dict] = {}
    for row, (annotation, name) in enumerate(zip(named, names)):
        if row not in faulty:
            sound.setdefault(name, dict(annotation, frame_dir=name))
    try:
        check_label_names(content, [int(a['label']) for a in sound.values()], path)
    except ValueError as error:
        tally.add('label names', str(error))
    splits = {split: [n for n in members if n in sound] for split, members in splits.items()}
    return tally.kinds, list(sound.values()), splits


def split_content(content: Any, path: str, tally: Tally) -> Tuple[List, Dict[str, List]]:
    """Annotations and splits of a file, as far as they exist."""
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
