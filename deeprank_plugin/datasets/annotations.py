"""Read annotation files without running code from them, and check their content."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from ..layouts import JOINTS_OF_GRAPHS, Layout, find_layout
from .npz_annotations import MappedSequences, load_npz
from .safe_pickle import SafeUnpickler

MOST_BODIES = 16
"""More bodies than this, and more than frames, are taken for frames in the place of bodies."""

LayoutLike = Union[str, Path, Dict, Layout]


class AnnotationFault(ValueError):
    """A fault of one sample, with its kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def load_annotations(path: Union[str, Path]) -> Any:
    """Read an annotation file; anything but NumPy arrays and plain containers is rejected.

    Args:
        path (str): Path of a pickle or an ``.npz`` (see ``npz_annotations.py``).

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is damaged, or asks for anything else.
    """
    return open_annotations(path)[0]


def open_annotations(path: Union[str, Path]) -> Tuple[Any, Optional[MappedSequences]]:
    """Like :func:`load_annotations`, plus the mapped coordinates of an ``.npz``, else None.

    The coordinates are in the order of the file's annotations.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'annotation file {path} does not exist; expected an annotation pickle or .npz there: '
            'set ann_file, or make one (tools/data/make_toy.py makes toy data)'
        )
    if path.suffix == '.npz':
        return load_npz(path)
    try:
        with path.open('rb') as file:
            return SafeUnpickler(file).load(), None
    except OSError:
        raise
    except (EOFError, IndexError) as error:
        raise ValueError(
            f'annotation file {path} ends too early ({error}); expected a complete pickle: copy or '
            'make it again'
        ) from error
    except Exception as error:  # damaged bytes make NumPy and pickle raise nearly anything
        cause = str(error).replace('\n', ' ') or type(error).__name__
        reason = 'ends too early' if 'truncated' in cause else f'is rejected: {cause}'
        raise ValueError(
            f'annotation file {path} {reason}; expected a pickle of dicts, lists, strings, numbers '
            "and NumPy arrays (MMAction2's PoseDataset format): save it as such"
        ) from error


def split_annotations(
    content: Any, path: str, split: Optional[Union[str, Sequence[str]]]
) -> List[Dict]:
    """Annotations of a split in the order of the file, each with the key ``split``.

    Args:
        content (dict or list): What :func:`load_annotations` returned.
        path (str): For messages.
        split (str or list[str], optional): Name or names; None selects all annotations.

    Raises:
        ValueError: If the content, the split's name or its samples are invalid.
    """
    if split is None and isinstance(content, list):
        annotations = content
    elif not isinstance(content, dict) or not {'split', 'annotations'} <= set(content):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f'annotation file {path} holds {found}; expected dict(split={{name: [sample names]}}, '
            'annotations=[dict(frame_dir, label, total_frames, keypoint), ...])'
        )
    elif not isinstance(content['split'], dict):
        raise ValueError(
            f'annotation file {path} has a split of type {type(content["split"]).__name__}; '
            'expected a dict from split names to lists of sample names'
        )
    else:
        annotations = content['annotations']
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        raise ValueError(f'annotations of {path} are not a list of dicts; expected one per sample')
    names = [sample_name(annotation, path, row) for row, annotation in enumerate(annotations)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f'annotation file {path}: sample {twice[0]!r} occurs {names.count(twice[0])} times '
            f'({len(twice)} such names); expected unique names: remove or rename the duplicates'
        )
    if split is None and not annotations:
        raise ValueError(f'annotation file {path} holds no sample; expected at least one')
    if split is None:
        return annotations
    wanted: Dict[str, str] = {}
    for name in [split] if isinstance(split, str) else split:
        if name not in content['split']:
            known = sorted(map(str, content['split']))
            raise ValueError(
                f'split {name!r} is not in {path}; expected one of {known}: set split to one of '
                'these'
            )
        members = content['split'][name]
        listed = isinstance(members, (list, tuple, set, frozenset))
        listed = listed or isinstance(members, np.ndarray) and members.ndim == 1
        if not listed or not all(isinstance(member, str) for member in members):
            raise ValueError(
                f'split {name!r} of {path} is {members!r:.80}; expected a list of sample names'
            )
        if not len(members):
            raise ValueError(f'split {name!r} of {path} is empty; expected at least one sample')
        both = [member for member in members if member in wanted]
        if both:
            raise ValueError(
                f'sample {both[0]!r} of {path} is in split {wanted[both[0]]!r} and '
                f'{name!r} ({len(both)} such samples); expected each sample once'
            )
        wanted.update(dict.fromkeys(members, name))
    missing = wanted.keys() - set(names)
    if missing:
        raise ValueError(
            f'{len(missing)} samples of split {split!r} have no annotation in {path}, such as '
            f'{sorted(missing)[:3]}; expected one for each: make the file again'
        )
    return [dict(a, split=wanted[n]) for a, n in zip(annotations, names) if n in wanted]


def sample_name(annotation: Dict, path: str, row: int) -> str:
    """``frame_dir`` (or ``filename``) of an annotation."""
    for key in ('frame_dir', 'filename'):
        if key not in annotation:
            continue
        if isinstance(annotation[key], str):
            return annotation[key]
        raise ValueError(
            f'annotation number {row} of {path} has {key} {annotation[key]!r:.80}; expected the '
            "sample's name, a string"
        )
    raise ValueError(
        f'annotation number {row} of {path} has the keys {sorted(map(str, annotation))}; expected '
        'frame_dir, label, total_frames and keypoint'
    )


def check_annotations(
    annotations: Sequence[Dict],
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[LayoutLike] = None,
) -> None:
    """Check every sample: keys, shapes, values, lengths and labels.

    Args:
        annotations (Sequence[dict]): Annotations in MMAction2's format.
        path (str): For messages.
        num_classes (int, optional): Labels must be below it. Defaults to None: any from 0.
        layout (str, dict or Layout, optional): Required joint layout, as for
            :func:`~deeprank_plugin.layouts.find_layout`. Defaults to None.

    Raises:
        ValueError: At the first fault, with file and sample.
    """
    for _, fault in find_faults(annotations, path, num_classes, layout):
        raise fault


def find_faults(
    annotations: Sequence[Dict],
    path: str,
    num_classes: Optional[int] = None,
    layout: Optional[LayoutLike] = None,
) -> Iterator[Tuple[int, AnnotationFault]]:
    """All faults of all samples, of which :func:`check_annotations` raises the first.

    Yields:
        tuple[int, AnnotationFault]: Index of the sample and its fault.

    Raises:
        ValueError: If a sample has no name, or the layout is unknown.
    """
    layout = None if layout is None else find_layout(layout)
    joints = None
    for row, annotation in enumerate(annotations):
        where = f'sample {sample_name(annotation, path, row)!r} of {path}'
        checks: List[Tuple] = [(check_keys, annotation, where)]
        if 'keypoint' in annotation:
            keypoint, has_score = annotation['keypoint'], 'keypoint_score' in annotation
            checks.append((check_keypoint, keypoint, where, layout, has_score))
            if has_score:
                shape = getattr(keypoint, 'shape', ())[:3]
                checks.append((check_score, annotation['keypoint_score'], shape, where))
        if 'label' in annotation:
            checks.append((check_label, annotation['label'], where, num_classes))
        if 'img_shape' in annotation and in_pixels(annotation.get('keypoint'), layout):
            checks.append((check_image, annotation['img_shape'], where))
        for check, *args in checks:
            try:
                check(*args)
            except AnnotationFault as fault:
                yield row, fault
        if getattr(annotation.get('keypoint'), 'ndim', 0) == 4:
            joints = annotation['keypoint'].shape[2:] if joints is None else joints
            yield from ((row, fault) for fault in find_misfits(annotation, joints, where))


def check_keys(annotation: Dict, where: str) -> None:
    """Raise unless a sample has a label, coordinates and their length."""
    missing = {'label', 'keypoint', 'total_frames'} - set(annotation)
    if missing:
        raise AnnotationFault(
            'missing key',
            f'{where} lacks {sorted(missing)}; expected frame_dir, label, total_frames and '
            'keypoint',
        )


def find_misfits(annotation: Dict, joints: Tuple, where: str) -> Iterator[AnnotationFault]:
    """Faults of a sample whose shape does not match the previous samples or ``total_frames``."""
    keypoint = annotation['keypoint']
    if keypoint.shape[2:] != joints:
        yield AnnotationFault(
            'mixed layouts',
            f'{where} has (V, C) = {keypoint.shape[2:]} and the samples before it {joints}; '
            'expected the same layout in the whole file',
        )
    frames = annotation.get('total_frames', keypoint.shape[1])
    whole = isinstance(frames, (int, np.integer))
    if not whole or frames != keypoint.shape[1]:
        yield AnnotationFault(
            'total_frames',
            f'{where} says total_frames={frames!r:.80} and holds '
            f'{keypoint.shape[1]} frames; expected the same number: '
            + (
                'keypoint must be (M, T, V, C), bodies before frames; keypoint.swapaxes(0, 1) '
                'swaps them'
                if whole and frames == keypoint.shape[0]
                else 'correct the annotation'
            ),
        )


def check_label(label: Any, where: str, num_classes: Optional[int]) -> None:
    """Raise unless a label is an integer within its range."""
    if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
        raise AnnotationFault(
            'label', f'{where} has label {label!r:.80}; expected an integer from 0'
        )
    if label < 0 or (num_classes is not None and label >= num_classes):
        upper = 'from 0' if num_classes is None else f'from 0 to {num_classes - 1}'
        raise AnnotationFault(
            'label',
            f'{where} has label {label}; expected {upper}: correct the label, or set num_classes '
            'of the data set and of the head',
        )


def check_keypoint(
    keypoint: Any, where: str, layout: Optional[LayoutLike], has_score: bool
) -> None:
    """Raise unless coordinates have a valid shape, type and values."""
    check_array(keypoint, where)
    if 0 in keypoint.shape:
        raise AnnotationFault(
            'keypoint shape',
            f'{where} has keypoint of shape {keypoint.shape}; expected at least one body and one '
            'frame: remove the sample',
        )
    if keypoint.shape[0] > max(MOST_BODIES, keypoint.shape[1]):
        raise AnnotationFault(
            'axes',
            f'{where} has keypoint of shape {keypoint.shape}: {keypoint.shape[0]} bodies in '
            f'{keypoint.shape[1]} frames; expected (M, T, V, C) and this looks like (T, M, V, C): '
            'keypoint.swapaxes(0, 1) swaps the axes',
        )
    if layout is not None:
        check_layout(keypoint, where, layout, has_score)
    if not np.isfinite(keypoint).all():
        broken = np.argwhere(~np.isfinite(keypoint))[0].tolist()
        raise AnnotationFault(
            'NaN or infinite',
            f'{where} has NaN or infinite coordinates, the first at (body, frame, joint, '
            f'coordinate) = {broken}; expected finite numbers: repair or remove the sample',
        )
    if not (keypoint[0, 0, 0, 0] or keypoint.any()):  # one number is faster than all
        raise AnnotationFault(
            'zero throughout',
            f'{where} is zero throughout; expected at least one joint in one frame: remove it',
        )


def check_array(keypoint: Any, where: str) -> None:
    """Raise unless coordinates are numbers of shape (M, T, V, 2 or 3); does not look at them."""
    if not isinstance(keypoint, np.ndarray) or keypoint.dtype.kind not in 'fiu':
        kind = getattr(keypoint, 'dtype', type(keypoint).__name__)
        raise AnnotationFault(
            'keypoint type',
            f'{where} has a keypoint of type {kind}; expected a NumPy array of numbers',
        )
    if keypoint.ndim != 4 or keypoint.shape[3] not in (2, 3):
        raise AnnotationFault(
            'keypoint shape',
            f'{where} has keypoint of shape {keypoint.shape}; expected (M, T, V, C), bodies x '
            'frames x joints x 2 or 3 coordinates',
        )


def in_pixels(keypoint: Any, layout: Optional[LayoutLike]) -> bool:
    """Whether coordinates are positions in an image: 2D, or of a planar layout."""
    planar = layout is not None and find_layout(layout).planar
    return planar or getattr(keypoint, 'shape', ())[-1:] == (2,)


def check_image(shape: Any, where: str) -> None:
    """Raise unless ``img_shape`` is the height and width of an image."""
    sides = shape.tolist() if isinstance(shape, np.ndarray) else shape
    numbers = (int, float, np.integer, np.floating)
    if (
        not isinstance(sides, (list, tuple))
        or len(sides) != 2
        or not all(isinstance(side, numbers) and 0 < side < np.inf for side in sides)
    ):
        raise AnnotationFault(
            'img_shape',
            f'{where} has img_shape {shape!r:.80}; expected (height, width), two positive numbers: '
            'correct it, or leave it out where it is not known',
        )


def check_score(score: Any, shape: Sequence[int], where: str) -> None:
    """Raise unless there is one finite number per joint."""
    found = getattr(score, 'shape', type(score).__name__)
    if not isinstance(score, np.ndarray) or score.dtype.kind not in 'fiu' or found != shape:
        raise AnnotationFault(
            'keypoint_score',
            f'{where} has keypoint_score of shape {found}; expected a NumPy array of numbers of '
            f"shape (M, T, V) = {shape}, as the sample's keypoint has it",
        )
    if not np.isfinite(score).all():
        raise AnnotationFault(
            'keypoint_score',
            f'{where} has NaN or infinite keypoint_score; expected finite numbers: repair or '
            'remove the sample',
        )


def check_layout(keypoint: np.ndarray, where: str, layout: LayoutLike, has_score: bool) -> None:
    """Raise unless joints and coordinates match a layout."""
    layout = find_layout(layout)
    if keypoint.shape[2] != layout.num_joints:
        raise AnnotationFault(
            'layout',
            f'{where} has {keypoint.shape[2]} joints and layout {layout.name!r} has '
            f'{layout.num_joints}; expected the same: set layout of the data set and of the data '
            "preprocessor, and graph_cfg.layout of the backbone, to the data's "
            f'({JOINTS_OF_GRAPHS})',
        )
    if layout.dims == 3 and keypoint.shape[3] != 3:
        raise AnnotationFault(
            'layout',
            f'{where} is 2D and layout {layout.name!r} is 3D; expected x, y and z: use a 2D layout '
            "('coco', 'openpose') here and in the backbone's graph_cfg, or 3D data",
        )
    if has_score and keypoint.shape[3] == 3 and not layout.planar:
        raise AnnotationFault(
            'layout',
            f'{where} has x, y, z and keypoint_score; expected none with layout {layout.name!r}: '
            'remove it (tools/data/convert_annotations.py --drop keypoint_score)',
        )
    if layout.planar and keypoint.shape[3] == 3 and has_score:
        raise AnnotationFault(
            'layout',
            f'{where} has three channels and keypoint_score; layout {layout.name!r} expects x and '
            'y with keypoint_score, or x, y and score as three channels: drop one of the scores',
        )
    if layout.planar and keypoint.shape[3] == 2 and not has_score:
        raise AnnotationFault(
            'layout',
            f'{where} has two coordinates per joint and no keypoint_score; layout {layout.name!r} '
            'expects keypoint_score in addition, or x, y and score as three channels',
        )
