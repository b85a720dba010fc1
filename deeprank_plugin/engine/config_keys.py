"""Finds overridden config keys that nothing reads, and the known keys nearest to them."""

import copy
import difflib
import inspect
import re
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Type

from mmaction import registry as registries
from mmengine.config import Config
from mmengine.registry import Registry, init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

PARAMETERS = (
    *('data', 'modality', 'views', 'share', 'segments', 'head_init', 'pretrained', 'num_classes'),
    'holdout_subjects',
)
"""Variables of our configs that the tools have options for."""

# read by MMEngine and MMAction2 from the config as a whole, and by ``apis`` (names of classes)
RUNNER_KEYS = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'} | {
    *('runner_type', 'custom_imports', 'activation_checkpointing', 'efficient_conv_bn_eval'),
    *('compile', 'find_unused_parameters', 'broadcast_buffers', 'model_wrapper_cfg', 'sync_bn'),
    *('label_names', 'class_names', 'sampler_seed', 'detect_anomalous_params', 'static_graph'),
}

DEFAULT_TYPES = dict(
    train_cfg='EpochBasedTrainLoop',
    val_cfg='ValLoop',
    test_cfg='TestLoop',
    optim_wrapper='OptimWrapper',
    log_processor='LogProcessor',
)

# what MMEngine takes out of such a dict before it builds the rest
TAKEN = {
    'train_cfg': ('by_epoch',),
    'optim_wrapper': ('constructor', 'paramwise_cfg', 'optimizer'),
    'default_hooks': ('priority',),
    'custom_hooks': ('priority',),
    'param_scheduler': ('convert_to_iter_based',),
}

LOADER_KEYS = {
    *inspect.signature(DataLoader.__init__).parameters,
    *('num_batch_per_epoch', 'disable_subprocess_warning'),
} - {'self'}

