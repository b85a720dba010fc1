"""Samplers that importing the package registers in MMAction2's ``DATA_SAMPLERS``."""

from .cluster_sampler import ClusterSampler

__all__ = ['ClusterSampler']
