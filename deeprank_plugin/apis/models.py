"""Build a config's model, load a checkpoint, and find its class names."""

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
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.engine.config_keys import merge_options
from deeprank_plugin.engine.encoders import read_checkpoint, strip_module
from deeprank_plugin.engine.hooks import StrictLoadHook


def init_model(
    config: Union[str, Path, Config],
    checkpoint: Optional[str] = None,
    device: Union[str, torch.device] = 'cpu',
    cfg_options: Optional[Dict] = None,
) -> BaseModel:
    """Build a config's model, load a checkpoint into it, and prepare it for inference.

    The model carries ``cfg`` and ``dataset_meta``, whose ``classes`` are the class names: those
    that training saved in the checkpoint, else ``label_names`` or ``class_names`` of the config (a
    list, or the name of one that is built in), else None.

    Args:
        config (str, Path or Config): Config of the model, with ``test_dataloader``.
        checkpoint (str, optional): Local file saved by MMEngine's runner. Keys may be missing or
            unexpected only where ``StrictLoadHook`` in the config allows it, as in
            ``tools/test.py``. Defaults to None: the initial weights (random, or as named by
            ``init_cfg``), with a warning.
        device (str or torch.device): Device of the model. Defaults to 'cpu'.
        cfg_options (dict, optional): Entries of the config to override. Defaults to None.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint cannot be read or is from another network, modality or
            layout, if nothing reads an option, or the device does not exist.
        TypeError: If ``config`` has another type.
    """
    cfg = read_config(config)
    if cfg_options:
        merge_options(cfg, cfg_options)
    if cfg.get('model') is None:
        raise ValueError(f'config {config!r} has no model; expected the config of a run')
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    model = MODELS.build(cfg.model)
    meta: Mapping = {}
    if checkpoint is None:
        warnings.warn(
            f'no checkpoint: {type(model).__name__} has its initial weights',
            stacklevel=2,
        )
        init_quietly(model)
    else:
        meta = load_weights(model, cfg, checkpoint)
    model.cfg = cfg
    model.dataset_meta = dict(classes=find_label_names(model, meta, cfg))
    return move(model, device).eval()


def move(model: BaseModel, device: Union[str, torch.device]) -> BaseModel:
    """Move a model to a device.

    Raises:
        ValueError: If the device does not exist.
    """
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({cause}); expected 'cpu', or an accelerator "
            "of this machine such as 'cuda:0'"
        ) from error


def init_quietly(model: BaseModel) -> None:
    """Initialise without MMEngine's two log lines per parameter."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        model.init_weights()
    finally:
        logger.setLevel(level)


def read_config(config: Union[str, Path, Config]) -> Config:
    """Read a config from a file, or copy one."""
    if isinstance(config, Config):
        return copy.deepcopy(config)
    if not isinstance(config, (str, Path)):
        raise TypeError(f'config is a {type(config).__name__}; expected a path or a Config')
    if not osp.isfile(config):
        raise FileNotFoundError(f'config file {str(config)!r} does not exist')
    return Config.fromfile(config)


def load_weights(model: BaseModel, cfg: Config, path: str) -> Mapping:
    """Load a checkpoint as ``tools/test.py`` does, and return its meta."""
    checkpoint = read_checkpoint(path)
    if not isinstance(checkpoint.get('state_dict'), Mapping):
        raise ValueError(
            f'{path!r} has no state_dict among {sorted(map(str, checkpoint))[:5]}; expected a '
            "checkpoint saved by MMEngine's runner"
        )
    settings = (cfg.get('default_hooks') or {}).get('strict_load') or {}
    settings = {key: value for key, value in settings.items() if key.startswith('allow_')}
    runner = SimpleNamespace(model=model, _load_from=str(path), cfg={})  # tested on nothing
    StrictLoadHook(**settings).after_load_checkpoint(runner, checkpoint)
    # the hook has allowed any missing or unexpected keys
    model.load_state_dict(strip_module(checkpoint['state_dict']), strict=False)
    meta = checkpoint.get('meta')
    return meta if isinstance(meta, Mapping) else {}


def find_label_names(model: BaseModel, meta: Mapping, cfg: Config) -> Optional[List[str]]:
    """The model's class names from a checkpoint's meta, else from the config, else None.

    If their number differs from the model's classes, they are ignored with a warning.

    Raises:
        ValueError: If the names are not a list of strings.
    """
    dataset_meta = meta.get('dataset_meta')
    names = dataset_meta.get('classes') if isinstance(dataset_meta, Mapping) else None
    source = 'dataset_meta of the checkpoint'
    if names is None:
        names, source = cfg.get('label_names'), 'label_names of the config'
    if names is None:
        given, source = cfg.get('class_names'), 'class_names of the config'
        names = CLASS_NAMES.get(given) if isinstance(given, str) else given
    if names is None:
        return None
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'{source} holds {names!r:.80}; expected a list of the names of classes')
    classes = count_classes(model)
    if classes is not None and len(names) != classes:
        warnings.warn(
            f'{source} names {len(names)} classes and the model has {classes}: using numbers '
            'instead; set metainfo.classes of the training data (or label_names) to the names',
            stacklevel=3,
        )
        return None
    return list(names)


def count_classes(model: BaseModel) -> Optional[int]:
    """Number of classes of a classifier; None for other models."""
    return getattr(getattr(model, 'cls_head', None), 'num_classes', None)


def label_names(model: BaseModel) -> List[str]:
    """Class names of a classifier; class numbers if it has no names."""
    known = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    return list(map(str, range(count_classes(model) or 0))) if known is None else list(known)


def require_classifier(model: BaseModel) -> None:
    """Raise a ``ValueError`` unless the model is a classifier."""
    if count_classes(model) is None:
        raise ValueError(
            f'{type(model).__name__} has no classes to predict; expected a finetuned recogniser: '
            'use the config and checkpoint of a finetuning run, or extract_features'
        )
