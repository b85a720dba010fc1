"""Classify or embed skeleton sequences with the config's own test pipeline.

The numbers are those of ``tools/test.py`` on the same sequences in the same batches.
"""

import copy
import logging
import os.path as osp
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from deeprank_plugin.datasets.annotations import check_keypoint, check_score
from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.engine.encoders import read_checkpoint, strip_module
from deeprank_plugin.engine.extraction import leaf_configs
from deeprank_plugin.engine.hooks import StrictLoadHook
from deeprank_plugin.evaluation.functional import fuse_scores
from deeprank_plugin.models.pretrainers.base import Pretrainer, encode

Sequence4D = Union[np.ndarray, Tensor, Mapping]
Keypoints = Union[Sequence4D, Sequence[Sequence4D]]
PERSONS = 'FormatGCNInput'
"""The transform that takes the first ``num_person`` bodies."""


class Prediction(NamedTuple):
    """What a model says of one sequence.

    Attributes:
        label: Class of the highest score, from 0.
        name: Its name, or its number as text where the model knows no names.
        scores: Scores of shape (C,); probabilities, unless the head's ``average_clips`` is not
            'prob'.
        names: Names of all C classes.
    """

    label: int
    name: str
    scores: np.ndarray
    names: List[str]

    def top(self, k: int = 5) -> List[Tuple[int, str, float]]:
        """(class, name, score) of the ``k`` highest scores (of all, if there are fewer)."""
        order = np.argsort(-self.scores, kind='stable')[:k]
        return [(int(i), self.names[i], float(self.scores[i])) for i in order]


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


def inference_skeleton_sequence(
    model: nn.Module, keypoints: Keypoints, batch_size: Optional[int] = None
) -> Union[Prediction, List[Prediction]]:
    """Classify one sequence, or several.

    Args:
        model (nn.Module): A classifier from :func:`init_model`.
        keypoints (np.ndarray, Tensor, dict or list of these): One sequence of shape (M, T, V, C):
            bodies, frames, joints, coordinates in the unit of the training data (NTU: metres), an
            absent body or joint zero; or an annotation ``dict(keypoint=..., ...)``, whose other
            keys (such as ``keypoint_score``, ``img_shape``) go to the pipeline. Or a list of them,
            of any lengths.
        batch_size (int, optional): Sequences at a time. Defaults to that of the config's
            ``test_dataloader``.

    Returns:
        Prediction or list[Prediction]: One for one sequence, a list for a list.

    Raises:
        ValueError: If a sequence has another shape or number of joints than the model takes, is
            not finite, has no frame or is zero throughout, or the model is no classifier.
    """
    infos, single = pack_infos(model, keypoints)
    require_classifier(model)
    predictions: List[Prediction] = []
    for batch in make_batches(model, infos, batch_size):
        with torch.no_grad():
            predictions += [to_prediction(model, sample) for sample in model.test_step(batch)]
    return predictions[0] if single else predictions


def extract_features(
    model: nn.Module, keypoints: Keypoints, batch_size: Optional[int] = None
) -> np.ndarray:
    """The encoder's output of one sequence, or several, averaged over bodies, time and joints.

    Args:
        model (nn.Module): From :func:`init_model`; DeepRank, MVDeepRank or a RecognizerGCN.
        keypoints (np.ndarray, Tensor, dict or list of these): As for
            :func:`inference_skeleton_sequence`.
        batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.

    Returns:
        np.ndarray: float32, of shape (D,) for one sequence and (N, D) for a list; with MVDeepRank
        (S, D) and (N, S, D), the streams in the order of ``model.modalities``.

    Raises:
        ValueError: As for :func:`inference_skeleton_sequence`, or if the model has no encoder.
    """
    infos, single = pack_infos(model, keypoints)
    encoder = choose_encoder(model)
    features = []
    for batch in make_batches(model, infos, batch_size):
        with torch.no_grad():
            inputs = model.data_preprocessor(batch, False)['inputs']
            features.append(encoder(inputs).float().cpu().numpy())
    features = np.concatenate(features)
    return features[0] if single else features


