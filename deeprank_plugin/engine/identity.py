"""What a model takes and predicts: modality, layout, class names. A checkpoint records them.

Nothing in the weights tells a joint from a bone encoder, or says which class is number 3, so
whoever loads a checkpoint compares what it records with what it is used for.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from torch import nn

from deeprank_plugin.layouts import Layout, find_layout

from .encoders import read_checkpoint_config, read_modality

ASPECTS = ('modality', 'layout', 'classes', 'samples', 'tested')


class Identity(NamedTuple):
    """What is known of a model; None where nothing is.

    Attributes:
        modality: 'joint', 'bone' or 'motion'; a list for a model with an encoder for each.
        layout: Layout of the skeletons.
        classes: Names of the classes, by label.
        segments: Parts of the time that its features were pooled in, if more than one.
    """

    modality: Optional[Union[str, List[str]]] = None
    layout: Optional[Layout] = None
    classes: Optional[List[str]] = None
    segments: Optional[int] = None


def identify_model(model: nn.Module) -> Identity:
    """Modality and layout of a model, from its data preprocessor; segments of its pooling."""
    preprocessor = getattr(model, 'data_preprocessor', None)
    owner = model if hasattr(model, 'segments') else getattr(model, 'cls_head', None)
    segments = getattr(owner, 'segments', 1)
    layout = getattr(preprocessor, 'layout', None)
    return Identity(
        modality=getattr(preprocessor, 'modality', None),
        layout=layout if isinstance(layout, Layout) else None,
        segments=segments if segments > 1 else None,
    )


def to_meta(identity: Identity) -> Dict[str, Any]:
    """Entries of a meta: ``modality``, ``layout``, ``num_joints``, ``segments``, where known.

    MMEngine saves the class names itself, in ``dataset_meta``.
    """
    meta: Dict[str, Any] = {}
    if identity.modality is not None:
        meta['modality'] = identity.modality
    if identity.layout is not None:
        setting = identity.layout.setting
        meta['layout'] = dict(setting) if isinstance(setting, Mapping) else setting
        meta['num_joints'] = identity.layout.num_joints
    if identity.segments is not None:
        meta['segments'] = identity.segments
    return meta


def identify_checkpoint(checkpoint: Any) -> Identity:
    """What a checkpoint records in its meta or, if it is older, in its config."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    modality, layout = meta.get('modality'), meta.get('layout')
    if modality is None or layout is None:
        try:
            config = read_checkpoint_config(checkpoint)
        except (AttributeError, ValueError):
            config = {}
        modality = modality or _configured_modality(config)
        layout = layout or _configured_layout(config)
    dataset_meta = meta.get('dataset_meta')
    classes = dataset_meta.get('classes') if isinstance(dataset_meta, Mapping) else None
    segments = meta.get('segments')
    return Identity(
        modality,
        _find_layout(layout),
        _names(classes),
        segments if isinstance(segments, int) and segments > 1 else None,
    )


def _configured_modality(config: Mapping) -> Optional[Union[str, List[str]]]:
    if not config:
        return None
    preprocessor = config['model'].get('data_preprocessor')
    several = preprocessor.get('modality') if isinstance(preprocessor, Mapping) else None
    if isinstance(several, (list, tuple)):
        return list(several)
    try:
        return read_modality(config)
    except ValueError:
        return None


def _configured_layout(config: Mapping) -> Any:
    preprocessor = config['model'].get('data_preprocessor') if config else None
    if not isinstance(preprocessor, Mapping):
        return None
    if str(preprocessor.get('type')).split('.')[-1] == 'SkeletonPreprocessor':
        return preprocessor.get('layout', 'nturgb+d')
    return preprocessor.get('layout')


def _find_layout(setting: Any) -> Optional[Layout]:
    """The layout of a setting; None if it is none, or a file that is not here."""
    try:
        return None if setting is None else find_layout(setting)
    except (ValueError, TypeError, KeyError, OSError):
        return None


def _names(classes: Any) -> Optional[List[str]]:
    if not isinstance(classes, (list, tuple)) or not all(isinstance(c, str) for c in classes):
        return None
    return list(classes)


def compare_inputs(found: Identity, expected: Identity, allow: Sequence[str] = ()) -> Optional[str]:
    """How a checkpoint's inputs differ from a model's; None if they do not, or are not known.

    Args:
        found (Identity): Of the checkpoint.
        expected (Identity): Of the model that is to have its weights.
        allow (Sequence[str]): Of :data:`ASPECTS`, those that may differ. Defaults to ``()``.

    Returns:
        str, optional: A clause such as "is of modality joint, and this model takes bone".
    """
    first, second = found.modality, expected.modality
    if 'modality' not in allow and isinstance(first, str) and isinstance(second, str):
        if first != second:
            return f'is of modality {first}, and this model takes {second}'
    one, other = found.layout, expected.layout
    if 'layout' not in allow and one is not None and other is not None:
        if one.parents != other.parents:
            text = f'is of layout {describe(one)}, and this model takes {describe(other)}'
            if one.num_joints != other.num_joints:
                return text
            odd = [a != b for a, b in zip(one.parents, other.parents)].index(True)
            return (
                f'{text}: the bone of joint {odd} goes to joint {one.parents[odd]} there, and to '
                f'{other.parents[odd]} here'
            )
        for joint, (first, second) in enumerate(zip(one.names, other.names)):
            if first != second:
                return (
                    f'is of another layout: its joint {joint} is {first!r}, and that of this model '
                    f'{second!r}'
                )
        if one.dims != other.dims and None not in (one.dims, other.dims):
            return f'is of a layout in {one.dims}D, and this model takes {other.dims}D'
    return None


def describe(layout: Layout) -> str:
    """Name and number of joints of a layout."""
    return f'{layout.name!r} ({layout.num_joints} joints)'


def compare_classes(
    found: Optional[Sequence[str]],
    expected: Optional[Sequence[str]],
    places: Tuple[str, str] = ('the checkpoint', 'the data'),
) -> Optional[str]:
    """How the class names of a checkpoint differ from those of a data set; None if they do not.

    Only labels that both name are compared: a file may name fewer classes than it was trained on.

    Args:
        found (Sequence[str], optional): Names by label.
        expected (Sequence[str], optional): Names to compare with.
        places (tuple[str, str]): Where the two are from. Defaults to a checkpoint and data.
    """
    for label, (first, second) in enumerate(zip(found or (), expected or ())):
        if first != second:
            moved = ''
            if sorted(found or ()) == sorted(expected or ()):
                moved = ' (the same names in another order)'
            return f'class {label} is {first!r} in {places[0]} and {second!r} in {places[1]}{moved}'
    return None


def permit(aspect: str) -> str:
    """How to let an aspect of a loaded checkpoint differ."""
    return (
        f'If you mean it: --cfg-options "default_hooks.strict_load.allow_other=[{aspect}]" '
        f"(StrictLoadHook(allow_other=['{aspect}']))."
    )


def check_aspects(owner: str, allow_other: Sequence[str]) -> tuple:
    """``allow_other`` as a tuple.

    Raises:
        ValueError: If it is a string or holds an unknown aspect.
    """
    if isinstance(allow_other, str) or not set(allow_other) <= set(ASPECTS):
        raise ValueError(
            f'{owner}: allow_other={allow_other!r}; expected a list of {", ".join(ASPECTS)}'
        )
    return tuple(allow_other)
