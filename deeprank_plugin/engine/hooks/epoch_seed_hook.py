"""Randomness that depends on seed, epoch, rank and worker alone."""

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds each training epoch by (seed, epoch, rank).

    MMEngine seeds data-loader workers only when they start: a resumed run with persistent workers
    draws other augmentations than an uninterrupted one, and workers that do not persist draw the
    same ones in every epoch. This hook passes the epoch to the data set
    (``SkeletonDataset.set_epoch``), shuffles by the run's seed even after a resume, and seeds
    PyTorch's generator, on which dropout depends.
    """

    priority = 'VERY_HIGH'

    def before_train_epoch(self, runner) -> None:
        """Seed the epoch that begins."""
        seed, epoch, rank = runner.seed, runner.epoch, get_rank()
        sampler = runner.train_dataloader.sampler
        if hasattr(sampler, 'seed') and not runner._randomness_cfg.get('diff_rank_seed', False):
            sampler.seed = seed  # a resume takes its seed from the checkpoint, after the build
        for dataset in leaf_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'set_epoch'):
                dataset.set_epoch(epoch, seed=seed, rank=rank)
        seed_torch(runner)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Seed again before the first batch.

        When workers start, the data loader draws a number from PyTorch's generator; persistent
        workers start in the run's first epoch only, and in the first one after a resume.
        """
        if batch_idx == 0:
            seed_torch(runner)


def seed_torch(runner) -> None:
    """Seed PyTorch's generator by (seed, epoch, rank)."""
    state = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()]).generate_state(1)
    torch.manual_seed(int(state[0]))


def leaf_datasets(dataset) -> list:
    """The data sets at the bottom of MMEngine's wrappers."""
    if hasattr(dataset, 'datasets'):
        return [leaf for part in dataset.datasets for leaf in leaf_datasets(part)]
    if hasattr(dataset, 'dataset'):
        return leaf_datasets(dataset.dataset)
    return [dataset]
