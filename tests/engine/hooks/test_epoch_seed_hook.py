"""EpochSeedHook tells every data set the epoch, and seeds PyTorch by it."""

from types import SimpleNamespace

import torch
from mmengine.runner import Runner

from deeprank_plugin.engine import EpochSeedHook


class Recorder:
    def __init__(self):
        self.calls = []

    def set_epoch(self, epoch, seed, rank):
        self.calls.append((epoch, seed, rank))

    def __len__(self):
        return 9


def make_runner(dataset, epoch, seed=3, diff_rank_seed=False):
    loader = SimpleNamespace(dataset=dataset, sampler=SimpleNamespace(seed=99))
    return SimpleNamespace(
        train_dataloader=loader,
        epoch=epoch,
        seed=seed,
        _randomness_cfg=dict(diff_rank_seed=diff_rank_seed),
    )


def test_all_leaves_are_told():
    leaves = [Recorder(), Recorder()]
    concatenated = SimpleNamespace(datasets=[SimpleNamespace(dataset=leaves[0]), leaves[1]])
    EpochSeedHook().before_train_epoch(make_runner(concatenated, epoch=7))
    assert [leaf.calls for leaf in leaves] == [[(7, 3, 0)]] * 2


def test_torch_draws_by_seed_and_epoch():
    def draw(epoch, seed):
        torch.rand(5)  # whatever happened before
        EpochSeedHook().before_train_epoch(make_runner(Recorder(), epoch, seed))
        return torch.rand(4)

    assert torch.equal(draw(2, 3), draw(2, 3))
    assert not torch.equal(draw(2, 3), draw(3, 3))
    assert not torch.equal(draw(2, 3), draw(2, 4))


def test_sampler_shuffles_by_the_runs_seed_unless_ranks_differ():
    runner = make_runner(Recorder(), 0)
    EpochSeedHook().before_train_epoch(runner)
    assert runner.train_dataloader.sampler.seed == 3
    runner = make_runner(Recorder(), 0, diff_rank_seed=True)
    EpochSeedHook().before_train_epoch(runner)
    assert runner.train_dataloader.sampler.seed == 99


def test_the_sampler_behind_a_batch_sampler_is_seeded():
    """A resumed finetuning run shuffles as the uninterrupted one."""
    data = Recorder()
    runner = make_runner(data, 0)
    loader = Runner.build_dataloader(
        dict(
            dataset=data,
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            batch_sampler=dict(type='FullEpochBatchSampler'),
        ),
        seed=99,
    )
    runner.train_dataloader = loader
    EpochSeedHook().before_train_epoch(runner)
    assert loader.batch_sampler.sampler.seed == 3
