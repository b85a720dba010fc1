"""Extracts the features of a whole training split, ordered by sample index, over all processes."""

import copy
import itertools
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from mmengine.dist import all_gather_object, all_reduce, all_reduce_params, is_main_process
from mmengine.runner import Runner
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader
from tqdm import tqdm

from deeprank_plugin.datasets import SampleBatch
from deeprank_plugin.engine.encoders import list_some
from deeprank_plugin.engine.hooks.epoch_seed_hook import leaf_datasets
from deeprank_plugin.engine.loaders import leaf_configs
from deeprank_plugin.engine.recovery.non_finite import stop_run
from deeprank_plugin.engine.recovery.termination_hook import shield_workers
from deeprank_plugin.models.pretrainers.base import identify
from deeprank_plugin.models.utils import to_device, unwrap

# Keys of a loader that say how its workers hand over batches, not which.
HANDOVER = ('num_workers', 'collate_fn', 'pin_memory', 'prefetch_factor', 'multiprocessing_context')


class Extracted(NamedTuple):
    """Features, names and labels of N samples, by row.

    Attributes:
        features: Features of shape (N, ...).
        names: Names of the samples.
        labels: Classes of shape (N,), -1 where unknown.
    """

    features: Tensor
    names: List[str]
    labels: Tensor


def build_extraction_loader(
    runner: Runner, pipeline: Optional[List] = None, drop: Sequence[str] = ('holdout',)
) -> DataLoader:
    """Build a loader over the whole training split, hold-out included, with the test pipeline.

    Args:
        runner (Runner): Its config has the training data and the validation data, which sets
            pipeline, batch size, workers and how they hand over batches.
        pipeline (list, optional): Test pipeline. Defaults to that of the validation data.
        drop (Sequence[str]): Arguments of the data sets that are left out; with 'labels' too,
            unlabelled samples are included. Defaults to ``('holdout',)``.

    Raises:
        ValueError: If there is no test pipeline, or a data set leaves samples out by ``indices``.
    """
    train, val = runner.cfg.train_dataloader, runner.cfg.get('val_dataloader')
    if pipeline is None:
        if val is None:
            raise ValueError(
                'RelabelHook extracts features with the test pipeline, and the config has no '
                'val_dataloader to take it from: set pipeline=... in RelabelHook'
            )
        pipeline = leaf_configs(val.dataset)[0].pipeline
    parts = []
    for leaf in leaf_configs(train.dataset):
        part = copy.deepcopy(leaf)
        part.update(pipeline=copy.deepcopy(pipeline), test_mode=True)
        for name in drop:
            part.pop(name, None)
        parts.append(part)
    dataset = parts[0] if len(parts) == 1 else dict(type='ConcatDataset', datasets=parts)
    like = train if val is None else val
    loader = Runner.build_dataloader(
        dict(
            {key: like[key] for key in HANDOVER if key in like},
            batch_size=like.batch_size,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
            dataset=dataset,
        ),
        seed=runner.seed,
    )
    for leaf in leaf_datasets(loader.dataset):
        require_all_samples(leaf)
    shield_workers(loader)
    align_offsets(loader.dataset, runner.train_dataloader.dataset)
    if runner.val_loop is not None:
        align_offsets(loader.dataset, runner.val_loop.dataloader.dataset)
    return loader


def align_offsets(whole, other) -> None:
    """Give each concatenated data set its own range of rows, the same in both arguments."""
    offset = 0
    offset_of: Dict[Tuple[str, ...], int] = {}
    for leaf in leaf_datasets(whole):
        if offset:
            leaf.sample_offset = offset
        if hasattr(leaf, 'sample_names'):
            offset_of.setdefault(tuple(leaf.sample_names), offset)
        offset += num_rows(leaf)
    for leaf in leaf_datasets(other):
        start = offset_of.get(tuple(getattr(leaf, 'sample_names', ())), 0)
        if start:
            leaf.sample_offset = start


def num_rows(leaf) -> int:
    """Number of rows that a data set's ``sample_idx`` ranges over."""
    return getattr(leaf, 'num_split_samples', len(leaf))


def require_all_samples(leaf) -> None:
    """Raise a ``ValueError`` if a data set gives fewer samples than it has rows."""
    if len(leaf) >= num_rows(leaf):
        return
    raise ValueError(
        f'{type(leaf).__name__} gives {len(leaf)} of the {num_rows(leaf)} samples of '
        f'{leaf.ann_file} (indices={getattr(leaf, "_indices", None)}), and the features of all of '
        'them are to be extracted; expected neither indices nor valid_ratio in '
        'train_dataloader.dataset: choose samples by labels=dict(share=..., seed=0) or labels=FILE '
        'with their names, or leave out the hook that extracts (RelabelHook, or classifier and '
        'calibrate of HeadInitHook)'
    )


def encode_as_tensor(model: torch.nn.Module, inputs: Tensor) -> Tensor:
    """What a model returns in mode 'tensor', as pretrainers do their features."""
    return model(inputs, mode='tensor')


