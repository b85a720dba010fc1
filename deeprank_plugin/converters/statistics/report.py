"""The report on an annotation file: faults, measures, warnings and a verdict."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from deeprank_plugin.datasets.annotations import LayoutLike
from deeprank_plugin.datasets.reading import suspect_axes
from deeprank_plugin.layouts import BODY_SIZE, Layout, find_layout, recognise_layouts

from .faults import EXAMPLES, collect_faults
from .measures import count_bodies, count_split, measure_bones, measure_sizes
from .overlap import compare_pairs

BONE_VARIATION = 0.25
GAPS = 0.05  # share of frames in gaps without a body
LOOKED_AT = 64  # samples whose numbers tell the layout


def examine(
    content: Any,
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[LayoutLike] = None,
) -> Tuple[Dict, List[Dict]]:
    """Full report on a file: faults, statistics, warnings and a verdict.

    3D data (three channels) should be in metres if their layout is unknown or has a body size in
    metres, and should have bones of constant length if the third channel of the layout is not a
    score.

    Args:
        content (dict or list): What ``load_annotations`` returned.
        path (str): For messages.
        num_classes (int, optional): Labels must be below it. Defaults to None.
        layout (str, dict or Layout, optional): Required joint layout. Defaults to None: not
            checked, and recognised by joints, channels and numbers to measure bones.

    Returns:
        tuple: A dict with ``verdict`` ('ok', 'warnings' or 'faults'), ``faults``, ``warnings``
        (sentences), ``samples`` (in the file), and, over the samples without faults, ``sound``
        (their number), ``all``, ``splits``, ``layout`` and ``other_layouts`` (names; the others
        fit as well), ``bodies``, ``sizes``, ``bones``, ``axes`` (a sentence or None) and
        ``pairs``; and the annotations without faults.

    Raises:
        ValueError: If the layout is unknown.
    """
    layout = None if layout is None else find_layout(layout)
    faults, annotations, splits = collect_faults(content, path, num_classes, layout)
    of_file = content if isinstance(content, list) else []
    of_file = content.get('annotations', []) if isinstance(content, dict) else of_file
    report: Dict[str, Any] = dict(
        file=str(path),
        samples=len(of_file) if isinstance(of_file, list) else 0,
        sound=len(annotations),
        all=count_split(annotations),
        splits={},
        layout=None if layout is None else layout.name,
        other_layouts=[],
        bodies=None,
        sizes=None,
        bones=None,
        axes=None,
        pairs={},
    )
    metres = False
    if annotations:
        of_name = {annotation['frame_dir']: annotation for annotation in annotations}
        parts = {split: [of_name[n] for n in members] for split, members in splits.items()}
        report['splits'] = {split: count_split(part) for split, part in parts.items()}
        metres = measure(annotations, layout, report)
        report['pairs'] = compare_pairs(parts)
        add_shared_samples(faults, report['pairs'], path)
    else:
        faults.setdefault(
            'no sample',
            dict(count=1, examples=[f'{path} holds no sample without faults; expected some']),
        )
    report['faults'] = faults
    report['warnings'] = find_warnings(report, metres)
    report['verdict'] = 'faults' if faults else 'warnings' if report['warnings'] else 'ok'
    return report, annotations


def measure(annotations: List[Dict], layout: Optional[Layout], report: Dict) -> bool:
    """Enter layout, bodies, sizes, bones and axes; return whether metres are expected."""
    report['bodies'] = count_bodies(annotations)
    report['sizes'] = measure_sizes(annotations)
    fit = guess_layouts(annotations) if layout is None else [layout]
    layout = fit[0] if fit else None
    report['layout'] = None if layout is None else layout.name
    report['other_layouts'] = [other.name for other in fit[1:]]
    channels = annotations[0]['keypoint'].shape[3]
    if channels == 3 and layout is not None and not layout.planar:
        report['bones'] = measure_bones(annotations, layout.bones)
        part = annotations[:: max(1, len(annotations) // LOOKED_AT)]
        report['axes'] = suspect_axes([a['keypoint'] for a in part], layout, report['file'])
    return channels == 3 and (layout is None or layout.body_size is not None)


def add_shared_samples(faults: Dict[str, Dict], pairs: Dict[str, Dict], path: str) -> None:
    """Add samples in both a training split and its test split to the faults."""
    for pair, found in pairs.items():
        names = found['samples']
        if names:
            train, test = pair.split(', ')
            faults['in both splits'] = dict(
                count=faults.get('in both splits', dict(count=0))['count'] + len(names),
                examples=[
                    f'{len(names)} samples of {path} are in {train!r} and in {test!r}, such as '
                    f'{names[:EXAMPLES]}; expected each in one of them'
                ],
            )


def guess_layouts(annotations: Sequence[Dict]) -> List[Layout]:
    """The built-in layouts that the joints, channels and numbers of the samples fit."""
    keypoints = [annotation['keypoint'] for annotation in annotations[:LOOKED_AT]]
    scored = keypoints[0].shape[3] == 2 or 'keypoint_score' in annotations[0]
    return recognise_layouts(keypoints, scored)


def find_warnings(report: Dict, metres: bool) -> List[str]:
    """Warnings about data that SkeletonDataset accepts but a user may not want."""
    if not report['sound']:
        return []
    warnings = []
    sizes, bodies, bones = report['sizes'], report['bodies'], report['bones']
    if report['other_layouts']:
        warnings.append(
            f'joints and numbers fit layout {report["layout"]}, which is taken, and as well '
            f'{" and ".join(report["other_layouts"])}: name it with --layout'
        )
    if metres and sizes['unit'] != 'metres':
        warnings.append(
            f'a body measures {sizes["size"]["median"]:.4g} (median of the longest side); expected '
            f'{BODY_SIZE[0]} to {BODY_SIZE[1]} metres: this looks like {sizes["unit"]}'
        )
    elif metres and sizes['suspicious']:
        warnings.append(
            f'{list_first(sizes["suspicious"], "samples")} in another unit or badly tracked: the '
            f'body measures less than {BODY_SIZE[0]} or more than {BODY_SIZE[1]} metres'
        )
    if bones is not None and bones['variation']['median'] > BONE_VARIATION:
        warnings.append(
            f'bones change in length by {bones["variation"]["median"]:.0%} (median): the joints '
            'may be in a different order than in the layout'
        )
    if report['axes'] is not None:
        warnings.append(report['axes'])
    if bodies['absent_first']:
        warnings.append(
            f'{list_first(bodies["absent_first"], "samples")} with an absent body before a present '
            'one: put present bodies first (SkeletonDataset does so as it reads)'
        )
    if bodies['empty_ends']:
        warnings.append(
            f'{list_first(bodies["empty_ends"], "samples")} with frames without a body at either '
            f'end, {bodies["end_frames"]:.1%} of all frames: padding? SkeletonDataset cuts them'
        )
    gaps = bodies['empty_frames'] - bodies['end_frames']
    if gaps > GAPS:
        warnings.append(
            f'{gaps:.1%} of all frames lie in gaps without a body: resizing in time blends bodies '
            'with zeros there; drop these frames'
        )
    labels = list(report['all']['classes'])
    absent = sorted(set(range(labels[-1] + 1)) - set(labels))
    if absent:
        warnings.append(f'{list_first(absent, "classes")} below the largest label without a sample')
    for pair, found in report['pairs'].items():
        train, test = pair.split(', ')
        if found['duplicates']:
            twins = [f'{a} = {b}' for a, b in found['duplicates']]
            warnings.append(
                f'{list_first(twins, "samples")} of {test} with the coordinates of one of {train}'
            )
        if found['subjects'] and 'sub' in train:
            warnings.append(
                f'{list_first(found["subjects"], "subjects")} in both {train} and {test}'
            )
        if found['classes']:
            warnings.append(
                f'{list_first(found["classes"], "classes")} of {test} without a sample in {train}'
            )
    return warnings


def list_first(items: Sequence, noun: str) -> str:
    """The number of items, and the first few."""
    shown = ', '.join(map(str, items[:EXAMPLES]))
    return f'{len(items)} {noun} ({shown}{", ..." if len(items) > EXAMPLES else ""})'
