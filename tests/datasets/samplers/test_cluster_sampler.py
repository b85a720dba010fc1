"""Uniform over clusters, with one process and with several."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset

from deeprank_plugin.datasets import ClusterSampler, SkeletonDataset
from deeprank_plugin.datasets.samplers import cluster_sampler

LABELS = torch.tensor([0] * 12 + [1] * 5 + [2] * 2 + [4])


class Rows:
    """A data set of 20 samples, of which it has every row in reverse."""

    sample_rows, sample_offset = list(range(19, -1, -1)), 0

    def __len__(self):
        return 20


def make(monkeypatch, rank=0, world=1, **kwargs):
    monkeypatch.setattr(cluster_sampler, 'get_dist_info', lambda: (rank, world))
    sampler = ClusterSampler(Rows(), seed=5, **kwargs)
    sampler.set_labels(LABELS)
    return sampler


def test_every_cluster_gives_its_share(monkeypatch):
    sampler = make(monkeypatch)
    counts = np.zeros(5, int)
    for epoch in range(40):
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == 20 == len(sampler)
        rows = [Rows.sample_rows[position] for position in drawn]
        of_epoch = np.bincount(LABELS[rows], minlength=5)
        np.testing.assert_array_equal(of_epoch, [5, 5, 5, 0, 5])
        # none of cluster 1 is drawn twice, the two of cluster 2 are drawn two or three times
        assert all(rows.count(row) == 1 for row in range(12, 17))
        assert sorted(rows.count(row) for row in (17, 18)) == [2, 3]
        counts += of_epoch
    assert sampler.draw_epoch().tolist() == list(sampler)
    assert len({tuple(make_epoch(sampler, e)) for e in range(5)}) == 5


def make_epoch(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_members_of_a_large_cluster_are_drawn_alike(monkeypatch):
    sampler = make(monkeypatch)
    counts = np.zeros(20)
    for epoch in range(600):
        for position in make_epoch(sampler, epoch):
            counts[Rows.sample_rows[position]] += 1
    expected = 600 * 5 / 12
    chi_square = ((counts[:12] - expected) ** 2 / expected).sum()
    assert chi_square < 31.3  # 11 degrees of freedom, 0.1 %


@pytest.mark.parametrize('world', [2, 3])
def test_processes_share_one_draw(monkeypatch, world):
    whole = make_epoch(make(monkeypatch), 3)
    parts = [make_epoch(make(monkeypatch, rank, world), 3) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    joined = [part[i] for i in range(len(parts[0])) for part in parts]
    assert joined[:20] == whole and joined[20:] == whole[: len(joined) - 20]
    parts = [make_epoch(make(monkeypatch, r, world, round_up=False), 3) for r in range(world)]
    assert sum(map(len, parts)) == 20
    assert [len(make(monkeypatch, r, world, round_up=False)) for r in range(world)] == [
        len(part) for part in parts
    ]


def test_follows_new_labels(monkeypatch):
    sampler = make(monkeypatch)
    before = list(sampler)
    sampler.set_labels(torch.arange(20) % 2)
    assert list(sampler) != before
    assert np.bincount([Rows.sample_rows[p] % 2 for p in sampler]).tolist() == [10, 10]


def test_rows_of_real_data_sets(make_annotations):
    path = make_annotations()
    parts = [
        SkeletonDataset(path, [], split='xsub_train', holdout=dict(share=0.2, part='train')),
        SkeletonDataset(path, [], split='xsub_val', sample_offset=15),
    ]
    whole = ConcatDataset(parts)
    expected = [whole.datasets[0].get_data_info(i)['sample_idx'] for i in range(len(parts[0]))]
    assert len(expected) == 12
    found = cluster_sampler.find_rows(whole)
    np.testing.assert_array_equal(found, [*expected, *range(15, 20)])


def test_errors(monkeypatch):
    with pytest.raises(TypeError, match='cannot tell the rows of a SimpleNamespace'):
        ClusterSampler(SimpleNamespace(), seed=0)
    sampler = ClusterSampler(Rows(), seed=0)
    with pytest.raises(RuntimeError, match='no clusters yet; expected DeepCluster'):
        list(sampler)
    with pytest.raises(ValueError, match='19 clusters for a data set of rows up to 19'):
        sampler.set_labels(LABELS[:19])
