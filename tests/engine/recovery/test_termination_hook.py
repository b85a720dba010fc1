"""Runs that get SIGTERM: what they save, how they exit, and that they resume to the same end."""

from types import SimpleNamespace

import pytest
import torch
from runs import Chain, assert_equal_ends, assert_same, kept, kill, make_resumable

from deeprank_plugin.engine import TerminationHook
from deeprank_plugin.engine.recovery import termination_hook


@pytest.mark.slow
def test_stopped_by_sigterm_equals_uninterrupted(server, data, whole, tmp_path):
    chain = Chain(server, make_resumable(data, workers=2), tmp_path / 'stopped')
    for kind, number, epoch in (
        ('train', 6, 2),  # the second of four batches of epoch 2
        ('val', 1, 3),  # after epoch 2
        ('extract', 2, 3),  # the second labels
        ('train', 4, 3),  # the last batch of epoch 3
    ):
        assert chain.start(kill(kind, number, 'SIGTERM')) == 143, chain.printed[-3000:]
        assert chain.printed.count(f'Stopped by SIGTERM in epoch {epoch}.') >= 1
        latest = chain.work_dir / 'interrupted.pth'
        assert (chain.work_dir / 'last_checkpoint').read_text() == str(latest)
    assert_equal_ends(chain.finish(), whole(workers=2))
    assert 'Epoch 2 resumes after batch 2 of 4.' in chain.printed
    assert 'Epoch 3 resumes after batch 4 of 4.' in chain.printed
    assert 'Traceback' not in chain.printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'first'), [('MVDeepRank', ('labelled', 2)), ('DeepCluster', ('save', 3))]
)
def test_killed_then_stopped_equals_uninterrupted(server, data, whole, tmp_path, method, first):
    chain = Chain(server, make_resumable(data, method), tmp_path / 'killed')
    assert chain.start(kill(*first)) == -9, chain.printed[-3000:]
    assert chain.start(kill('train', 2, 'SIGTERM')) == 143, chain.printed[-3000:]
    assert_equal_ends(chain.finish(), whole(method))


@pytest.mark.slow
def test_sigterm_before_anything_is_saved(server, data, tmp_path):
    chain = Chain(server, make_resumable(data, workers=2), tmp_path / 'early')
    assert chain.start(kill('extract', 2, 'SIGTERM')) == 143
    assert 'Last checkpoint: none yet' in chain.printed
    assert kept(chain.work_dir) == []


@pytest.mark.slow
def test_sigterm_with_a_loop_that_cannot_resume_within_an_epoch(server, data, whole, tmp_path):
    cfg = make_resumable(data)
    cfg.train_cfg.type = 'EpochBasedTrainLoop'
    chain = Chain(server, cfg, tmp_path / 'plain')
    assert chain.start(kill('train', 6, 'SIGTERM')) == 143
    assert kept(chain.work_dir) == ['epoch_1.pth']
    assert "epoch_1.pth'. The same command with --resume" in chain.printed
    assert_equal_ends(chain.finish(), whole())


@pytest.mark.distributed
def test_processes_stop_together(server, data, whole, tmp_path):
    """The signal reaches one of two; their BatchNorm statistics differ within an epoch."""
    chain = Chain(server, make_resumable(data), tmp_path / 'two', processes=2)
    path = chain.work_dir / 'interrupted.pth'
    # iteration 3, the first of two in epoch 2: they agree at the end of the epoch
    assert chain.start(kill('train', 3, 'SIGTERM', rank=1)) == 143, chain.printed[-3000:]
    assert torch.load(path, weights_only=True)['unfinished']['batches'] == 2
    # iteration 5, the first of epoch 3
    chain.cfg.default_hooks.termination.interval = 5
    assert chain.start(kill('train', 1, 'SIGTERM', rank=1)) == 143, chain.printed[-3000:]
    saved = torch.load(path, weights_only=True)['unfinished']
    assert saved['batches'] == 1
    first, second = (state['buffers'] for state in saved['processes'])
    assert any(not torch.equal(first[name], second[name]) for name in first)
    chain.finish()
    first, second = chain.checkpoint(), whole(processes=2).checkpoint()
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'relabel'):
        assert_same(first[key], second[key], key)
    chain = Chain(server, chain.cfg, tmp_path / 'two')
    (chain.work_dir / 'last_checkpoint').write_text(str(path))
    assert chain.start() == 2
    assert 'on 2 process(es); this run has 4 batches on 1' in chain.printed


@pytest.mark.slow
def test_an_error_ends_the_run_although_workers_ignore_sigterm(server, data, tmp_path):
    chain = Chain(server, make_resumable(data, workers=2), tmp_path / 'error')
    assert chain.start(kill('train', 2, 'error')) == 1
    assert 'RuntimeError: an error of the test' in chain.printed


def test_processes_agree_every_tenth_iteration_and_at_the_end_of_an_epoch(monkeypatch):
    asked, hook = [], TerminationHook()
    monkeypatch.setattr(termination_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(termination_hook, 'all_reduce', lambda *_: asked.append(runner.iter))
    runner = SimpleNamespace(iter=0, train_dataloader=range(24))
    for index in range(24):
        runner.iter = index
        hook.after_train_iter(runner, index)
    assert asked == [9, 19, 23]


def test_bad_argument():
    with pytest.raises(ValueError, match='interval=0'):
        TerminationHook(interval=0)
