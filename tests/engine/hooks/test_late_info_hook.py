"""Losses are entered a step later, and in time for whatever reads the log."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook, LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub

from deeprank_plugin.engine.hooks import LateInfoHook

BATCHES = 10


def run(info, *hooks, stop=BATCHES):
    """Number of losses in the log after each step of an epoch of ten, and the log."""
    hub = MessageHub(f'late_info_{id(info)}')
    runner = SimpleNamespace(message_hub=hub, hooks=hooks, iter=0, epoch=0, max_epochs=1)
    runner.max_iters, runner.train_dataloader = BATCHES, [None] * BATCHES
    runner.train_dataloader = SimpleList(runner.train_dataloader)
    info.before_train(runner)
    known = []
    for step in range(stop):
        outputs = dict(loss=torch.tensor(1 / (step + 3)), acc=torch.tensor(step), share=0.1)
        info.after_train_iter(runner, step, None, outputs)
        history = hub.log_scalars.get('train/loss')
        known.append(0 if history is None else len(history.data[0]))
        runner.iter += 1
    return known, hub, runner


class SimpleList(list):
    dataset = None  # of a data loader


def values(hub):
    return {name: history.data[0].tolist() for name, history in hub.log_scalars.items()}


def test_the_log_is_that_of_mmengine_a_step_later():
    _, expected, _ = run(RuntimeInfoHook())
    known, found, _ = run(LateInfoHook(late=True))
    assert known == [*range(9), 10]  # the last step of an epoch is read at once
    assert values(found) == values(expected) and len(values(found)) == 3


def test_on_the_cpu_nothing_is_late():
    known, _, _ = run(LateInfoHook())
    assert known == list(range(1, 11))


@pytest.mark.parametrize(
    'hook',
    [LoggerHook(interval=4), CheckpointHook(interval=4, by_epoch=False)],
    ids=['logger', 'checkpoint'],
)
def test_steps_that_are_logged_or_saved_are_read_at_once(hook):
    known, _, _ = run(LateInfoHook(late=True), hook, CheckpointHook(interval=1))
    assert known == [0, 1, 2, 4, 4, 5, 6, 8, 8, 10]


def test_an_early_end():
    for name in ('before_saving', 'after_train'):
        info = LateInfoHook(late=True)
        known, hub, runner = run(info, stop=3)
        assert known == [0, 1, 2]
        getattr(info, name)(runner)
        assert len(values(hub)['train/loss']) == 3
