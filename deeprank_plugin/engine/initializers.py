"""Loads a pretrained encoder through ``init_cfg``; a checkpoint that does not match is an error."""

import logging
import os.path as osp
import pickle
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

import torch.nn as nn
from mmaction.registry import WEIGHT_INITIALIZERS
from mmengine.logging import print_log
from mmengine.model import PretrainedInit
from mmengine.model.weight_init import update_init_info
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict

from deeprank_plugin.layouts import Layout, find_layout

from .encoders import ENCODER_KEY, find_prefixes, list_some, strip_module
from .exposure import Use, check_exposure, describe_files, describe_shapes
from .identity import Identity, check_aspects, compare_inputs, identify_checkpoint, permit
from .recovery.checkpoints import find_latest


class StateDictDifference(NamedTuple):
    """How a checkpoint differs from a module.

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
        StateDictDifference: Sorted lists, all empty if the checkpoint matches.
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


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class Pretrained(PretrainedInit):
    """Loads a pretrained encoder; rejects one of another network, modality or layout.

    MMEngine's initialiser of the same name only logs mismatches, so with a wrong checkpoint a run
    that looks pretrained starts from random weights.

    Without a prefix, the encoder is found by its keys: ``backbone.`` (DeepRank, DeepCluster, MoCo,
    SkeletonMAE, a recogniser, a published file), ``streams.<modality>.backbone.`` (MV-DeepRank), or
    neither (the state dict of a backbone). Its keys must be exactly those of the module.

    Args:
        checkpoint (str or dict): File, any address that MMEngine's ``CheckpointLoader`` accepts, or
            the work dir of a pretraining run, whose latest checkpoint is used; or a dict of
            modality to these, such as of three MoCo runs for the encoders of MV-DeepRank.
        prefix (str, optional): Use the keys with this prefix. Defaults to None: found.
        map_location (str): Where to put the tensors. Defaults to ``'cpu'``.
        modality (str, optional): 'joint', 'bone' or 'motion': the modality that the encoder must
            have been trained on, if the checkpoint records one. ``SkeletonRecognizer`` and
            ``StrictLoadHook`` pass the model's own. Defaults to None: any.
        layout (str, dict or Layout, optional): The same for the layout of the skeletons.
        allow_other (Sequence[str]): What may differ on purpose: 'modality', 'layout'. Defaults to
            ``()``.
        segments (int, optional): Parts of the time that the model pools apart. A warning says so
            if the encoder was pretrained with another number, more than one. Defaults to None: not
            compared.
        use (Use, optional): What the run does with the encoder; ``StrictLoadHook`` passes it. A
            warning says so if the encoder was pretrained on samples that the run is tested on, on
            another file of the same name, or with other lengths of clips or numbers of bodies.
            Defaults to None: not compared.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a checkpoint, if it holds only encoders of other modalities, or
            several while ``modality`` is None, if it is of another layout, if it was trained with
            the labels of samples that the run is tested on, or if keys or shapes differ from the
            module's.
    """

    def __init__(
        self,
        checkpoint: Union[str, Mapping[str, str]],
        prefix: Optional[str] = None,
        map_location: str = 'cpu',
        modality: Optional[str] = None,
        layout: Optional[Union[str, Dict, Layout]] = None,
        allow_other: Sequence[str] = (),
        segments: Optional[int] = None,
        use: Optional[Use] = None,
    ) -> None:
        super().__init__(checkpoint, prefix, map_location)
        self.use = use
        self.segments = segments
        self.checkpoint: Any = checkpoint
        self.allow_other = check_aspects('Pretrained', allow_other)
        self.modality = modality
        self.layout = None if layout is None else find_layout(layout)

    def __call__(self, module: nn.Module) -> None:
        self._choose()
        if osp.isdir(self.checkpoint):
            # None if the folder records no checkpoint: the error then names the folder
            self.checkpoint = find_latest(self.checkpoint) or self.checkpoint
        checkpoint = self._open()
        weights = strip_module(self._find_weights(checkpoint))
        if self.prefix is not None:
            prefix = self.prefix if self.prefix.endswith('.') else f'{self.prefix}.'
        else:
            prefix = self._find_prefix(weights)
        self._compare_inputs(checkpoint, prefix)
        self._compare_use(checkpoint)
        selected = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
        self._check(selected, module, prefix, weights)
        load_state_dict(module, selected, strict=False, logger='current')
        part = f'the weights under {prefix!r}' if prefix else 'all weights'
        print_log(f'{type(module).__name__}: loaded {part} of {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _choose(self) -> None:
        """Take the checkpoint of the own modality, of several."""
        if not isinstance(self.checkpoint, Mapping):
            return
        if self.modality not in self.checkpoint:
            raise ValueError(
                f'init_cfg.checkpoint names checkpoints of {", ".join(self.checkpoint)}; expected '
                f'one for modality {self.modality}: add it, or set init_cfg.modality'
            )
        self.checkpoint = self.checkpoint[self.modality]

    def _open(self) -> Any:
        """Load the checkpoint."""
        try:
            return CheckpointLoader.load_checkpoint(
                self.checkpoint, map_location=self.map_location, logger='current'
            )
        except (FileNotFoundError, IsADirectoryError) as error:
            state = 'holds no checkpoint yet' if osp.isdir(self.checkpoint) else 'does not exist'
            raise FileNotFoundError(
                f'Pretrained checkpoint {self.checkpoint!r} {state}: pretrain first, or '
                'name the file or work dir that pretraining wrote (--pretrained, or '
                'init_cfg.checkpoint).'
            ) from error
        except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} cannot be read ({error}): expected a '
                'file that MMEngine saved, complete and untampered.'
            ) from error

    def _find_weights(self, checkpoint: Any) -> Mapping:
        """The state dict of a checkpoint, or the checkpoint itself if it is one."""
        weights = checkpoint
        if isinstance(checkpoint, Mapping):
            weights = checkpoint.get('state_dict', checkpoint)
        if not isinstance(weights, Mapping):
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} holds a {type(weights).__name__} '
                'where a dict of weights was expected: name a file that MMEngine saved.'
            )
        return weights

    def _compare_inputs(self, checkpoint: Any, prefix: str) -> None:
        """Raise ``ValueError`` if the encoder is of another modality or layout."""
        found = identify_checkpoint(checkpoint)
        stream = ENCODER_KEY.fullmatch(f'{prefix}key')
        if stream is not None and stream['stream'] is not None:
            found = found._replace(modality=stream['stream'])
        expected = Identity(self.modality, self.layout)
        if None not in (self.segments, found.segments) and self.segments != found.segments:
            print_log(
                f'{self.checkpoint} was pretrained for features in {found.segments} parts of the '
                f'time, and this model pools {self.segments}: --segments {found.segments} fits it',
                logger='current',
                level=logging.WARNING,
            )
        difference = compare_inputs(found, expected, self.allow_other)
        if difference is not None:
            aspect = 'modality' if ' of modality ' in difference else 'layout'
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} {difference}: name a checkpoint of '
                f"that {aspect}. If you mean it: init_cfg=dict(type='Pretrained', "
                f"allow_other=['{aspect}'], ...)."
            )

    def _compare_use(self, checkpoint: Any) -> None:
        """Warn if the encoder was pretrained on test samples, another file or other clips."""
        if self.use is None:
            return
        try:
            seen = check_exposure(checkpoint, self.use)
        except ValueError as error:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} {error}. {permit("tested")}'
            ) from error
        if seen is not None:
            seen += (
                '. Compare the figures with those of such encoders alone, or pretrain with the '
                '--data and --holdout-subjects of this run'
            )
        others = [describe(checkpoint, self.use) for describe in (describe_files, describe_shapes)]
        for clause in filter(None, [seen, *others[0], *others[1]]):
            print_log(f'{self.checkpoint} {clause}', logger='current', level=logging.WARNING)

    def _find_prefix(self, weights: Mapping) -> str:
        """Key prefix of the encoder of the requested modality."""
        prefixes = find_prefixes(weights)
        streams = [stream for stream in prefixes if stream is not None]
        if not streams:
            return prefixes.get(None, '')
        if self.modality is None and len(streams) > 1:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} holds the encoders of '
                f'{", ".join(streams)}: choose one of them by init_cfg.modality.'
            )
        stream = streams[0] if self.modality is None else self.modality
        if stream not in streams:
            raise ValueError(
                f'Pretrained checkpoint {self.checkpoint!r} holds the encoders of '
                f'{", ".join(streams)}; expected {stream}: name a checkpoint of that modality.'
            )
        return prefixes[stream]

    def _check(self, found: Mapping, module: nn.Module, prefix: str, weights: Mapping) -> None:
        """Raise ``ValueError`` if the weights are those of another network."""
        expected = module.state_dict()
        difference = compare_state_dicts(found, expected)
        name = type(module).__name__
        if prefix and not found:
            problem = f'has no key under that prefix; found: {list_some(weights)}'
        elif not set(found) & set(expected):
            problem = (
                f'has no key of {name}; found: {list_some(found)}; expected: {list_some(expected)}'
            )
        elif difference.reshaped:
            problem = f'has other shapes than {name}: {list_some(difference.reshaped)}'
        elif difference.missing or difference.unexpected:
            problem = (
                f'does not have the keys of {name}; missing: {list_some(difference.missing)}; '
                f'unexpected: {list_some(difference.unexpected)}'
            )
        else:
            return
        under = f' (prefix {prefix!r})' if prefix else ''
        raise ValueError(
            f'Pretrained checkpoint {self.checkpoint!r}{under} {problem}. It belongs to another '
            f"network: build {name} with the settings of the checkpoint's own config (channels, "
            'stages, graph layout), or name another checkpoint or prefix.'
        )
