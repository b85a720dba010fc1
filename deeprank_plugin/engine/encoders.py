"""Finds the encoders in a checkpoint: their weights, modality and config."""

import ast
import os.path as osp
import pickle
import re
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Union

import torch
from torch import Tensor

from deeprank_plugin.models.data_preprocessor import MODALITIES

ENCODER_KEY = re.compile(r'(?:streams\.(?P<stream>[^.]+)\.)?backbone\.(?P<name>.+)')


def list_some(names: Iterable[str], limit: int = 4) -> str:
    """Text of the first names of a list, and of how many more there are."""
    names = list(names)
    text = ', '.join(names[:limit]) or 'none'
    return text if len(names) <= limit else f'{text} and {len(names) - limit} more'


def strip_module(state_dict: Mapping) -> dict:
    """Strip the prefix 'module.', which parallel wrappers add, from the keys."""
    return {key[7:] if key.startswith('module.') else key: state_dict[key] for key in state_dict}


def read_checkpoint(path: Union[str, Path]) -> Dict:
    """Load a local checkpoint on the CPU; it may hold weights and plain values, but no code.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it cannot be read, contains anything but weights and plain values, or is not
            a dict.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{str(path)!r} is no file: name a checkpoint.')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # damaged and hostile files raise many kinds of errors
        # torch wraps the cause in advice on switching its protection off
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


def find_prefixes(weights: Mapping) -> Dict[Optional[str], str]:
    """Key prefix of each encoder by its stream, which is None for an unnamed encoder.

    Empty if the weights are not those of a model with a backbone.
    """
    prefixes: Dict[Optional[str], str] = {}
    for key in weights:
        match = ENCODER_KEY.fullmatch(str(key))
        if match is not None:
            prefixes[match['stream']] = key[: match.start('name')]
    return prefixes


def list_streams(checkpoint: Mapping) -> List[str]:
    """Modalities of the encoders that a checkpoint holds, in the order of its keys.

    Raises:
        ValueError: If it is not a checkpoint, holds no encoder, or does not record the modality of
            its encoder.
    """
    streams = find_encoders(checkpoint)
    published = (checkpoint.get('meta') or {}).get('modality')
    return [
        stream or published or read_modality(read_checkpoint_config(checkpoint))
        for stream in streams
    ]


def find_encoders(checkpoint: Mapping) -> Dict[Optional[str], Dict[str, Tensor]]:
    """Weights of each encoder, with keys ``backbone.*``, by its stream; None if unnamed."""
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
    """Rewrites ``dict(a=1)`` as ``{'a': 1}``, and ``inf`` and ``nan`` as numbers."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func.id if isinstance(node.func, ast.Name) else None
        if called == 'dict' and len(node.args) == 1 and not node.keywords:
            return node.args[0] if isinstance(node.args[0], ast.Dict) else node  # dict({'10p': 1})
        if called != 'dict' or node.args or any(word.arg is None for word in node.keywords):
            return node  # ast.literal_eval rejects it
        keys = [ast.Constant(word.arg) for word in node.keywords]
        return ast.Dict(keys=list(keys), values=[word.value for word in node.keywords])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(float(node.id)) if node.id in ('inf', 'nan') else node


def read_checkpoint_config(checkpoint: Mapping) -> Dict:
    """Parse the config text without running it, as ``Config.fromstring`` would."""
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
            if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
                raise ValueError(f'line {statement.lineno} assigns no value to a name')
            name = statement.targets[0]
            if not isinstance(name, ast.Name):
                raise ValueError(f'line {statement.lineno} assigns no value to a name')
            config[name.id] = ast.literal_eval(_DictCalls().visit(statement.value))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"the config text in meta['cfg'] is more than plain values ({error}); expected what "
            "MMEngine's runner saves, names with numbers, strings, lists and dicts"
        ) from error
    if not isinstance(config.get('model'), dict) or 'type' not in config['model']:
        raise ValueError("the config in meta['cfg'] has no model.type; expected a config of a run")
    return config


def read_modality(config: Mapping) -> str:
    """Modality of the inputs of a model with one encoder."""
    model = config['model']
    preprocessor = model.get('data_preprocessor')
    if preprocessor is None and str(model['type']).split('.')[-1] == 'DeepRank':
        return 'joint'  # default of DeepRank
    found = None
    if isinstance(preprocessor, Mapping):
        found = preprocessor.get('modality')  # of any preprocessor, such as a project's own
        if str(preprocessor.get('type')).split('.')[-1] == 'SkeletonPreprocessor':
            found = preprocessor.get('modality', 'joint')
    if found not in MODALITIES:
        raise ValueError(
            f'the config does not say of which modality the encoder is: model.data_preprocessor is '
            f'{preprocessor!r}; expected a SkeletonPreprocessor with one of {MODALITIES}'
        )
    return found
