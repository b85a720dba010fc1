"""Makes randomness depend only on seed, epoch, rank and worker."""

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from deeprank_plugin.engine.loaders import index_sampler


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds each training epoch by (seed, epoch, rank).

    MMEngine seeds data-loader workers only when they start. With persistent workers, a resumed run
    then draws different augmentations than an uninterrupted one; workers that do not persist draw
    the same ones in every epoch. This hook passes the epoch to the data set
    (``SkeletonDataset.set_epoch``), keeps the run's shuffling seed after a resume, and seeds
    PyTorch's generator, which dropout uses.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        """Seed the epoch that starts."""
        seed, epoch, rank = runner.seed, runner.epoch, get_rank()
        sampler = index_sampler(runner.train_dataloader)
        if hasattr(sampler, 'seed') and not runner._randomness_cfg.get('diff_rank_seed', False):
            sampler.seed = seed  # a resumed run reads its seed after the sampler is built
        for dataset in leaf_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'set_epoch'):
                dataset.set_epoch(epoch, seed=seed, rank=rank)
        seed_torch(runner)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed again before the first batch.

        Starting workers draws a number from PyTorch's generator, and persistent workers start only
        in a run's first epoch and in the first one after a resume.
        """
        if batch_idx == 0:
            seed_torch(runner)


def seed_torch(runner) -> None:
    """Seed PyTorch's generator by (seed, epoch, rank)."""
    state = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()]).generate_state(1)
    torch.manual_seed(int(state[0]))


def leaf_datasets(dataset) -> list:
    """The innermost data sets of MMEngine's wrappers."""
    if hasattr(dataset, 'datasets'):
        return [leaf for part in dataset.datasets for leaf in leaf_datasets(part)]
    if hasattr(dataset, 'dataset'):
        return leaf_datasets(dataset.dataset)
    return [dataset]
