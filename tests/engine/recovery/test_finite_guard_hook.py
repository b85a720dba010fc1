"""A loss or gradient that is not finite: names and weights are kept, and the run stops."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner
from spoiled import report, run
from torch.utils._python_dispatch import TorchDispatchMode

from deeprank_plugin.engine import FiniteGuardHook, NonFiniteError
from deeprank_plugin.engine.recovery.finite_guard_hook import (
    Step,
    Transfer,
    largest_gradients,
    parameters_with_gradient,
    with_nan_gradient,
)

METHODS = (
    'DeepRank', 'MVDeepRank', 'DeepCluster', 'SupervisedTriplet', 'SkeletonMoCo', 'SkeletonMAE',
    'RecognizerGCN',
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize('late', [False, True])
@pytest.mark.parametrize('model', METHODS)
def test_the_batch_is_named_and_the_weights_before_it_are_kept(make_config, model, late):
    cfg = make_config(model, extra=[dict(type='Spoil', name='s05')])
    cfg.default_hooks.finite_guard.late = late
    if 'relabel' in cfg.default_hooks:
        del cfg.default_hooks.relabel.pipeline[2]  # the features for the labels are sound
    runner, seen, error = run(cfg)
    bad = next(i for i, names in enumerate(seen.names) if 's05' in names)
    assert bad < 4  # in the first of two epochs
    # one step late, but not after the last step of the epoch
    assert runner.iter == (min(bad + 1, 3) if late else bad)
    found, checkpoint = report(runner, bad)
    # of NaN distances none violates the triplet loss' margin, but their gradients are NaN
    what = 'gradient' if model == 'SupervisedTriplet' else 'loss'
    assert found['what'] == what and found['iteration'] == bad
    (process,) = found['processes']
    assert [sample['name'] for sample in process['samples']] == seen.names[bad]
    assert [s['name'] for s in process['samples'] if not s['finite']] == ['s05']
    assert {s['largest'] for s in process['samples'] if not s['finite']} == {'nan'}
    assert 'nan' in process['losses'][0].values() or what == 'gradient'
    assert found['lr'] == dict(lr=[0.05])
    before = seen.states[bad]
    assert checkpoint['state_dict'].keys() == before.keys()
    assert checkpoint['meta']['iter'] == bad
    for name, value in before.items():
        assert torch.equal(checkpoint['state_dict'][name], value), name
        assert torch.equal(runner.model.state_dict()[name], value), name
    message = str(error)
    assert f'is not finite at iteration {bad} (epoch 1, 6 samples)' in message
    assert 'clip the gradients' in message and f'non_finite_{bad}.json' in message
    assert not (Path(cfg.work_dir) / 'last_checkpoint').exists()


@pytest.mark.parametrize('late', [False, True])
def test_a_gradient_that_is_not_finite(make_config, late):
    cfg = make_config('RecognizerGCN')
    cfg.default_hooks.finite_guard.late = late
    runner, seen, error = run(cfg, spoil_at=6)
    assert runner.iter == 6 + late
    found, checkpoint = report(runner, 6)
    assert found['what'] == 'gradient' and found['epoch'] == 2
    assert 'the gradient is not finite at iteration 6 (epoch 2' in str(error)
    assert len(found['gradients_not_finite']) == 1
    assert all(torch.equal(checkpoint['state_dict'][n], v) for n, v in seen.states[6].items())
    assert (Path(runner.work_dir) / 'last_checkpoint').read_text().endswith('epoch_1.pth')


@pytest.mark.parametrize('late', [False, True])
def test_no_epoch_ends_with_spoiled_weights(make_config, late):
    """The last step of an epoch is read before its checkpoint is written."""
    cfg = make_config('RecognizerGCN')
    cfg.default_hooks.finite_guard.late = late
    runner, _, error = run(cfg, spoil_at=7)
    assert 'iteration 7 (epoch 2' in str(error) and runner.iter == 7
    assert not (Path(cfg.work_dir) / 'epoch_2.pth').exists()


def test_no_checkpoint_of_an_iteration_has_spoiled_weights(make_config):
    cfg = make_config('RecognizerGCN')
    cfg.default_hooks.finite_guard.late = True
    cfg.default_hooks.checkpoint.update(by_epoch=False, interval=3)
    runner, _, error = run(cfg, spoil_at=5)
    assert 'iteration 5' in str(error) and runner.iter == 5
    assert [p.name for p in Path(cfg.work_dir).glob('iter_*')] == ['iter_3.pth']


def test_results_are_read_before_sigterm_saves(make_config):
    cfg = make_config('RecognizerGCN')
    cfg.default_hooks.finite_guard.late = True
    cfg.train_cfg = dict(type='ResumableTrainLoop', max_epochs=2)
    runner, _, error = run(cfg, spoil_at=5, signal_at=5)
    assert 'iteration 5' in str(error) and runner.iter == 5
    assert not (Path(cfg.work_dir) / 'interrupted.pth').exists()


class CountReads(TorchDispatchMode):
    """Counts the operations that make the host wait for a device."""

    def __init__(self):
        super().__init__()
        self.waits = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.waits += name in ('_local_scalar_dense', 'is_nonzero', 'equal', 'nonzero')
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize('late', [False, True])
def test_a_step_does_not_wait(late, monkeypatch):
    """The host waits in Transfer.wait alone; in late mode for a step that is one step old."""
    waited, wait = [], Transfer.wait
    monkeypatch.setattr(Transfer, 'wait', lambda self: waited.append(id(self)) or wait(self))
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    runner = SimpleNamespace(
        model=model, optim_wrapper=OptimWrapper(optimizer), hooks=[], epoch=0, iter=0
    )
    runner.train_dataloader = range(5)
    hook = FiniteGuardHook(late=late)
    hook.before_train(runner)
    counter, transfers = CountReads(), []
    for runner.iter in range(4):
        optimizer.zero_grad()
        with counter:
            hook.before_train_iter(runner, runner.iter)
        model(torch.randn(4, 3)).sum().backward()
        with counter:
            optimizer.step()  # the hook looks at the gradients before it
            transfers.append(id(hook.step.largest))
            hook.after_train_iter(runner, runner.iter)
        assert set(waited) == set(transfers[:-1] if late else transfers)
    assert counter.waits == 0
    assert len(hook.spare) + len(hook.pending) == (2 if late else 1)  # copies of the state
    runner.iter = 4  # the last iteration of the epoch
    hook.before_train_iter(runner, 4)
    hook.after_train_iter(runner, 4)
    assert not hook.pending and set(waited) == set(transfers)


@pytest.mark.slow
def test_accumulated_gradients(make_config):
    cfg = make_config('RecognizerGCN', extra=[dict(type='Spoil', name='s05')])
    cfg.optim_wrapper.accumulative_counts = 4
    before = []

    class First(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            before.append({k: v.clone() for k, v in runner.model.state_dict().items()})

    HOOKS.register_module(module=First, force=True)
    cfg.custom_hooks = [dict(type='First')]
    cfg.experiment_name = 'accumulated'
    runner = Runner.from_cfg(cfg)
    with pytest.raises(NonFiniteError, match='24 samples'):
        runner.train()
    found, checkpoint = report(runner, 3)
    assert [len(p['samples']) for p in found['processes']] == [24]
    assert len(found['processes'][0]['losses']) == 4
    assert all(torch.equal(checkpoint['state_dict'][n], v) for n, v in before[0].items())


def test_such_weights_are_not_resumed_from_but_can_be_started_from(make_config):
    cfg = make_config('RecognizerGCN')
    runner, _, _ = run(cfg, spoil_at=6)
    kept = str(Path(cfg.work_dir) / 'non_finite_6.pth')
    cfg = make_config('RecognizerGCN', name='again')
    cfg.resume, cfg.load_from = True, kept
    with pytest.raises(ValueError, match='from within an epoch.*load_from'):
        run(cfg)
    cfg = make_config('RecognizerGCN', name='anew', epochs=1)
    cfg.load_from = kept
    assert run(cfg)[2] is None


def test_nothing_changes_for_a_run_that_is_sound(make_config):
    """With and without the hook: the same weights, bit for bit, and nothing is written."""
    guarded = make_config('MVDeepRank')
    late = make_config('MVDeepRank', name='late')
    late.default_hooks.finite_guard.late = True
    bare = make_config('MVDeepRank', name='bare')
    del bare.default_hooks.finite_guard
    states = [run(cfg)[0].model.state_dict() for cfg in (guarded, late, bare)]
    for state in states[:2]:
        assert all(torch.equal(value, states[2][name]) for name, value in state.items())
    assert not list(Path(guarded.work_dir).glob('non_finite*'))


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOnCpu(OptimWrapper):
    """As AmpOptimWrapper without an accelerator: what float16 cannot hold becomes infinite."""

    def __init__(self, init_scale, **kwargs):
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=init_scale)

    def backward(self, loss, **kwargs):
        self.loss_scaler.scale(loss).backward(**kwargs)
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    parameter.grad[parameter.grad.abs() > 65504] = math.inf
        self._inner_count += 1

    def step(self, **kwargs):
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


@pytest.mark.parametrize('late', [False, True])
@pytest.mark.parametrize('model', ['RecognizerGCN', 'MVDeepRank'])
def test_the_scaler_may_skip_some_steps(make_config, model, late):
    cfg = make_config(model, epochs=3)
    cfg.default_hooks.finite_guard.late = late
    cfg.optim_wrapper.update(type='ScaledOnCpu', init_scale=2.0**22)
    runner, seen, error = run(cfg)
    assert error is None
    scale = runner.optim_wrapper.loss_scaler.get_scale()
    assert 2.0**12 < scale < 2.0**22  # steps were skipped
    assert all(value.isfinite().all() for value in runner.model.state_dict().values())
    moved = [(seen.states[-1][n] != v).any() for n, v in runner.model.state_dict().items()]
    assert any(moved)  # and in the end some were taken


@pytest.mark.parametrize('late', [False, True])
def test_the_scaler_may_not_skip_for_ever(make_config, late):
    cfg = make_config(
        'RecognizerGCN', extra=[dict(type='Spoil', name=f's{i:02d}') for i in range(24)]
    )
    cfg.optim_wrapper.update(type='ScaledOnCpu', init_scale=1.0)
    cfg.default_hooks.finite_guard.update(max_skipped=2, late=late)
    runner, _, error = run(cfg)
    assert 'and was not in 3 steps in a row' in str(error)
    found, checkpoint = report(runner, 2)
    assert found['skipped_steps'] == 3
    # not only the weights: also BatchNorm's statistics, which the skipped passes had spoiled
    assert all(value.isfinite().all() for value in checkpoint['state_dict'].values())


@pytest.mark.parametrize('scaled, fused, late', [(0, 0, 1), (1, 0, 0), (1, 1, 1)])
def test_nothing_is_read_late_where_the_scaler_decides(scaled, fused, late):
    model = torch.nn.Linear(2, 2, device='meta')
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer._step_supports_amp_scaling = bool(fused)
    scaler = torch.amp.GradScaler('cpu', enabled=bool(scaled))
    wrapper = SimpleNamespace(optimizer=optimizer, loss_scaler=scaler)
    hook = FiniteGuardHook()
    hook.before_train(SimpleNamespace(model=model, optim_wrapper=wrapper, hooks=[]))
    assert hook.late == bool(late)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_any_gradient_that_is_not_finite_is_seen(bad):
    names = ('large', 'half', 'other', 'frozen')
    shapes = ((3,), (4,), (2, 2), (1,))
    types = (torch.float32, torch.bfloat16, torch.float32, torch.float32)
    parameters = [torch.nn.Parameter(torch.zeros(s, dtype=t)) for s, t in zip(shapes, types)]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    assert largest_gradients(parameters_with_gradient(optimizer)).numel() == 0
    parameters[0].grad = torch.full((3,), 1e38)  # the sum of squares would not be finite
    parameters[1].grad = torch.tensor([1.0, -5.0, 0.0, 2.0], dtype=torch.bfloat16)
    parameters[2].grad = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    step = Step({})
    step.parameters = parameters_with_gradient(optimizer)
    assert len(step.parameters) == 3

    def look():
        step.largest = Transfer(largest_gradients(step.parameters))
        return step.is_finite(), [
            n for n, p in zip(names, parameters) if id(p) in step.bad_parameters()
        ]

    assert look() == (True, [])
    assert step.largest.wait().tolist() == pytest.approx([1e38, 5.0, 3.0])
    parameters[2].grad[1, 0] = bad
    assert look() == (False, ['other'])
    parameters[1].grad[0] = bad
    assert look() == (False, ['half', 'other'])


def test_a_loss_is_tainted_only_where_it_is_not_finite():
    weight = torch.tensor(2.0, requires_grad=True)
    for offset, dtype in ((0.0, torch.float32), (math.inf, torch.float32), (0.0, torch.bfloat16)):
        weight.grad = None
        loss = with_nan_gradient([(3 * weight + offset).to(dtype)])[0]
        assert loss.dtype == dtype
        loss.backward()
        if offset:
            assert weight.grad.isnan()
        else:
            assert loss.item() == 6.0 and weight.grad == 3.0


def test_bad_argument():
    with pytest.raises(ValueError, match='max_skipped=-1'):
        FiniteGuardHook(max_skipped=-1)
