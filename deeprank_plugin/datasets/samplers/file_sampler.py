"""Draws training samples from each of several files equally often."""

import numpy as np
from mmaction.registry import DATA_SAMPLERS
from torch import Tensor

from .cluster_sampler import ClusterSampler


@DATA_SAMPLERS.register_module()
class FileSampler(ClusterSampler):
    """Samples uniformly over the files of a data set, so a large one does not dominate.

    An epoch has as many samples as the data set; each file of a ``SkeletonDataset`` with several
    gives an equal share: small files repeat their samples, large ones give only some of them.
    Set it by ``train_dataloader.sampler.type=FileSampler``.

    Args:
        dataset (Dataset): ``SkeletonDataset``.
        shuffle (bool): Must be True, since the samples are drawn. Defaults to True.
        **kwargs: As for :class:`ClusterSampler`.

    Raises:
        ValueError: If ``shuffle`` is False, or the data set has one file.
    """

    def __init__(self, dataset, shuffle: bool = True, **kwargs) -> None:
        super().__init__(dataset, **kwargs)
        files = getattr(dataset, 'sample_files', ())
        if not shuffle or not len(files):
            raise ValueError(
                f'FileSampler with shuffle={shuffle} for {type(dataset).__name__}; expected '
                'shuffle=True and a SkeletonDataset with several files: give them, or use '
                'DefaultSampler'
            )
        self.labels = np.asarray(files)

    def set_labels(self, labels: Tensor) -> None:
        """Keep the files: clusters do not count."""
