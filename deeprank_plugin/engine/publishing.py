"""Encoder-only files: what is taken from a checkpoint, how it is hashed, how it is written."""

import ast
import hashlib
import importlib.metadata
import io
import json
import os
import os.path as osp
import pickle
import re
from pathlib import Path, PureWindowsPath
from typing import Dict, List, Mapping, Optional, Union

import torch
from mmengine.config import Config
from torch import Tensor

from deeprank_plugin.models.data_preprocessor import MODALITIES
from deeprank_plugin.version import __version__

from .initializers import list_some, strip_module

ENCODER_KEY = re.compile(r'(?:streams\.(?P<stream>[^.]+)\.)?backbone\.(?P<name>.+)')
MACHINE_FIELDS = ('load_from', 'work_dir')
DIGITS = 8
"""Hexadecimal digits of the hash that a file name carries, as many as in MMEngine's."""


def read_checkpoint(path: Union[str, Path]) -> Dict:
    """Open a local checkpoint on the CPU; it may hold weights and plain values, and no code.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, asks for anything but weights and plain values, or holds
            no dict.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{str(path)!r} is no file: name a checkpoint.')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # what a damaged or hostile file makes the reader raise is not fixed
        # torch wraps what was wrong into advice on how to switch its protection off
        wrapped = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
        reason = (str(wrapped or error).strip() or repr(error)).splitlines()[0]
        raise ValueError(
            f'{str(path)!r} cannot be read as a checkpoint ({reason}): expected a file of '
            'weights and plain values, as MMEngine saves it, complete and untampered.'
        ) from error
    if not isinstance(checkpoint, dict):
        raise ValueError(
            f'{str(path)!r} holds a {type(checkpoint).__name__}; expected a checkpoint, a dict.'
        )
    return checkpoint


def write_checkpoint(checkpoint: Mapping, path: Union[str, Path], force: bool = False) -> None:
    """Save a whole file or nothing; the same content saved again is no harm.

    Args:
        checkpoint (Mapping): What to save.
        path (str or Path): Where; missing folders are made.
        force (bool): Replace another file of that name. Defaults to False.

    Raises:
        FileExistsError: If another file is there and ``force`` is not given.
        OSError: If it cannot be written.
    """
    path, content = Path(path), io.BytesIO()
    torch.save(checkpoint, content)  # to a buffer: a file's own name would go into its bytes
    if path.is_dir() or (path.exists() and not force and path.read_bytes() != content.getvalue()):
        raise FileExistsError(
            f'{path} exists and holds something else; choose another name, or replace a file with '
            '--force'
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.part')
    try:
        temporary.write_bytes(content.getvalue())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def hash_weights(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights; the order of the keys and the layout in memory do not matter.

    Over the keys in sorted order: the line ``["<key>", "<dtype>", [<shape>]]`` in ASCII JSON, then
    the values in row-major order, as they lie in the memory of a little-endian machine.

    Args:
        state_dict (Mapping): Name to dense tensor.

    Returns:
        str: 64 hexadecimal digits.

    Raises:
        ValueError: If a value is no dense tensor.
    """
    digest = hashlib.sha256()
    for key in sorted(state_dict, key=str):
        value = state_dict[key]
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
            raise ValueError(f'weight {key!r} is a {type(value).__name__}; expected a dense tensor')
        header = json.dumps([key, str(value.dtype), list(value.shape)])
        digest.update(f'{header}\n'.encode('ascii'))
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def list_streams(checkpoint: Mapping) -> List[str]:
    """Modalities of the encoders that a checkpoint holds, in the order of its keys.

    Raises:
        ValueError: If it is no checkpoint, holds no encoder, or does not say of which modality its
            encoder is.
    """
    streams = _find_encoders(checkpoint)
    return [stream or _read_modality(_read_config(checkpoint)) for stream in streams]


