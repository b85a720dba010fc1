"""Load a pretrained encoder by ``init_cfg``; a checkpoint that does not fit is an error."""

import os.path as osp
import pickle
from typing import Iterable, List, Mapping, NamedTuple, Optional

import torch.nn as nn
from mmaction.registry import WEIGHT_INITIALIZERS
from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmengine.model.weight_init import update_init_info
from mmengine.runner.checkpoint import (
    CheckpointLoader,
    find_latest_checkpoint,
    load_state_dict,
)


class StateDictDifference(NamedTuple):
    """What keeps a checkpoint from fitting a module.

    ``missing`` are keys of the module that the checkpoint lacks, ``unexpected`` are keys of the
    checkpoint that the module lacks, ``reshaped`` are 'key (shape found, shape expected)'.
    """

    missing: List[str]
    unexpected: List[str]
    reshaped: List[str]


def compare_state_dicts(found: Mapping, expected: Mapping) -> StateDictDifference:
    """Compare a checkpoint's weights with those of a module by name and shape.

    BatchNorm's ``num_batches_tracked`` may be missing, as MMEngine allows: it is not used.

    Args:
        found (Mapping): State dict from the checkpoint.
        expected (Mapping): State dict of the module.

    Returns:
        StateDictDifference: Sorted lists, all empty if the checkpoint fits.
    """
    missing = sorted(
        key for key in set(expected) - set(found) if not key.endswith('num_batches_tracked')
    )
    reshaped = []
    for key in sorted(set(expected) & set(found)):
        shapes = [tuple(getattr(states[key], 'shape', ())) for states in (found, expected)]
        if shapes[0] != shapes[1]:
            reshaped.append(f'{key} (found {shapes[0]}, expected {shapes[1]})')
    return StateDictDifference(missing, sorted(set(found) - set(expected)), reshaped)


def list_some(names: Iterable[str], limit: int = 4) -> str:
    """Write out the first names of a list and how many more there are."""
    names = list(names)
    text = ', '.join(names[:limit]) or 'none'
    return text if len(names) <= limit else f'{text} and {len(names) - limit} more'


def strip_module(state_dict: Mapping) -> dict:
    """Take the prefix 'module.', which parallel wrappers leave behind, off the keys."""
    return {key[7:] if key.startswith('module.') else key: state_dict[key] for key in state_dict}


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class Pretrained(PretrainedInit):
    """Load pretrained weights into a module, and refuse those of another network.

    MMEngine's initialiser of the same name only logs what does not match, so that a wrong
    checkpoint leaves random weights behind a run that looks pretrained.

    Args:
        checkpoint (str): File, or any address that MMEngine's ``CheckpointLoader`` knows, or the
            work dir of a pretraining run, whose latest checkpoint is taken.
        prefix (str, optional): Take the keys under this prefix only, such as ``'backbone.'``; then
            they must be exactly those of the module. Without a prefix, missing and unexpected keys
            are logged, as MMEngine does. Defaults to None.
        map_location (str): Where to put the tensors. Defaults to ``'cpu'``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is no checkpoint, if none of its keys is the module's, if shapes differ,
            or, given a prefix, if keys of the module are missing or unexpected.
    """

    def __call__(self, module: nn.Module) -> None:
        if osp.isdir(self.checkpoint):
            # None where the folder names no checkpoint: the folder itself is then reported
            self.checkpoint = find_latest_checkpoint(self.checkpoint) or self.checkpoint
        state_dict = self._read_state_dict()
        self._check(state_dict, module)
        load_state_dict(module, state_dict, strict=False, logger='current')
        part = 'all weights' if self.prefix is None else f'the weights under {self.prefix!r}'
        print_log(f'{type(module).__name__}: loaded {part} of {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _read_state_dict(self) -> dict:
        """Open the checkpoint and pick the weights under the prefix, without the prefix."""
        try:
            checkpoint = CheckpointLoader.load_checkpoint(
                self.checkpoint, map_location=self.map_location, logger='current'
            )
        except (FileNotFoundError, IsADirectoryError) as error:
            raise FileNotFoundError(
                f'Pretrained checkpoint {self.checkpoint!r} does not exist: pretrain first, or '
                'set init_cfg.checkpoint to the file that pretraining wrote.'
            ) from error
        except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} cannot be read ({error}): expected a '
                'file that MMEngine saved, complete and untampered.'
            ) from error
        state_dict = strip_module(self._find_weights(checkpoint))
        if self.prefix is None:
            return state_dict
        prefix = self.prefix if self.prefix.endswith('.') else f'{self.prefix}.'
        selected = {k[len(prefix) :]: v for k, v in state_dict.items() if k.startswith(prefix)}
        if not selected:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} has no key under prefix {prefix!r}; '
                f'found: {list_some(state_dict)}. Set init_cfg.prefix to what stands before the '
                "encoder's keys, or name another checkpoint."
            )
        return selected

    def _find_weights(self, checkpoint: object) -> Mapping:
        weights = checkpoint
        if isinstance(checkpoint, Mapping):
            weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, Mapping):
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} holds a {type(weights).__name__} '
                'where a dict of weights was expected: name a file that MMEngine saved.'
            )
        return weights

    def _check(self, state_dict: Mapping, module: nn.Module) -> None:
        """Raise if the weights are those of another network."""
        expected = module.state_dict()
        difference = compare_state_dicts(state_dict, expected)
        name = type(module).__name__
        problem: Optional[str] = None
        if not set(state_dict) & set(expected):
            problem = (
                f'has no key of {name}; found: {list_some(state_dict)}; '
                f'expected: {list_some(expected)}'
            )
        elif difference.reshaped:
            problem = f'has other shapes than {name}: {list_some(difference.reshaped)}'
        elif self.prefix is not None and (difference.missing or difference.unexpected):
            problem = (
                f'does not have the keys of {name}; missing: {list_some(difference.missing)}; '
                f'unexpected: {list_some(difference.unexpected)}'
            )
        if problem is not None:
            under = '' if self.prefix is None else f' (prefix {self.prefix!r})'
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r}{under} {problem}. It belongs to '
                f"another network: build {name} with the settings of the checkpoint's own config "
                '(channels, stages, graph layout), or change init_cfg.checkpoint or .prefix.'
            )
