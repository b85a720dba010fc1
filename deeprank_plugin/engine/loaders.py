"""The data loaders of a run: which are in use, and whether they give batches."""

import math
from typing import Any, List, Mapping, Sequence

from mmengine.dist import all_gather_object, get_world_size
from mmengine.runner import BaseLoop
from torch.utils.data import BatchSampler, DataLoader

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler

TRIPLET = 3  # samples: an anchor and two candidates


def loaders_in_use(runner) -> List[DataLoader]:
    """The loaders of the loops that the runner has built."""
    loops = [getattr(runner, f'_{name}_loop', None) for name in ('train', 'val', 'test')]
    return [loop.dataloader for loop in loops if isinstance(loop, BaseLoop)]


def leaf_configs(dataset: Mapping) -> List:
    """Configs of the innermost data sets of MMEngine's wrappers."""
    if 'datasets' in dataset:
        return [leaf for part in dataset['datasets'] for leaf in leaf_configs(part)]
    return leaf_configs(dataset['dataset']) if 'dataset' in dataset else [dataset]


def index_sampler(loader: DataLoader) -> Any:
    """The sampler that draws the samples of a loader, also where a batch sampler is configured.

    PyTorch then sets ``loader.sampler`` to one that nothing uses.
    """
    return getattr(getattr(loader, 'batch_sampler', None), 'sampler', loader.sampler)


def have_equal_batches(loader: DataLoader) -> bool:
    """Whether every batch has the same size in all processes; all of them must call this.

    True for MMEngine's samplers, which give each process as many samples, and False where only the
    batch sampler knows what it draws.
    """
    sampler: Any = loader.batch_sampler
    known = type(sampler) in (BatchSampler, FullEpochBatchSampler)
    size = (len(index_sampler(loader)), sampler.batch_size, sampler.drop_last) if known else None
    sizes = all_gather_object(size)
    return None not in sizes and len(set(sizes)) == 1


def require_batches(loader: DataLoader) -> None:
    """Check that a training loader gives at least one batch.

    Raises:
        ValueError: If it gives none; says what to set.
    """
    if len(loader):
        return
    samples, processes = len(loader.dataset), get_world_size()  # type: ignore[arg-type]
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None)
    if not samples:
        raise ValueError(
            'the training data set has no sample; expected at least one: check split, labels and '
            'holdout of train_dataloader.dataset'
        )
    each = -(-samples // processes)
    raise ValueError(
        f'the training loader gives no batch: {samples} samples on {processes} process(es) are '
        f'{each} for each, and a batch takes {size}; with drop_last=True a smaller batch is left '
        f'out. Set train_dataloader.batch_size to at most {each}'
        + (' or use fewer processes.' if processes > 1 else '.')
    )


def require_triplets(loader: DataLoader, metrics: Sequence[Any]) -> None:
    """Check that a validation loader gives batches that ``RankMetric`` can rank.

    Raises:
        ValueError: If each has fewer than 3 samples; says what to set.
    """
    if not any(type(metric).__name__ == 'RankMetric' for metric in metrics):
        return
    samples, processes = len(loader.dataset), get_world_size()  # type: ignore[arg-type]
    size = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', None) or samples
    each = -(-samples // processes)
    if min(each, size) >= TRIPLET:
        return
    if size < TRIPLET:
        raise ValueError(
            f'val_dataloader.batch_size={size}; expected at least {TRIPLET}: RankMetric ranks '
            'triplets within a batch'
        )
    holdout = getattr(loader.dataset, 'holdout', None)
    remedy = 'validate on more samples'
    if holdout is not None:
        whole = getattr(loader.dataset, 'num_split_samples', samples)
        share = math.ceil(100 * TRIPLET * processes / max(whole, 1)) / 100
        remedy = (
            f'hold out more than {holdout["share"]:g} of the {whole} samples, the same share in '
            f'both loaders: train_dataloader.dataset.holdout.share={share:g} '
            f'val_dataloader.dataset.holdout.share={share:g}'
        )
    raise ValueError(
        f'{samples} validation samples on {processes} process(es) are {each} for each, and '
        f'RankMetric needs {TRIPLET} in a batch: {remedy}'
    )
