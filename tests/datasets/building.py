"""Data sets of which the tests look at the samples."""

from deeprank_plugin.datasets import SkeletonDataset


def build(path, pipeline=(), split='xsub_train', **kwargs):
    return SkeletonDataset(path, pipeline=list(pipeline), split=split, **kwargs)


def names_of(dataset):
    return [dataset[index]['frame_dir'] for index in range(len(dataset))]
