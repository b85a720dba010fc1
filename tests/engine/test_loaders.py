"""A training loader without a batch is an error; the sampler is found behind a batch sampler."""

from types import SimpleNamespace

import pytest
from mmengine.runner import BaseLoop
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler
from deeprank_plugin.engine import loaders
from deeprank_plugin.engine.loaders import (
    have_equal_batches,
    index_sampler,
    loaders_in_use,
    require_batches,
    require_triplets,
)


def test_a_batch_is_required(monkeypatch):
    require_batches(DataLoader(range(12), batch_size=12, drop_last=True))
    short = DataLoader(range(12), batch_size=16, drop_last=True)
    with pytest.raises(ValueError, match=r'12 samples on 1 process.*takes 16.*batch_size to at'):
        require_batches(short)
    monkeypatch.setattr(loaders, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match=r'12 samples on 2 .* 6 for each.*or use fewer processes'):
        require_batches(short)
    with pytest.raises(ValueError, match='has no sample'):
        require_batches(DataLoader([], batch_size=2))


def test_triplets_are_required_where_they_are_ranked(monkeypatch):
    class RankMetric:
        pass

    class Part(list):
        holdout, num_split_samples = dict(share=0.05), 24

    held, metrics = Part(range(2)), [RankMetric()]
    require_triplets(DataLoader(range(3), batch_size=64), metrics)
    require_triplets(DataLoader(held, batch_size=1), [object()])
    with pytest.raises(ValueError, match=r'batch_size=2; expected at least 3'):
        require_triplets(DataLoader(range(9), batch_size=2), metrics)
    with pytest.raises(
        ValueError, match=r'2 validation samples .*0\.05 of the 24 .*share=0\.13 val'
    ):
        require_triplets(DataLoader(held, batch_size=64), metrics)
    monkeypatch.setattr(loaders, 'get_world_size', lambda: 2)
    with pytest.raises(ValueError, match=r'on 2 process\(es\) are 2 for each.*more samples'):
        require_triplets(DataLoader(range(4), batch_size=64), metrics)


def test_equal_batches_of_all_processes(monkeypatch):
    plain = DataLoader(range(10), batch_size=4, drop_last=True)
    batches = FullEpochBatchSampler(SequentialSampler(range(10)), 4)
    full = DataLoader(range(10), batch_sampler=batches)
    assert have_equal_batches(plain) and have_equal_batches(full)
    others = [(9, 4, True)]  # what a second process says

    monkeypatch.setattr(loaders, 'all_gather_object', lambda own: [own, *others])
    assert not have_equal_batches(plain)
    others[0] = (10, 4, True)
    assert have_equal_batches(plain) and not have_equal_batches(full)

    class Sizes(BatchSampler):
        """A batch sampler that may draw any sizes."""

    assert not have_equal_batches(DataLoader(range(10), batch_sampler=Sizes(range(10), 4, True)))


def test_the_sampler_that_draws():
    sampler = RandomSampler(range(4))
    assert index_sampler(DataLoader(range(4), sampler=sampler)) is sampler
    batches = BatchSampler(sampler, 2, drop_last=False)
    assert index_sampler(DataLoader(range(4), batch_sampler=batches)) is sampler


def test_loaders_of_built_loops():
    class Loop(BaseLoop):
        def run(self):
            pass

    loop = Loop(None, DataLoader(range(4)))
    runner = SimpleNamespace(_train_loop=loop, _val_loop=dict(type='ValLoop'), _test_loop=None)
    assert loaders_in_use(runner) == [loop.dataloader]
    assert loaders_in_use(SimpleNamespace()) == []