@torch.no_grad()
def extract_split(
    runner: Runner,
    loader: DataLoader,
    encode: Callable[[torch.nn.Module, Tensor], Tensor] = encode_as_tensor,
) -> Extracted:
    """Extract the features of all samples in eval mode, each exactly once.

    Args:
        runner (Runner): Its model is left in eval mode.
        loader (DataLoader): The loader of :func:`build_extraction_loader`.
        encode (Callable): Features (B, ...) from the model and a batch of inputs. Defaults to
            :func:`encode_as_tensor`.

    Raises:
        RuntimeError: If a row was not written exactly once.
        NonFiniteError: If a feature is NaN or infinite.
    """
    model = unwrap(runner.model).eval()
    total = sum(num_rows(leaf) for leaf in leaf_datasets(loader.dataset))
    features, written = None, torch.zeros(total)
    found: List[Tuple[int, str, int]] = []
    for batch in tqdm(
        loader, desc='Extracting features', disable=None if is_main_process() else True, leave=False
    ):
        rows, names = identify(batch['data_samples'])  # on the host, before the device has work
        found += zip(rows, names, read_labels(batch['data_samples']))
        places = torch.tensor(rows)
        written.index_add_(0, places, torch.ones(len(rows)))
        inputs = model.data_preprocessor(batch, False)['inputs']
        output = encode(model, inputs).float()
        if features is None:
            features = torch.zeros(total, *output.shape[1:], device=output.device)
        features[to_device(places, output.device)] = output
        runner.call_hook('after_extraction_iter')
    if features is None:
        raise RuntimeError(
            'this process has no sample to extract; expected at least one for each process: use '
            f'fewer processes for a training split of {total} samples'
        )
    all_reduce(features)
    written = written.to(features.device)
    all_reduce(written)
    wrong = (written != 1).nonzero().flatten().tolist()
    if wrong:
        raise RuntimeError(
            f'{len(wrong)} of {total} rows of the feature bank were not written exactly once '
            f'(row {wrong[0]}: {int(written[wrong[0]])} times); expected each sample once: check '
            'that the data set gives every sample its own sample_idx'
        )
    found = sorted(entry for part in all_gather_object(found) for entry in part)
    labels = torch.tensor([label for _, _, label in found])
    extracted = Extracted(features, [name for _, name, _ in found], labels)
    require_finite(runner, extracted)
    return extracted


def read_labels(data_samples) -> List[int]:
    """Class of each sample of a batch, -1 where unknown."""
    if isinstance(data_samples, SampleBatch):
        labels = data_samples.labels
        return [-1] * len(data_samples) if labels is None else labels.flatten().tolist()
    return [int(s.gt_label) if 'gt_label' in s else -1 for s in data_samples]


def require_finite(runner, extracted: Extracted) -> None:
    """Stop the run if features are NaN or infinite, and name their samples.

    Raises:
        NonFiniteError: In all processes.
    """
    finite = extracted.features.isfinite().flatten(1).all(dim=1)
    names = [name for name, good in zip(extracted.names, finite.tolist()) if not good]
    if names:
        stop_run(
            runner,
            f'relabel_{runner.epoch}',
            dict(
                what='features',
                lr=runner.optim_wrapper.get_lr(),
                samples=names,
                of_samples=len(extracted.names),
            ),
            f'the features of {len(names)} of {len(extracted.names)} samples ({list_some(names)}) '
            f'are not finite after epoch {runner.epoch}',
        )


@torch.no_grad()
def calibrate_batch_norm(runner: Runner, loader: DataLoader, absent_bodies: bool = False) -> bool:
    """Set the running statistics of a new network's BatchNorm layers by one pass over the data.

    They become the averages over all batches, with all other layers in eval mode, as for the first
    labels; over several processes, the plain mean of their averages. Without this, a new network in
    eval mode normalises with mean 0 and variance 1. Where bodies are encoded separately
    (:func:`encode_bodies`), present ones alone count, on every device, and a layer averages over
    the batches in which it saw one.

    Each process measures its own batches, also with ``SyncBatchNorm``, whose collectives would
    wait forever where processes have different numbers of batches.

    ``torch.optim.swa_utils.update_bn`` puts the whole model into training mode, so dropout would
    disturb the statistics and absent bodies would count; it does not average over processes either.

    Args:
        runner (Runner): Its model is calibrated.
        loader (DataLoader): Data with the test pipeline. It is shuffled here, because batches of a
            single class would hide the variance between classes.
        absent_bodies (bool): Count the absent bodies of a batch, as training does, so that a model
            that is trained next meets the statistics it was calibrated with; ``backbone`` of the
            model then encodes them all. Defaults to False.

    Returns:
        bool: Whether the model has such layers.
    """
    model = unwrap(runner.model).eval()
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    layers = [layer for layer in layers if layer.track_running_stats]
    if not layers:
        return False
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
        setattr(layer, 'forward', partial(average_batch, layer, itertools.count(1)))  # noqa: B010
    if absent_bodies:
        model.backbone.training = True  # its own flag alone: encode_bodies then encodes all
    sampler: Any = loader.sampler
    sampler.shuffle = True
    bar = tqdm(
        loader,
        desc='Calibrating BatchNorm',
        disable=None if is_main_process() else True,
        leave=False,
    )
    for batch in bar:
        model(model.data_preprocessor(batch, False)['inputs'], mode='tensor')
        runner.call_hook('after_extraction_iter')
    sampler.shuffle = False
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
        del layer.forward  # the class's own again
        all_reduce_params(layer.buffers(), op='mean')
    model.eval()
    return True


def average_batch(layer: _BatchNorm, numbers: Iterator[int], inputs: Tensor) -> Tensor:
    """Forward pass that makes the running statistics the mean over the batches of training mode.

    In place of ``SyncBatchNorm``'s, which waits for other processes.

    Args:
        layer (_BatchNorm): The layer.
        numbers (Iterator[int]): Counts its batches from 1.
        inputs (Tensor): What the layer normalises.
    """
    if layer.training:
        layer.momentum = 1 / next(numbers)  # None means the same, and reads a number of the device
    return _BatchNorm.forward(layer, inputs)