CLOSED: Dict[str, Set[str]] = dict(
    train_dataloader=LOADER_KEYS,
    val_dataloader=LOADER_KEYS,
    test_dataloader=LOADER_KEYS,
    randomness=set(inspect.signature(Runner.set_randomness).parameters) - {'self'},
    auto_scale_lr={'enable', 'base_batch_size'},
    env_cfg={'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
)
"""Dicts without a type whose keys are known."""


MISSPELT = 0.85
"""Names that are more alike than this (``difflib``) are taken for one misspelt."""


def merge_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """``Config.merge_from_dict``, but a key that nothing reads is an error.

    A key may be new where the runner reads it, where the class that the ``type`` of its dict names
    takes it as an argument, and in a dict of free form (such as ``paramwise_cfg``).

    Args:
        cfg (Config): It is changed, unless an error is raised.
        options (Mapping): Dotted keys, such as 'train_cfg.max_epochs', and values.

    Raises:
        ValueError: If a key is not known, or a value cannot be merged, or is a text in the place of
            a number; names the nearest known key.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    merged = copy.deepcopy(cfg)
    for key, value in options.items():
        absent = find_none(merged, key)
        if absent is not None:
            raise ValueError(
                f'{key}={value!r} has no effect: {absent} is None in this config; leave it out, or '
                f'set {absent} as a whole{name_nearest(cfg, key)}'
            )
        try:
            merged.merge_from_dict({key: copy.deepcopy(value)})
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            cause = ' '.join(str(error).split())
            raise ValueError(
                f'{key}={value!r} cannot be merged into the config ({cause:.160}); expected the '
                f'path of an entry{name_nearest(cfg, key)}'
            ) from error
    for key in options:
        problem = find_problem(cfg, merged, key) or find_text(cfg, key, options[key])
        if problem is not None:
            raise ValueError(f'{problem}{name_nearest(cfg, key)}')
    cfg.merge_from_dict(copy.deepcopy(dict(options)))


def find_problem(cfg: Config, merged: Config, key: str) -> Optional[str]:
    """Why nothing reads a key; None if something does.

    Args:
        cfg (Config): The config before the options are merged.
        merged (Config): The config after it.
        key (str): Dotted key of an option.
    """
    first, *rest = key.split('.')
    if first not in RUNNER_KEYS:
        if first in PARAMETERS and first in cfg:
            option = f'--{first.replace("_", "-")}'
            return f'{key} is a parameter, which is read with the config file: use {option}'
        if first in cfg:
            return (
                f'{key} is a variable of the config file, which is used up when the file is read: '
                'setting it afterwards changes nothing'
            )
        if first == 'seed':
            return f'{key} is not known to the runner: use --seed'
        return f'{key} is not known to the runner, and the config has no such entry'
    before, after, path = cfg.get(first), merged.get(first), [first]
    for part in rest:
        if part == '_delete_':
            return None
        if isinstance(after, (list, tuple)):
            index = int(part)
            before = before[index] if isinstance(before, (list, tuple)) else None
            after = after[index]
        elif isinstance(after, Mapping):
            known = isinstance(before, Mapping) and part in before
            if not known and not accepts(path, after, part):
                owner = after.get('type') or '.'.join(path)
                return f'{key} is not known: {owner} has no {part!r}'
            before = before[part] if known else None  # type: ignore[index]
            after = after[part]
        else:
            return f'{key} is not known: {".".join(path)} is {after!r}'
        path.append(part)
    return None


def walk(cfg: Config, key: str) -> Iterator[Tuple[str, Any]]:
    """The entries on the way to a dotted key, each with its own key, as far as they exist."""
    node: Any = cfg
    parts = key.split('.')
    for number, part in enumerate(parts, 1):
        if isinstance(node, (list, tuple)) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, (Mapping, Config)) and part in node:
            node = node[part]
        else:
            return
        yield '.'.join(parts[:number]), node


def find_none(cfg: Config, key: str) -> Optional[str]:
    """The entry above a key that is None, if there is one."""
    return next((path for path, node in walk(cfg, key) if node is None and path != key), None)


def find_text(cfg: Config, key: str, value: Any) -> Optional[str]:
    """Why a value is not what the config has there: a text for a number, or for True or False."""
    node = dict(walk(cfg, key)).get(key)
    if not isinstance(value, str) or not isinstance(node, (bool, int, float)):
        return None
    expected = 'True or False' if isinstance(node, bool) else 'a number'
    return f'{key}={value!r} is a text; expected {expected}, such as {node!r}'


def accepts(path: Sequence[str], node: Mapping, key: str) -> bool:
    """Whether a dict of the config may have a new key."""
    parent = path[0] if len(path) == 1 or path[0] in ('default_hooks', 'custom_hooks') else ''
    if path[0] == 'param_scheduler':
        parent = path[0]
    if key in ('type', '_scope_') or key in TAKEN.get(parent, ()):
        return True
    if len(path) == 1 and path[0] == 'default_hooks':
        return isinstance(node[key], Mapping) and 'type' in node[key]
    kind = node.get('type')
    if kind is None and len(path) == 1:
        if path[0] in CLOSED:
            return key in CLOSED[path[0]]
        kind = DEFAULT_TYPES.get(path[0])
        if path[0] == 'train_cfg' and node.get('by_epoch') is False:
            kind = 'IterBasedTrainLoop'
    cls = find_class(kind)
    if cls is None:
        return True
    # an open **kwargs takes any name, but hardly one that is nearly that of an entry or argument
    arguments = list_arguments(cls)
    known = [] if key in arguments else [name for name in (*node, *arguments) if name != key]
    return takes_argument(cls, key) and not difflib.get_close_matches(key, known, 1, MISSPELT)


def find_class(kind: Any) -> Optional[Type]:
    """The class or function that a ``type`` names in MMAction2's registries."""
    if not isinstance(kind, str):
        return kind if callable(kind) else None
    for registry in vars(registries).values():
        if isinstance(registry, Registry):
            found = registry.get(kind)
            if found is not None:
                return found
    return None


def list_inits(cls: Any) -> List[Any]:
    """The constructors of a class and its parents, or a function itself."""
    owners = cls.__mro__ if inspect.isclass(cls) else ()
    inits = [vars(owner).get('__init__') for owner in owners] or [cls]
    return [init for init in inits if init is not None]


def list_arguments(cls: Any) -> List[str]:
    """Names of the arguments of a class, its parents', or a function's."""
    return [name for init in list_inits(cls) for name in inspect.signature(init).parameters]


def takes_argument(cls: Any, name: str) -> bool:
    """Whether a class or function takes an argument of this name.

    Where ``__init__`` passes ``**kwargs`` to ``super().__init__``, the parent decides; where it
    uses them otherwise, any name may be taken.
    """
    for init in list_inits(cls):
        parameters = inspect.signature(init).parameters
        if name in parameters:
            return True
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return False
        try:
            source = inspect.getsource(init)
        except (OSError, TypeError):
            return True
        if re.search(r'super\([^)]*\)\.__init__\([^)]*\*\*', source) is None:
            return True
    return True


def list_keys(node: Any, path: str = '') -> Iterator[str]:
    """Dotted keys of all entries."""
    if isinstance(node, Mapping):
        entries: List[Tuple[Any, Any]] = list(node.items())
    elif isinstance(node, (list, tuple)):
        entries = list(enumerate(node))
    else:
        return
    for key, value in entries:
        name = f'{path}.{key}' if path else str(key)
        yield name
        yield from list_keys(value, name)


def name_nearest(cfg: Config, key: str, limit: int = 3) -> str:
    """Text that names the known keys nearest to an unknown one, or ''."""
    known = [k for k in list_keys(cfg.to_dict()) if k.split('.')[0] in RUNNER_KEYS]
    known += [k for k in sorted(RUNNER_KEYS) if k not in known]
    last = key.split('.')[-1]
    by_last: Dict[str, List[str]] = {}
    for name in known:
        by_last.setdefault(name.split('.')[-1], []).append(name)
    if last not in by_last or key in known:
        whole = difflib.get_close_matches(key, known, 1, 0.8)
        near = whole or [n for m in difflib.get_close_matches(last, by_last, 1) for n in by_last[m]]
    else:
        near = by_last[last]
    near = sorted((name for name in near if name != key), key=lambda name: rank(name, key))
    return f'. Nearest: {", ".join(near[:limit])}' if near else ''


def rank(name: str, key: str) -> Tuple[bool, bool, int]:
    """Order of suggestions: in the same part of the config, then of training, then the shortest."""
    return name.split('.')[0] != key.split('.')[0], not name.startswith('train'), len(name)
