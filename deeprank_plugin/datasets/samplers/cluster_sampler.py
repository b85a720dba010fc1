"""Draws training samples uniformly over clusters."""

from typing import Iterator, Optional

import numpy as np
from mmaction.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info, sync_random_seed
from torch import Tensor
from torch.utils.data import ConcatDataset, Sampler


@DATA_SAMPLERS.register_module()
class ClusterSampler(Sampler):
    """Samples uniformly over the clusters of :class:`DeepCluster`, so large ones do not dominate.

    An epoch has as many samples as the data set. Each cluster with a training sample contributes an
    equal share: small clusters repeat their samples, large ones contribute only some of them.
    ``RelabelHook`` passes the clusters at each relabelling and each resume. Samples are drawn in
    the main process, so persistent workers follow as well.

    Args:
        dataset (Dataset): ``SkeletonDataset``, or several of them concatenated.
        seed (int, optional): Defaults to None: drawn, the same on all processes.
        round_up (bool): Give every process the same number of samples, by repeating some.
            Defaults to True.

    Raises:
        TypeError: If the data set does not provide its rows.
    """

    def __init__(self, dataset, seed: Optional[int] = None, round_up: bool = True) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.round_up = round_up
        self.epoch = 0
        self.labels: Optional[np.ndarray] = None
        find_rows(dataset)
        total = len(dataset)
        self.num_samples = (
            -(-total // self.world_size)
            if round_up
            else len(range(self.rank, total, self.world_size))
        )

    def set_labels(self, labels: Tensor) -> None:
        """Set the cluster of each row of the bank, of shape (N,)."""
        rows = find_rows(self.dataset)
        if rows.max() >= len(labels):
            raise ValueError(
                f'{len(labels)} clusters for a data set of rows up to {rows.max()}; expected one '
                'per sample of the training split'
            )
        self.labels = labels.cpu().numpy()[rows]

    def set_epoch(self, epoch: int) -> None:
        """Change the draw for each epoch."""
        self.epoch = epoch

    def draw_epoch(self) -> np.ndarray:
        """Draw the positions in the data set for one epoch, over all processes."""
        if self.labels is None:
            raise RuntimeError(
                'ClusterSampler has no clusters yet; expected DeepCluster with RelabelHook in the '
                "config: default_hooks=dict(relabel=dict(type='RelabelHook', interval=...))"
            )
        rng = np.random.default_rng([self.seed, self.epoch])
        members = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels)]
        total = len(self.labels)
        shares = np.full(len(members), total // len(members))
        shares[rng.permutation(len(members))[: total % len(members)]] += 1
        drawn = []
        for positions, share in zip(members, shares):
            whole, rest = divmod(share, len(positions))
            drawn += [positions] * whole + [rng.permutation(positions)[:rest]]
        return rng.permutation(np.concatenate(drawn))

    def __iter__(self) -> Iterator[int]:
        drawn = self.draw_epoch()
        if self.round_up:
            drawn = np.resize(drawn, self.num_samples * self.world_size)
        return iter(drawn[self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        return self.num_samples


def find_rows(dataset) -> np.ndarray:
    """``sample_idx`` of each position of a data set.

    Raises:
        TypeError: If the data set does not provide it.
    """
    if hasattr(dataset, 'full_init'):
        dataset.full_init()
    if isinstance(dataset, ConcatDataset):
        return np.concatenate([find_rows(part) for part in dataset.datasets])
    rows = getattr(dataset, 'sample_rows', None)
    if rows is None:
        raise TypeError(
            f'ClusterSampler cannot tell the rows of a {type(dataset).__name__}; expected '
            'SkeletonDataset, or ConcatDataset of them: remove other wrappers from the config'
        )
    return np.asarray(rows) + dataset.sample_offset
