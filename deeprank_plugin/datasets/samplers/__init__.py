"""Samplers that importing the package registers in MMAction2's ``DATA_SAMPLERS``."""

from .cluster_sampler import ClusterSampler
from .file_sampler import FileSampler
from .full_epoch_batch_sampler import FullEpochBatchSampler, count_passes

__all__ = ['ClusterSampler', 'FileSampler', 'FullEpochBatchSampler', 'count_passes']