def fuse_streams(
    models: Sequence[nn.Module],
    keypoints: Keypoints,
    weights: Optional[Sequence[float]] = None,
    batch_size: Optional[int] = None,
) -> Union[Prediction, List[Prediction]]:
    """Classify by the weighted mean of several models' probabilities (joint, bone, motion).

    Args:
        models (Sequence[nn.Module]): Classifiers from :func:`init_model` with the same classes.
        keypoints (np.ndarray, Tensor, dict or list of these): Joints, as for
            :func:`inference_skeleton_sequence`; each model derives its own modality.
        weights (Sequence[float], optional): One a model. Defaults to None: all alike.
        batch_size (int, optional): Defaults to that of each config's ``test_dataloader``.

    Returns:
        Prediction or list[Prediction]: With scores in float64.

    Raises:
        ValueError: As for :func:`inference_skeleton_sequence`, or if the models have other classes
            than each other, or give no probabilities.
    """
    if not models:
        raise ValueError('no models to fuse; expected at least one')
    for model in models:
        require_classifier(model)
    names = [label_names(model) for model in models]
    for other in names[1:]:
        if other != names[0]:
            raise ValueError(
                f'the models have different classes: {len(names[0])} ({names[0][0]!r}, ...) and '
                f'{len(other)} ({other[0]!r}, ...); expected models trained on the same data'
            )
    single = is_single(keypoints)
    sequences = [keypoints] if single else list(keypoints)
    scores = []
    for model in models:
        predictions = inference_skeleton_sequence(model, sequences, batch_size)
        scores.append(np.stack([prediction.scores for prediction in predictions]).astype(float))
        sums = scores[-1].sum(axis=1)
        if (scores[-1] < 0).any() or not np.allclose(sums, 1, atol=0.005):
            raise ValueError(
                f'model {len(scores)} gives scores that sum to {sums.min():.4g} to '
                f'{sums.max():.4g}; expected probabilities: leave average_clips of its cls_head at '
                "'prob'"
            )
    fused = fuse_scores(scores, weights)
    predictions = [make_prediction(row, int(row.argmax()), names[0]) for row in fused]
    return predictions[0] if single else predictions


def label_names(model: nn.Module) -> List[str]:
    """Names of a classifier's classes; their numbers where it knows no names."""
    known = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    return list(map(str, range(count_classes(model)))) if known is None else list(known)


def make_prediction(scores: np.ndarray, label: int, names: List[str]) -> Prediction:
    """A prediction from the scores of all classes and the label that they name."""
    return Prediction(label, names[label], scores, names)


def to_prediction(model: nn.Module, sample) -> Prediction:
    """From a sample that the model has predicted."""
    scores = sample.pred_score.float().cpu().numpy()
    return make_prediction(scores, int(sample.pred_label), label_names(model))


def require_classifier(model: nn.Module) -> None:
    """Raise a ``ValueError`` if the model tells no classes."""
    if count_classes(model) is None:
        raise ValueError(
            f'{type(model).__name__} has no classes to tell; expected a finetuned recogniser: use '
            'the config and checkpoint of a finetuning, or extract_features'
        )


