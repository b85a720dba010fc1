"""Build a config's model, load a checkpoint, and find the names of its classes."""

import copy
import logging
import os.path as osp
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Dict, List, Mapping, Optional, Union

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import nn

from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.engine.encoders import read_checkpoint, strip_module
from deeprank_plugin.engine.hooks import StrictLoadHook


def init_model(
    config: Union[str, Path, Config],
    checkpoint: Optional[str] = None,
    device: Union[str, torch.device] = 'cpu',
    cfg_options: Optional[Dict] = None,
) -> nn.Module:
    """Build a config's model, load a checkpoint into it, and make it ready to predict.

    The model carries ``cfg`` and ``dataset_meta``, whose ``classes`` are the label names: those
    that training saved in the checkpoint, else ``label_names`` of the config, else None.

    Args:
        config (str, Path or Config): Config of the model, with ``test_dataloader``.
        checkpoint (str, optional): Local file that MMEngine's runner saved. Keys may be missing or
            left over only where ``StrictLoadHook`` in the config allows it, as in
            ``tools/test.py``. Defaults to None: the weights that training begins with (random
            ones, or those that ``init_cfg`` names), with a warning.
        device (str or torch.device): Where the model runs. Defaults to 'cpu'.
        cfg_options (dict, optional): Entries of the config to override. Defaults to None.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint cannot be read or is of another network, or there is no such
            device.
        TypeError: If ``config`` is none of these.
    """
    cfg = read_config(config)
    if cfg_options:
        cfg.merge_from_dict(cfg_options)
    if cfg.get('model') is None:
        raise ValueError(f'config {config!r} has no model; expected the config of a run')
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    model = MODELS.build(cfg.model)
    meta: Mapping = {}
    if checkpoint is None:
        warnings.warn(
            f'no checkpoint: {type(model).__name__} has the weights that training begins with',
            stacklevel=2,
        )
        init_quietly(model)
    else:
        meta = load_weights(model, cfg, checkpoint)
    model.cfg = cfg
    model.dataset_meta = dict(classes=find_label_names(model, meta, cfg))
    try:
        return model.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({cause}); expected 'cpu', or an accelerator "
            "of this machine such as 'cuda:0'"
        ) from error


def init_quietly(model: nn.Module) -> None:
    """Initialise without MMEngine's two lines a parameter in the log."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def read_config(config: Union[str, Path, Config]) -> Config:
    """A config of its own from a file or from another, or an error that says what is wrong."""
    if isinstance(config, Config):
        return copy.deepcopy(config)
    if not isinstance(config, (str, Path)):
        raise TypeError(f'config is a {type(config).__name__}; expected a path or a Config')
    if not osp.isfile(config):
        raise FileNotFoundError(f'config file {str(config)!r} does not exist')
    return Config.fromfile(config)


def load_weights(model: nn.Module, cfg: Config, path: str) -> Mapping:
    """Load a checkpoint as ``tools/test.py`` does; returns its meta."""
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint.get('state_dict'), Mapping):
        raise ValueError(
            f'{path!r} has no state_dict among {sorted(map(str, checkpoint))[:5]}; expected a '
            "checkpoint that MMEngine's runner saved"
        )
    settings = (cfg.get('default_hooks') or {}).get('strict_load') or {}
    settings = {key: value for key, value in settings.items() if key.startswith('allow_')}
    runner = SimpleNamespace(model=model, _load_from=str(path))
    StrictLoadHook(**settings).after_load_checkpoint(runner, checkpoint)
    # what is missing or left over, the hook has allowed
    model.load_state_dict(strip_module(checkpoint['state_dict']), strict=False)
    meta = checkpoint.get('meta')
    return meta if isinstance(meta, Mapping) else {}


def find_label_names(model: nn.Module, meta: Mapping, cfg: Config) -> Optional[List[str]]:
    """Names of the model's classes from a checkpoint's meta, else from the config, else None.

    Names whose number is not that of the classes are not used, with a warning.

    Raises:
        ValueError: If there are names that are no list of texts.
    """
    dataset_meta = meta.get('dataset_meta')
    names = dataset_meta.get('classes') if isinstance(dataset_meta, Mapping) else None
    source = 'dataset_meta of the checkpoint'
    if names is None:
        names, source = cfg.get('label_names'), 'label_names of the config'
    if names is None:
        names, source = CLASS_NAMES.get(cfg.get('class_names')), 'class_names of the config'
    if names is None:
        return None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{source} holds {names!r:.80}; expected a list of the names of classes')
    classes = count_classes(model)
    if classes is not None and len(names) != classes:
        warnings.warn(
            f'{source} names {len(names)} classes and the model has {classes}: classes are told '
            'by number; set metainfo.classes of the training data (or label_names) to their names',
            stacklevel=3,
        )
        return None
    return list(names)


def count_classes(model: nn.Module) -> Optional[int]:
    """Number of classes of a classifier; None where a model has no classes."""
    return getattr(getattr(model, 'cls_head', None), 'num_classes', None)


def label_names(model: nn.Module) -> List[str]:
    """Names of a classifier's classes; their numbers where it knows no names."""
    known = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    return list(map(str, range(count_classes(model)))) if known is None else list(known)


def require_classifier(model: nn.Module) -> None:
    """Raise a ``ValueError`` if the model tells no classes."""
    if count_classes(model) is None:
        raise ValueError(
            f'{type(model).__name__} has no classes to tell; expected a finetuned recogniser: use '
            'the config and checkpoint of a finetuning, or extract_features'
        )