def extract_encoder(
    checkpoint: Mapping, stream: Optional[str] = None, source: Optional[str] = None
) -> Dict:
    """Take one encoder out of a checkpoint, under keys ``backbone.*``.

    Running statistics of BatchNorm are kept. Heads, bank, optimiser and logs are left out. In the
    config text, ``load_from``, ``work_dir`` and all strings that are absolute paths become None:
    they mean nothing on another machine, and may name a person.

    Args:
        checkpoint (Mapping): Of DeepRank, MVDeepRank or RecognizerGCN, as MMEngine saves it.
        stream (str, optional): 'joint', 'bone' or 'motion'. Defaults to None: the only one.
        source (str, optional): Name of the checkpoint; its last part is recorded. Defaults to None.

    Returns:
        dict: ``state_dict`` and ``meta``, with ``cfg`` (config text), ``modality``, ``method``
        (type of the model), ``data`` (``ann_file`` without folders, ``split``), ``epoch``,
        ``source``, ``versions`` (of what publishes: deeprank_plugin, torch, mmengine, mmaction2)
        and ``sha256``, the :func:`hash_weights` of ``state_dict``.

    Raises:
        ValueError: If it is no checkpoint, holds no encoder or not that stream, lacks its config or
            epoch, or if the config is more than plain values.
    """
    encoders, streams = _find_encoders(checkpoint), list_streams(checkpoint)
    config = _read_config(checkpoint)
    if stream is None and len(streams) > 1:
        raise ValueError(f'the checkpoint holds the streams {", ".join(streams)}: name one of them')
    stream = streams[0] if stream is None else stream
    if stream not in streams:
        known = 'is not in this checkpoint' if stream in MODALITIES else 'is not known'
        raise ValueError(
            f'stream {stream!r} {known}; this checkpoint of {config["model"]["type"]} holds: '
            f'{", ".join(streams)}'
        )
    if 'epoch' not in checkpoint['meta']:
        raise ValueError("the checkpoint has no meta['epoch']; expected one that MMEngine saved")
    weights = encoders[list(encoders)[streams.index(stream)]]
    digest = hash_weights(weights)
    meta = dict(
        cfg=Config(_strip_paths(config)).pretty_text,
        modality=stream,
        method=config['model']['type'],
        data=_read_data(config),
        epoch=checkpoint['meta']['epoch'],
        source=None if source is None else osp.basename(source),
        versions=dict(
            deeprank_plugin=__version__,
            torch=str(torch.__version__),
            mmengine=importlib.metadata.version('mmengine'),
            mmaction2=importlib.metadata.version('mmaction2'),
        ),
        sha256=digest,
    )
    # clones: a slice of a larger tensor would bring all of it into the file
    return dict(state_dict={k: v.detach().clone() for k, v in weights.items()}, meta=meta)


def verify(published: Mapping) -> bool:
    """Whether the weights of a published file are those that its own hash was taken of.

    The hash is not signed and covers the weights alone: compare its first digits with those in the
    file name that the source announces.

    Raises:
        ValueError: If there are no weights or no hash.
    """
    weights, meta = published.get('state_dict'), published.get('meta')
    if not isinstance(weights, Mapping) or not isinstance(meta, Mapping) or 'sha256' not in meta:
        raise ValueError(
            "there is no meta['sha256'] beside a state_dict; expected a file that "
            'tools/publish_encoder.py wrote'
        )
    return hash_weights(weights) == meta['sha256']


