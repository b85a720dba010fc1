"""Encoder-only files: extracted from a checkpoint, hashed and written."""

import hashlib
import importlib.metadata
import io
import json
import os
import os.path as osp
import re
from pathlib import Path, PureWindowsPath
from typing import Dict, Mapping, Optional, Union

import torch
from mmengine.config import Config
from torch import Tensor

from deeprank_plugin.models.data_preprocessor import MODALITIES
from deeprank_plugin.version import __version__

from .encoders import find_encoders, list_streams, read_checkpoint_config
from .identity import identify_checkpoint, to_meta

MACHINE_FIELDS = ('load_from', 'work_dir', 'more_files')  # the last: paths joined by colons
DIGITS = 8
"""Hexadecimal digits of the hash in a file name, as in MMEngine."""


def write_checkpoint(checkpoint: Mapping, path: Union[str, Path], force: bool = False) -> None:
    """Save a whole file or nothing; saving the same content again is allowed.

    Args:
        checkpoint (Mapping): What to save.
        path (str or Path): Where to save it; missing folders are created.
        force (bool): Replace another file of that name. Defaults to False.

    Raises:
        FileExistsError: If a different file exists and ``force`` is False.
        OSError: If it cannot be written.
    """
    path, content = Path(path), io.BytesIO()
    torch.save(checkpoint, content)  # to a buffer, because torch.save writes a file's name into it
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
    the values in row-major order, in little-endian byte order.

    Args:
        state_dict (Mapping): Name to dense tensor.

    Returns:
        str: 64 hexadecimal digits.

    Raises:
        ValueError: If a value is not a dense tensor.
    """
    digest = hashlib.sha256()
    for key in sorted(state_dict, key=str):
        value = state_dict[key]
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized:
            raise ValueError(f'weight {key!r} is a {type(value).__name__}; expected a dense tensor')
        header = json.dumps([key, str(value.dtype), list(value.shape)])
        digest.update(f'{header}\n'.encode('ascii'))
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def extract_encoder(
    checkpoint: Mapping, stream: Optional[str] = None, source: Optional[str] = None
) -> Dict:
    """Take one encoder out of a checkpoint, under keys ``backbone.*``.

    Running statistics of BatchNorm are kept. Heads, bank, optimiser and logs are left out. In the
    config text, ``load_from``, ``work_dir`` and all strings that are absolute paths become None:
    they mean nothing on another machine, and may name a person. Of an ``ann_file`` its name stays,
    by which one knows which samples the encoder was trained on.

    Args:
        checkpoint (Mapping): Of DeepRank, MVDeepRank or RecognizerGCN, as MMEngine saves it.
        stream (str, optional): 'joint', 'bone' or 'motion'. Defaults to None: the only one.
        source (str, optional): Name of the checkpoint; its last part is recorded. Defaults to None.

    Returns:
        dict: ``state_dict`` and ``meta``, with ``cfg`` (config text), ``modality``, ``layout`` and
        ``num_joints`` (where known), ``method`` (type of the model), ``data`` (``ann_file`` without
        folders, ``split``), ``epoch``, ``source``, ``versions`` (of what publishes:
        deeprank_plugin, torch, mmengine, mmaction2) and ``sha256``, the :func:`hash_weights` of
        ``state_dict``.

    Raises:
        ValueError: If it is not a checkpoint, holds no encoder or not that stream, lacks its config
            or epoch, or if the config contains more than plain values.
    """
    encoders, streams = find_encoders(checkpoint), list_streams(checkpoint)
    config = read_checkpoint_config(checkpoint)
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
        **to_meta(identify_checkpoint(checkpoint)._replace(modality=None)),
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
    # clones: torch.save writes the whole storage of a slice
    return dict(state_dict={k: v.detach().clone() for k, v in weights.items()}, meta=meta)


def verify(published: Mapping) -> bool:
    """Whether the weights of a published file match its own hash.

    The hash is not signed and covers only the weights: compare its first digits with those in the
    file name that the source announces.

    Raises:
        ValueError: If weights or hash are missing.
    """
    weights, meta = published.get('state_dict'), published.get('meta')
    if not isinstance(weights, Mapping) or not isinstance(meta, Mapping) or 'sha256' not in meta:
        raise ValueError(
            "there is no meta['sha256'] beside a state_dict; expected a file that "
            'tools/publish_encoder.py wrote'
        )
    return hash_weights(weights) == meta['sha256']


def _read_data(config: Mapping) -> Dict:
    """Annotation file, without folders, and split of the training data."""
    dataset = config.get('train_dataloader') or {}
    while isinstance(dataset, Mapping) and 'ann_file' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    files = dataset.get('ann_file') if isinstance(dataset, Mapping) else None
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, (list, tuple)):
        raise ValueError(
            'the config has no train_dataloader.dataset.ann_file; expected the config of a run '
            'that trained the encoder'
        )
    return dict(ann_file=', '.join(map(_file_name, files)), split=dataset.get('split'))


def _strip_paths(config: Mapping) -> Dict:
    """The config with None for MACHINE_FIELDS and for every string that is an absolute path.

    An absolute ``ann_file`` becomes the file's name.
    """

    def strip(value, key=None):
        if isinstance(value, dict):
            return {own: strip(item, own) for own, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(strip(item, key) for item in value)
        if not isinstance(value, str) or not _is_absolute(value):
            return value
        return _file_name(value) if key == 'ann_file' else None

    stripped = {key: strip(value) for key, value in config.items()}
    stripped.update({key: None for key in MACHINE_FIELDS if key in stripped})
    return stripped


def _file_name(path: str) -> str:
    return re.split(r'[/\\]', path)[-1]


def _is_absolute(text: str) -> bool:
    return text.startswith(('/', '~', 'file:')) or PureWindowsPath(text).is_absolute()
