"""All samples are used, no batch holds one, and whole batches are those of PyTorch's sampler."""

import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import BatchSampler

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler


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