def _find_encoders(checkpoint: Mapping) -> Dict[Optional[str], Dict[str, Tensor]]:
    """Weights of each encoder under keys ``backbone.*``; the stream is None if it has no name."""
    weights = checkpoint.get('state_dict') if isinstance(checkpoint, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        raise ValueError(
            f'there is no state_dict with named weights among {list_some(map(str, checkpoint))}; '
            'expected a checkpoint that MMEngine saved'
        )
    encoders: Dict[Optional[str], Dict[str, Tensor]] = {}
    for key, value in strip_module(weights).items():
        match = ENCODER_KEY.fullmatch(key)
        if match is not None:
            name = f'backbone.{match["name"]}'
            encoders.setdefault(match['stream'], {})[name] = value
    if not encoders or (None in encoders and len(encoders) > 1):
        raise ValueError(
            'the checkpoint has no encoder: expected keys backbone.* or '
            f'streams.<modality>.backbone.*, found: {list_some(weights)}'
        )
    return encoders


class _DictCalls(ast.NodeTransformer):
    """Write ``dict(a=1)`` as ``{'a': 1}``, and ``inf`` and ``nan`` as numbers."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func.id if isinstance(node.func, ast.Name) else None
        if called != 'dict' or node.args or any(word.arg is None for word in node.keywords):
            return node  # which ast.literal_eval refuses
        keys = [ast.Constant(word.arg) for word in node.keywords]
        return ast.Dict(keys=keys, values=[word.value for word in node.keywords])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(float(node.id)) if node.id in ('inf', 'nan') else node


def _read_config(checkpoint: Mapping) -> Dict:
    """Values of the config text; ``Config.fromstring`` would run it as a program."""
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        raise ValueError(
            "the checkpoint has no config text in meta['cfg']; expected one that MMEngine's runner "
            'saved'
        )
    config = {}
    try:
        for statement in ast.parse(text).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if len(targets) != 1 or not isinstance(targets[0], ast.Name):
                raise ValueError(f'line {statement.lineno} gives no value to a name')
            config[targets[0].id] = ast.literal_eval(_DictCalls().visit(statement.value))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"the config text in meta['cfg'] is more than plain values ({error}); expected what "
            "MMEngine's runner saves, names with numbers, strings, lists and dicts"
        ) from error
    if not isinstance(config.get('model'), dict) or 'type' not in config['model']:
        raise ValueError("the config in meta['cfg'] has no model.type; expected a config of a run")
    return config


def _read_modality(config: Mapping) -> str:
    """Modality that a model with one encoder is fed with."""
    model = config['model']
    preprocessor = model.get('data_preprocessor')
    if preprocessor is None and str(model['type']).split('.')[-1] == 'DeepRank':
        return 'joint'  # default of DeepRank
    found = None
    if isinstance(preprocessor, Mapping):
        found = preprocessor.get('modality')  # that of a project need not be SkeletonPreprocessor
        if str(preprocessor.get('type')).split('.')[-1] == 'SkeletonPreprocessor':
            found = preprocessor.get('modality', 'joint')
    if found not in MODALITIES:
        raise ValueError(
            f'the config does not say of which modality the encoder is: model.data_preprocessor is '
            f'{preprocessor!r}; expected a SkeletonPreprocessor with one of {MODALITIES}'
        )
    return found


def _read_data(config: Mapping) -> Dict:
    """Annotation file, without folders, and split of the training data."""
    dataset = config.get('train_dataloader') or {}
    while isinstance(dataset, Mapping) and 'ann_file' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get('ann_file'), str):
        raise ValueError(
            'the config has no train_dataloader.dataset.ann_file; expected the config of a run '
            'that trained the encoder'
        )
    name = re.split(r'[/\\]', dataset['ann_file'])[-1]
    return dict(ann_file=name, split=dataset.get('split'))


def _strip_paths(config: Mapping) -> Dict:
    """The config with None for MACHINE_FIELDS and for every string that is an absolute path."""

    def strip(value):
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(strip(item) for item in value)
        return None if isinstance(value, str) and _is_absolute(value) else value

    stripped = {key: strip(value) for key, value in config.items()}
    stripped.update({key: None for key in MACHINE_FIELDS if key in stripped})
    return stripped


def _is_absolute(text: str) -> bool:
    return text.startswith(('/', '~', 'file:')) or PureWindowsPath(text).is_absolute()
