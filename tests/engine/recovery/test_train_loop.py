"""ResumableTrainLoop: batches are skipped once, and the state of every generator comes back.

Whole runs that are interrupted within an epoch are in test_termination_hook.py.
"""

import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler
from deeprank_plugin.engine import ResumableTrainLoop
from deeprank_plugin.engine.recovery.train_loop import get_process_state, restore_process_state


def draw():
    return torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()


def test_random_generators_are_restored():
    model = nn.BatchNorm1d(2)
    state = get_process_state(model)
    expected = draw()
    assert draw() != expected
    restore_process_state(model, state)
    assert draw() == expected


def test_buffers_of_each_process_are_restored():
    model = nn.BatchNorm1d(2)
    state = get_process_state(model)
    assert 'buffers' not in state  # one process has no others to differ from
    state['buffers'] = {name: torch.full_like(b, 7) for name, b in model.named_buffers()}
    restore_process_state(model, state)
    assert model.running_mean.tolist() == [7, 7] and int(model.num_batches_tracked) == 7


def make_loop(unfinished, loader=None, wrapper=None, **kwargs):
    calls = []
    runner = SimpleNamespace(
        model=nn.Linear(1, 1),
        logger=logging.getLogger('test'),
        optim_wrapper=wrapper or {},
        call_hook=lambda name, **kwargs: calls.append(name),
        message_hub=SimpleNamespace(update_info=lambda *args: None),
        visualizer=SimpleNamespace(dataset_meta=None),
    )
    loader = loader or torch.utils.data.DataLoader(range(5))
    loop = ResumableTrainLoop(runner, loader, max_epochs=2, **kwargs)
    loop.run_iter = lambda index, batch: calls.append((index, int(batch)))
    loop.unfinished = unfinished
    return loop, calls


def test_batches_of_the_first_epoch_are_skipped():
    loop, calls = make_loop(None)
    state = get_process_state(loop.runner.model)
    loop.unfinished = dict(batches=3, num_batches=5, processes=[state])
    expected = draw()
    loop.run_epoch()
    assert calls == ['before_train_epoch', (3, 3), (4, 4), 'after_train_epoch']
    assert draw() == expected and loop.epoch == 1
    calls.clear()
    loop.run_epoch()
    assert calls[1:-1] == [(index, index) for index in range(5)]


@pytest.mark.parametrize(('num_batches', 'processes'), [(4, 1), (5, 2)])
def test_another_number_of_batches_or_processes_is_rejected(num_batches, processes):
    loop, _ = make_loop(dict(batches=3, num_batches=num_batches, processes=[None] * processes))
    expected = f'{num_batches} batches on {processes} process.*this run has 5 batches on 1:'
    with pytest.raises(ValueError, match=expected):
        loop.run_epoch()


def test_few_samples_are_repeated_within_an_epoch_for_a_least_number_of_steps():
    sampler = FullEpochBatchSampler(range(5), 2)  # batches of 2 and 3
    loader = torch.utils.data.DataLoader(range(5), batch_sampler=sampler)
    assert make_loop(None, loader, min_steps=4)[0].max_iters == 4 and sampler.passes == 1
    loop, _ = make_loop(None, loader, min_steps=9)
    assert sampler.passes == 3 and len(loader) == 6 and loop.max_iters == 12
    loop.run_iter = lambda index, batch: seen.append(len(batch))
    seen = []
    loop.run_epoch()
    assert seen == [2, 3] * 3


def test_the_least_number_of_steps_is_that_of_the_optimiser():
    wrapper = OptimWrapper(torch.optim.SGD(nn.Linear(1, 1).parameters(), 1), accumulative_counts=4)
    for given in (dict(accumulative_counts=4), wrapper):  # MMEngine builds it after the loop
        for steps, passes in ((1, 1), (3, 3)):  # an epoch of two has two batches, four make a step
            sampler = FullEpochBatchSampler(range(5), 2)
            loader = torch.utils.data.DataLoader(range(5), batch_sampler=sampler)
            loop, _ = make_loop(None, loader, given, min_steps=steps)
            assert sampler.passes == passes and loop.max_iters == 4 * steps


def test_a_loader_that_cannot_repeat_is_rejected():
    assert make_loop(None, min_steps=10)[0].max_iters == 10  # no need to
    with pytest.raises(ValueError, match='min_steps=11, and the BatchSampler .*FullEpochBatch'):
        make_loop(None, min_steps=11)
