"""FileSampler: each file equally often, small ones repeated."""

import numpy as np
import pytest

from deeprank_plugin.datasets.samplers import FileSampler
from tests.datasets.building import build


def test_each_file_gives_half_of_an_epoch(make_annotations):
    dataset = build([make_annotations(40, name='a.pkl'), make_annotations(8, name='b.pkl')])
    sampler = FileSampler(dataset, seed=0)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == len(sampler) == len(dataset) == 36
        times = np.bincount(drawn, minlength=36)
        assert times[:30].sum() == times[30:].sum() == 18
        assert times[:30].max() == 1 and set(times[30:]) == {3}
        epochs.append(drawn)
    assert epochs[0] != epochs[1]
    sampler.set_labels(None)
    assert list(sampler) == epochs[1]


def test_one_file_and_no_shuffling_are_rejected(make_annotations):
    path = make_annotations()
    for dataset, shuffle in ((build(path), True), (build([path]), True)):
        with pytest.raises(ValueError, match='SkeletonDataset with several files'):
            FileSampler(dataset, shuffle=shuffle)


def test_of_the_first_samples_alone(make_annotations):
    paths = [make_annotations(40, name='a.pkl'), make_annotations(8, name='b.pkl')]
    dataset = build(paths, indices=[*range(4), *range(30, 36)])
    times = np.bincount(list(FileSampler(dataset, seed=0)), minlength=10)
    assert len(times) == 10 and times[:4].sum() == times[4:].sum() == 5
