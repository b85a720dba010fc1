"""All samples are used, no batch holds one, and whole batches are those of PyTorch's sampler."""

import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.runner import Runner
from torch.utils.data import BatchSampler

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler, count_passes


@pytest.mark.parametrize('size', [2, 3, 4, 16, 64])
@pytest.mark.parametrize('total', range(2, 70, 3))
def test_every_sample_is_used_once_and_none_is_alone(total, size):
    batches = list(FullEpochBatchSampler(range(total), size))
    assert [index for batch in batches for index in batch] == list(range(total))
    assert min(map(len, batches)) >= 2
    assert max(map(len, batches)) <= max(size, 3)
    assert len(FullEpochBatchSampler(range(total), size)) == len(batches)


@pytest.mark.parametrize('total', [8, 12, 15, 18])
def test_batches_are_pytorchs_unless_a_sample_would_be_alone(total):
    ours = list(FullEpochBatchSampler(range(total), 4))
    assert ours == list(BatchSampler(range(total), 4, drop_last=False))


def test_a_lone_sample_gets_company():
    assert [len(batch) for batch in FullEpochBatchSampler(range(9), 4)] == [4, 3, 2]
    assert [len(batch) for batch in FullEpochBatchSampler(range(5), 2)] == [2, 3]
    assert [len(batch) for batch in FullEpochBatchSampler(range(1), 4)] == [1]
    assert [len(batch) for batch in FullEpochBatchSampler(range(3), 1)] == [1, 1, 1]


def test_a_config_sets_it():
    loader = Runner.build_dataloader(
        dict(
            dataset=torch.arange(9),
            batch_size=4,
            drop_last=False,
            sampler=dict(type='DefaultSampler', shuffle=False),
            batch_sampler=dict(type='FullEpochBatchSampler'),
            num_workers=0,
        )
    )
    assert [len(batch) for batch in loader] == [4, 3, 2] and len(loader) == 3


def test_several_passes_of_an_epoch_are_each_in_another_order():
    inner = DefaultSampler(torch.arange(9), shuffle=True, seed=3)
    sampler = FullEpochBatchSampler(inner, 4, passes=3)
    seen = []
    for epoch in range(2):
        inner.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) == 9 and inner.epoch == epoch
        assert [len(batch) for batch in batches] == [4, 3, 2] * 3
        for part in range(3):
            drawn = [index for batch in batches[3 * part : 3 * part + 3] for index in batch]
            assert sorted(drawn) == list(range(9))
            seen.append(tuple(drawn))
    assert len(set(seen)) == 6
    inner.set_epoch(1)
    assert list(sampler) == batches  # a resumed epoch
    with pytest.raises(ValueError, match='passes=0'):
        FullEpochBatchSampler(inner, 4, passes=0)


@pytest.mark.parametrize(
    ('least', 'epochs', 'batches', 'passes'),
    [(0, 30, 6, 1), (180, 30, 6, 1), (181, 30, 6, 2), (1200, 30, 4, 10), (5, 30, 1, 1)],
)
def test_passes_for_a_least_number_of_steps(least, epochs, batches, passes):
    assert count_passes(least, epochs, batches) == passes
