"""Prepare sequences for the config's test pipeline, checked and in batches."""

import warnings
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseModel
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deeprank_plugin.datasets.annotations import (
    check_image,
    check_keypoint,
    check_score,
    in_pixels,
)
from deeprank_plugin.datasets.reading import (
    check_scale,
    describe_parts,
    find_num_person,
    read_skeleton,
    read_whole,
    survey_parts,
    suspect_axes,
    suspect_images,
    suspect_stills,
    suspect_unit,
)
from deeprank_plugin.engine.extraction import leaf_configs
from deeprank_plugin.layouts import Layout, find_layout

Sequence4D = Union[np.ndarray, Tensor, Mapping]
Keypoints = Union[Sequence4D, Sequence[Sequence4D]]


DEFAULTS = dict(split=None, start_index=0, modality='Pose', label=-1)
"""Keys of an annotation that pipelines ask for."""


class ReadingRules(NamedTuple):
    """How a config reads its test data.

    Attributes:
        layout: Joint layout, if it is known.
        num_person: Number of bodies that the pipeline keeps, if it says so.
        scale: Factor for the coordinates.
        transforms: The transforms of the pipeline, built.
    """

    layout: Optional[Layout]
    num_person: Optional[int]
    scale: float
    transforms: List[Callable]


def is_single(keypoints: Any) -> bool:
    """Whether this is one sequence, not a list of sequences."""
    return isinstance(keypoints, (np.ndarray, Tensor, Mapping))


def pack_infos(
    model: BaseModel, keypoints: Keypoints, scale: Optional[float] = None
) -> Tuple[List[Dict], bool]:
    """Checked pipeline inputs as from ``SkeletonDataset``, and whether it was a single sequence.

    They are read as the test data are: with their layout, number of bodies and, unless it is given,
    ``scale``. Warns of sequences of which not everything is used, and of bodies that are too large
    or too small.

    Raises:
        ValueError: If a sequence or the scale is invalid.
    """
    rules = find_rules(model, scale)
    layout, num_person, factor, transforms = rules
    infos, single = make_infos(keypoints, layout)
    parts = survey_parts(infos, layout, num_person)
    doubts = describe_parts(parts, len(infos), 'sequences', num_person)
    arrays = [info['keypoint'] for info in infos]
    for doubt in (
        *doubts,
        suspect_unit(arrays, layout, 'the sequences', factor),
        suspect_images(infos, transforms, 'sequences'),
        suspect_stills(infos, parts, 'sequences'),
    ):
        if doubt is not None:
            warnings.warn(doubt, stacklevel=3)
    return [read_skeleton(info, layout, num_person, factor) for info in infos], single


def pack_recordings(
    model: BaseModel, keypoints: Keypoints, scale: Optional[float] = None
) -> Tuple[List[Dict], bool, ReadingRules]:
    """Like :func:`pack_infos`, with all bodies and frames; windows are cut from these.

    Warns of bodies that do not stand along y as well.

    Returns:
        tuple: Recordings, whether it was a single one, and the rules by which windows are read.

    Raises:
        ValueError: If a recording or the scale is invalid.
    """
    rules = find_rules(model, scale)
    infos, single = make_infos(keypoints, rules.layout, 'recording')
    arrays = [info['keypoint'] for info in infos]
    for doubt in (
        suspect_unit(arrays, rules.layout, 'the recordings', rules.scale),
        suspect_axes(arrays, rules.layout, 'the recordings'),
        suspect_images(infos, rules.transforms, 'recordings'),
    ):
        if doubt is not None:
            warnings.warn(doubt, stacklevel=3)
    return [read_whole(info, rules.layout, rules.scale) for info in infos], single, rules


def find_rules(model: BaseModel, scale: Optional[float] = None) -> ReadingRules:
    """How the config's test data are read.

    Raises:
        ValueError: If the model has no config with test data, or the scale is invalid.
    """
    if not hasattr(model, 'cfg'):
        raise ValueError(
            f'this {type(model).__name__} carries no config; expected a model from init_model'
        )
    data = find_test_data(model.cfg)
    transforms = Compose(data.pipeline).transforms
    factor = check_scale(data.get('scale', 1.0) if scale is None else scale)
    return ReadingRules(model_layout(model), find_num_person(transforms), factor, transforms)


