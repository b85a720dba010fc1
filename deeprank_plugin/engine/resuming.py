"""What a resumed run does otherwise than its config, or its first part, says."""

import os.path as osp
import re
from typing import Any, Iterator, Mapping, Optional, Sequence, Tuple, Union

from mmengine.config import Config

from .encoders import list_some, read_checkpoint_config

RESUMED = ('epoch', 'iter')
"""Keys of a checkpoint's meta that resuming needs."""

LOADED = ('optim_wrapper.optimizer', 'param_scheduler', 'auto_scale_lr')
"""Parts of the config whose values MMEngine replaces by the state in the checkpoint."""

DRAWN = [
    f'{name}_dataloader.{part}'
    for name in ('train', 'val')
    for part in ('dataset', 'sampler', 'batch_sampler', 'drop_last')
]
FOLLOWED = ('model', 'optim_wrapper', 'train_cfg', 'default_hooks', 'custom_hooks', *DRAWN)
"""Parts whose values a resumed run follows, so that it is another run if they have changed."""
FREE = re.compile(
    r'optim_wrapper\.optimizer\.|train_cfg\.max_|.*\.(init_cfg|ann_file|data_root|data_prefix)\b|'
    r'default_hooks\.(check_run|checkpoint|finite_guard|logger|strict_load|termination|timer|'
    r'visualization)\.'
)
"""Keys of these that may differ: compared elsewhere, not used by a resume, or without effect on
what is learned."""
UNSET = object()


def describe_ignored(checkpoint: Mapping, cfg: Union[Mapping, Config]) -> Optional[str]:
    """One sentence on what of the config a resumed run ignores; None if nothing.

    MMEngine loads the state of optimiser and schedule after it has built them from the config; the
    state includes learning rate, momentum, weight decay, milestones and periods.

    Args:
        checkpoint (Mapping): The checkpoint that the run resumes from.
        cfg (Mapping): The config of the run.
    """
    try:
        before = read_checkpoint_config(checkpoint)
    except ValueError:
        return None
    changes = [
        f'{key}={show(new)} (the checkpoint has {show(old)})'
        for key, old, new in compare(before, cfg, LOADED)
    ]
    if not changes:
        return None
    return (
        f'Resuming ignores {list_some(changes)}: optimiser and schedule continue with the state in '
        'the checkpoint; to train with other settings, start a new run from its weights '
        '(load_from=CHECKPOINT without --resume).'
    )


def describe_changes(checkpoint: Mapping, cfg: Union[Mapping, Config]) -> Optional[str]:
    """One sentence on what a resumed run does otherwise than its first part; None if nothing.

    Model, data, loop and hooks are built from the config of the resumed run, so that an option that
    was given to the first part and not again is lost.

    Args:
        checkpoint (Mapping): The checkpoint that the run resumes from.
        cfg (Mapping): The config of the run.
    """
    try:
        before = read_checkpoint_config(checkpoint)
    except ValueError:
        return None
    changes = [
        f'{key} was {show(old)} and is now {show(new)}'
        for key, old, new in compare(before, cfg, FOLLOWED)
        if not FREE.match(key) and not has_moved(old, new)
    ]
    if not changes:
        return None
    return (
        f'RESUMED WITH OTHER SETTINGS: {"; ".join(changes)}. The result is not that of one run '
        'from beginning to end: if you do not mean it, stop, and resume with the --cfg-options and '
        'other options that the run was started with.'
    )


def compare(
    before: Mapping, cfg: Union[Mapping, Config], paths: Sequence[str]
) -> Iterator[Tuple[str, Any, Any]]:
    """Dotted keys below ``paths`` whose values differ, and both values, :data:`UNSET` without one.

    Validation that only one of the configs has (``--no-validate``) is left out.
    """
    for path in paths:
        parts = [pick(config, path) for config in (before, cfg)]
        if path.startswith('val_') and None in parts:
            continue
        first, second = (dict(flatten(part, path)) for part in parts)
        for key in {**first, **second}:
            old, new = first.get(key, UNSET), second.get(key, UNSET)
            if old != new:
                yield key, old, new


def has_moved(old: Any, new: Any) -> bool:
    """Whether two values are paths of a file in two places."""
    return isinstance(old, str) and isinstance(new, str) and osp.basename(old) == osp.basename(new)


def show(value: Any) -> str:
    """A value of a config as text."""
    return 'not set' if value is UNSET else repr(value)


def describe_steps(checkpoint: Mapping, steps: int) -> Optional[str]:
    """One sentence if a resumed run makes more or fewer steps an epoch than before; else None.

    A checkpoint from the middle of an epoch is compared by the loop that resumes it.

    Args:
        checkpoint (Mapping): The checkpoint that the run resumes from.
        steps (int): Steps an epoch of the run.
    """
    epochs, done = (checkpoint['meta'].get(key) for key in RESUMED)
    if 'unfinished' in checkpoint or not epochs or done == epochs * steps:
        return None
    return (
        f'The checkpoint has made {done} steps in {epochs} epochs, {done / epochs:.4g} an epoch, '
        f'and this run makes {steps}: batch size, number of processes or data have changed. A '
        'schedule by steps no longer fits the epochs, and the learning rate is not scaled.'
    )


def describe_lost(checkpoint: Mapping) -> Optional[str]:
    """One sentence if a checkpoint, such as the best one, has no state of the optimiser; else None.

    Args:
        checkpoint (Mapping): The checkpoint that the run resumes from.
    """
    if 'optimizer' in checkpoint:
        return None
    return (
        'The checkpoint was saved without the state of optimiser and schedule, as best_*.pth are: '
        'both begin anew. To continue the run, resume from its epoch_<number>.pth; to begin a new '
        'one with these weights, use load_from=CHECKPOINT without --resume.'
    )


def pick(config: Any, path: str) -> Any:
    """The value at a dotted path; None if there is none."""
    for name in path.split('.'):
        config = config.get(name) if isinstance(config, (Mapping, Config)) else None
    return config


def flatten(value: Any, path: str = '') -> Iterator[Tuple[str, Any]]:
    """Dotted keys and plain values inside dicts and lists."""
    if isinstance(value, Mapping):
        for key in value:
            yield from flatten(value[key], f'{path}.{key}')
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from flatten(item, f'{path}.{index}')
    else:
        yield path, value