def choose_encoder(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """From the preprocessor's inputs to features (B, D) or (B, S, D)."""
    if isinstance(model, Pretrainer):
        return model.extract_feat
    backbone = getattr(model, 'backbone', None)
    if backbone is None:
        raise ValueError(
            f'{type(model).__name__} has no backbone; expected DeepRank, MVDeepRank or '
            'RecognizerGCN'
        )
    return lambda inputs: encode(backbone, inputs)


def is_single(keypoints: Keypoints) -> bool:
    """Whether it is one sequence and not a list of them."""
    return isinstance(keypoints, (np.ndarray, Tensor, Mapping))


def pack_infos(model: nn.Module, keypoints: Keypoints) -> Tuple[List[Dict], bool]:
    """Checked inputs of the pipeline as ``SkeletonDataset`` gives them, and whether it is one.

    Raises:
        ValueError: If a sequence cannot be used.
    """
    if not hasattr(model, 'cfg'):
        raise ValueError(
            f'this {type(model).__name__} carries no config; expected a model from init_model'
        )
    single = is_single(keypoints)
    sequences = [keypoints] if single else list(keypoints)
    if not sequences:
        raise ValueError('no sequences; expected at least one')
    layout = find_layout(model)
    pipeline = test_data(model.cfg).pipeline
    persons = [step.get('num_person', 2) for step in pipeline if step['type'] == PERSONS]
    infos = [make_info(sequence, index, layout) for index, sequence in enumerate(sequences)]
    cut = [i['frame_dir'] for i in infos if persons and i['keypoint'][persons[0] :].any()]
    if cut:
        warnings.warn(
            f'{len(cut)} sequences, such as {cut[0]!r}, have more than {persons[0]} bodies, the '
            f'number that {PERSONS} of the pipeline takes: their first ones are used',
            stacklevel=3,
        )
    return infos, single


def make_info(sequence: Sequence4D, index: int, layout: Optional[Union[str, Dict]] = None) -> Dict:
    """One checked input of the pipeline."""
    info = dict(sequence) if isinstance(sequence, Mapping) else dict(keypoint=sequence)
    where = f'sequence {info.get("frame_dir", index)!r}'
    if 'keypoint' not in info:
        raise ValueError(f'{where} has the keys {sorted(info)}; expected keypoint')
    for key in ('keypoint', 'keypoint_score'):
        if isinstance(info.get(key), Tensor):
            info[key] = info[key].detach().cpu().numpy()
    keypoint = info['keypoint']
    if isinstance(keypoint, np.ndarray) and keypoint.ndim in (3, 5):
        raise ValueError(
            f'{where} has shape {keypoint.shape}; expected (M, T, V, C), bodies x frames x joints '
            'x coordinates: ' + ('one body is array[None]' if keypoint.ndim == 3 else 'list(array)')
        )
    check_keypoint(keypoint, where, layout, 'keypoint_score' in info)
    if 'keypoint_score' in info:
        check_score(info['keypoint_score'], keypoint.shape[:3], where)
    info.update(keypoint=keypoint.astype(np.float32), total_frames=keypoint.shape[1])
    defaults = dict(frame_dir=str(index), split=None, start_index=0, modality='Pose', label=-1)
    return dict(defaults, **dict(info, sample_idx=index))


def find_layout(model: nn.Module) -> Optional[Union[str, Dict]]:
    """Joint layout of the test data, else of the preprocessor, else of the backbone, else None."""
    cfg = model.cfg
    graph = (cfg.model.get('backbone') or {}).get('graph_cfg') or {}
    for settings in (test_data(cfg), cfg.model.get('data_preprocessor') or {}, graph):
        if settings.get('layout') is not None:
            layout = settings['layout']
            return layout if isinstance(layout, str) or 'num_joints' in layout else None
    return None


def test_data(cfg: Config):
    """Config of the test data set, inside MMEngine's wrappers.

    Raises:
        ValueError: If there is no test data set with a pipeline.
    """
    loader = cfg.get('test_dataloader')
    leaf = None if loader is None else leaf_configs(loader.dataset)[0]
    if leaf is None or leaf.get('pipeline') is None:
        raise ValueError(
            'the config has no test_dataloader.dataset.pipeline; expected one: inference uses it'
        )
    return leaf


class PipelineDataset(Dataset):
    """Inputs of the pipeline, each put through it when it is asked for."""

    def __init__(self, infos: Sequence[Dict], pipeline: Callable) -> None:
        self.infos, self.pipeline = infos, pipeline

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Dict:
        info = self.infos[index]
        packed = self.pipeline(dict(info, keypoint=info['keypoint'].copy()))
        # a sample carries its name, whatever meta_keys the pipeline packs
        packed['data_samples'].set_metainfo(dict(frame_dir=info['frame_dir'], sample_idx=index))
        return packed


def make_batches(
    model: nn.Module, infos: Sequence[Dict], batch_size: Optional[int] = None
) -> DataLoader:
    """Batches for ``model.test_step``, in order.

    Raises:
        ValueError: If the batch size is not positive.
    """
    if batch_size is None:
        batch_size = model.cfg.test_dataloader.get('batch_size', 1)
    if batch_size < 1:
        raise ValueError(f'batch_size={batch_size}; expected at least 1')
    return DataLoader(
        PipelineDataset(infos, Compose(test_data(model.cfg).pipeline)),
        batch_size=batch_size,
        collate_fn=pseudo_collate,
        generator=torch.Generator(),  # the loader's own seed is not drawn from the global state
    )
