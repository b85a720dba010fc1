"""Overlap between splits that should be disjoint."""

import hashlib
from typing import Dict, Mapping, Sequence

from deeprank_plugin.datasets.subjects import subject_of
from deeprank_plugin.datasets.subsets import pair_splits

TEST_ENDINGS = ('val', 'test')


def content_hash(annotation: Dict) -> str:
    """SHA-256 of the coordinates: shape, type and bytes."""
    keypoint = annotation['keypoint']
    text = f'{keypoint.shape} {keypoint.dtype.str}'.encode()
    return hashlib.sha256(text + keypoint.tobytes()).hexdigest()


def compare_pair(train: Sequence[Dict], test: Sequence[Dict], hashes: Dict[str, str]) -> Dict:
    """Overlap between two splits that should be disjoint.

    Args:
        train (Sequence[dict]): Annotations of the training split.
        test (Sequence[dict]): Annotations of the test split.
        hashes (dict): Name of a sample to :func:`content_hash`.

    Returns:
        dict: ``samples``, names in both; ``subjects``, subjects in both; ``duplicates``, pairs of
        names (train, test) with the same coordinates; ``classes``, those of the test split that
        are missing from the training split.
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


def compare_pairs(parts: Mapping[str, Sequence[Dict]]) -> Dict[str, Dict]:
    """:func:`compare_pair` for each pair of training and test splits.

    Args:
        parts (dict): Split name to annotations.

    Returns:
        dict: 'x_train, x_val' (or 'train, val', or with 'test') to their overlap.
    """
    pairs = pair_splits(list(parts), TEST_ENDINGS)
    samples = {a['frame_dir']: a for part in parts.values() for a in part} if pairs else {}
    hashes = {name: content_hash(annotation) for name, annotation in samples.items()}
    return {
        f'{train}, {test}': compare_pair(parts[train], parts[test], hashes) for train, test in pairs
    }