def make_infos(
    keypoints: Keypoints, layout: Optional[Layout], kind: str = 'sequence'
) -> Tuple[List[Dict], bool]:
    """Checked pipeline inputs, and whether it was a single one."""
    single = is_single(keypoints)
    sequences: List[Any] = [keypoints] if single else list(keypoints)
    if not sequences:
        raise ValueError(f'no {kind}s; expected at least one')
    return [make_info(entry, index, layout, kind) for index, entry in enumerate(sequences)], single


def make_info(
    sequence: Sequence4D, index: int, layout: Optional[Layout] = None, kind: str = 'sequence'
) -> Dict:
    """Make one checked pipeline input."""
    given = sequence if isinstance(sequence, Mapping) else dict(keypoint=sequence)
    info: Dict[str, Any] = dict(given)
    where = f'{kind} {info.get("frame_dir", index)!r}'
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
    if 'img_shape' in info and in_pixels(keypoint, layout):
        check_image(info['img_shape'], where)
    if isinstance(info.get('label'), np.integer):  # MMAction2 takes none of NumPy
        info['label'] = int(info['label'])
    info['total_frames'] = keypoint.shape[1]
    return {**DEFAULTS, 'frame_dir': str(index), **info, 'sample_idx': index}


def model_layout(model: BaseModel) -> Optional[Layout]:
    """Joint layout of the test data, else of the preprocessor, else of the backbone, else None."""
    cfg = model.cfg
    graph = (cfg.model.get('backbone') or {}).get('graph_cfg') or {}
    for settings in (find_test_data(cfg), cfg.model.get('data_preprocessor') or {}, graph):
        layout = settings.get('layout')
        if layout is not None:
            # a custom graph dict does not define bones
            return None if 'num_node' in layout else find_layout(layout)
    return None


def require_layout(model: BaseModel) -> Layout:
    """:func:`model_layout`, for drawing.

    Raises:
        ValueError: If the config does not name it.
    """
    layout = model_layout(model)
    if layout is None:
        raise ValueError(
            'the config does not name the joint layout of the data; expected layout in '
            "test_dataloader.dataset, such as 'nturgb+d'"
        )
    return layout


def find_test_data(cfg: Config):
    """Config of the test data set, inside MMEngine's wrappers.

    Raises:
        ValueError: If the config has no test data set with a pipeline.
    """
    loader = cfg.get('test_dataloader')
    dataset = None if loader is None else leaf_configs(loader.dataset)[0]
    if dataset is None or dataset.get('pipeline') is None:
        raise ValueError('the config has no test_dataloader.dataset.pipeline; inference needs it')
    return dataset


class PipelineDataset(Dataset):
    """Pipeline inputs, each transformed when it is accessed."""

    def __init__(self, infos: Sequence[Dict], pipeline: Callable) -> None:
        self.infos, self.pipeline = infos, pipeline

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> Dict:
        info = self.infos[index]
        packed = self.pipeline(dict(info, keypoint=info['keypoint'].copy()))
        # a sample carries its name whichever meta_keys the pipeline packs
        packed['data_samples'].set_metainfo(dict(frame_dir=info['frame_dir'], sample_idx=index))
        return packed


def make_batches(
    model: BaseModel,
    infos: Sequence[Dict],
    batch_size: Optional[int] = None,
    pipeline: Optional[Callable] = None,
) -> DataLoader:
    """Make batches for ``model.test_step``, in order.

    Args:
        model (BaseModel): From :func:`init_model`.
        infos (Sequence[dict]): Pipeline inputs, each asked for when its batch is made.
        batch_size (int, optional): Defaults to that of the config's ``test_dataloader``.
        pipeline (callable, optional): The config's test pipeline. Defaults to None: it is built.

    Raises:
        ValueError: If the batch size is not positive.
    """
    if batch_size is None:
        batch_size = model.cfg.test_dataloader.get('batch_size', 1)
    if batch_size < 1:
        raise ValueError(f'batch_size={batch_size}; expected at least 1')
    return DataLoader(
        PipelineDataset(infos, pipeline or Compose(find_test_data(model.cfg).pipeline)),
        batch_size=batch_size,
        collate_fn=pseudo_collate,
        generator=torch.Generator(),  # the loader's own seed is not drawn from the global state
    )
