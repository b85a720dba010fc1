"""A loss, gradient or feature that is not finite: names and weights are kept, and the run ends."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import HOOKS, TRANSFORMS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner

from deeprank_plugin.engine import FiniteGuardHook, NonFiniteError
from deeprank_plugin.engine.recovery.finite_guard_hook import gradient_is_finite, taint


@TRANSFORMS.register_module(force=True)
class Spoil:
    """Multiplies a sample's coordinates, so that a network makes NaN of them."""

    def __init__(self, name, factor=math.nan):
        self.name, self.factor = name, factor

    def __call__(self, results):
        if results['frame_dir'] == self.name:
            results['keypoint'] = results['keypoint'] * np.float32(self.factor)
        return results


@HOOKS.register_module(force=True)
class Remember(Hook):
    """Keeps the whole state before each iteration; ``spoil_at`` makes a gradient NaN there."""

    priority = 'LOWEST'

    def __init__(self, spoil_at=None):
        self.spoil_at = spoil_at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.state = {k: v.clone() for k, v in runner.model.state_dict().items()}
        self.names = [sample.frame_dir for sample in data_batch['data_samples']]
        if runner.iter == self.spoil_at:
            parameter = next(p for p in runner.model.parameters() if p.requires_grad)
            parameter.register_hook(lambda gradient: gradient * math.nan)


def run(cfg, **remember):
    """Train; return the runner, the hook that remembers, and what the run was stopped with."""
    cfg.custom_hooks = [dict(type='Remember', **remember)]
    cfg.experiment_name = cfg.work_dir.replace('/', '_') + str(id(cfg))
    runner = Runner.from_cfg(cfg)
    try:
        runner.train()
        error = None
    except NonFiniteError as caught:
        error = caught
    return runner, next(h for h in runner.hooks if isinstance(h, Remember)), error


def report(runner, name=None):
    folder = Path(runner.work_dir)
    name = runner.iter if name is None else name
    checkpoint = torch.load(folder / f'non_finite_{name}.pth', weights_only=True)
    return json.loads((folder / f'non_finite_{name}.json').read_text()), checkpoint


METHODS = (
    'DeepRank', 'MVDeepRank', 'DeepCluster', 'SupervisedTriplet', 'SkeletonMoCo', 'SkeletonMAE',
    'RecognizerGCN',
)  # fmt: skip


@pytest.mark.parametrize('model', METHODS)
def test_the_batch_is_named_and_the_weights_before_it_are_kept(make_config, model):
    cfg = make_config(model, extra=[dict(type='Spoil', name='s05')])
    if 'relabel' in cfg.default_hooks:
        del cfg.default_hooks.relabel.pipeline[2]  # the features for the labels are sound
    runner, seen, error = run(cfg)
    assert 's05' in seen.names
    found, checkpoint = report(runner)
    # of NaN distances none violates the triplet loss' margin, but their gradients are NaN
    what = 'gradient' if model == 'SupervisedTriplet' else 'loss'
    assert found['what'] == what and found['iteration'] == runner.iter < 4
    (process,) = found['processes']
    assert [sample['name'] for sample in process['samples']] == seen.names
    assert [s['name'] for s in process['samples'] if not s['finite']] == ['s05']
    assert {s['largest'] for s in process['samples'] if not s['finite']} == {'nan'}
    assert 'nan' in process['losses'][0].values() or what == 'gradient'
    assert found['lr'] == dict(lr=[0.05])
    assert checkpoint['state_dict'].keys() == seen.state.keys()
    for name, value in seen.state.items():
        assert torch.equal(checkpoint['state_dict'][name], value), name
        assert torch.equal(runner.model.state_dict()[name], value), name
    message = str(error)
    assert f'is not finite at iteration {runner.iter} (epoch 1, 6 samples)' in message
    assert 'clip the gradients' in message and f'non_finite_{runner.iter}.json' in message
    assert not (Path(cfg.work_dir) / 'last_checkpoint').exists()


def test_a_gradient_that_is_not_finite(make_config):
    runner, seen, error = run(make_config('RecognizerGCN'), spoil_at=6)
    found, checkpoint = report(runner, 6)
    assert found['what'] == 'gradient' and found['epoch'] == 2
    assert 'the gradient is not finite at iteration 6 (epoch 2' in str(error)
    assert len(found['gradients_not_finite']) == 1
    assert all(torch.equal(checkpoint['state_dict'][n], v) for n, v in seen.state.items())
    assert (Path(runner.work_dir) / 'last_checkpoint').read_text().endswith('epoch_1.pth')


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
    """With and without the hook: the same weights, bit by bit, and nothing is written."""
    guarded = make_config('MVDeepRank')
    bare = make_config('MVDeepRank', name='bare')
    del bare.default_hooks.finite_guard
    states = [run(cfg)[0].model.state_dict() for cfg in (guarded, bare)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
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


@pytest.mark.parametrize('model', ['RecognizerGCN', 'MVDeepRank'])
def test_the_scaler_may_skip_some_steps(make_config, model):
    cfg = make_config(model, epochs=3)
    cfg.optim_wrapper.update(type='ScaledOnCpu', init_scale=2.0**22)
    runner, seen, error = run(cfg)
    assert error is None
    scale = runner.optim_wrapper.loss_scaler.get_scale()
    assert 2.0**12 < scale < 2.0**22  # steps were skipped
    assert all(value.isfinite().all() for value in runner.model.state_dict().values())
    moved = [(seen.state[n] != v).any() for n, v in runner.model.state_dict().items()]
    assert any(moved)  # and in the end some were taken


def test_the_scaler_may_not_skip_for_ever(make_config):
    cfg = make_config(
        'RecognizerGCN', extra=[dict(type='Spoil', name=f's{i:02d}') for i in range(24)]
    )
    cfg.optim_wrapper.update(type='ScaledOnCpu', init_scale=1.0)
    cfg.default_hooks.finite_guard.max_skipped = 2
    runner, _, error = run(cfg)
    assert 'and was not in 3 steps in a row' in str(error)
    found, checkpoint = report(runner, 2)
    assert found['skipped_steps'] == 3
    # not only the weights: also BatchNorm's statistics, which the skipped passes had spoiled
    assert all(value.isfinite().all() for value in checkpoint['state_dict'].values())


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_any_gradient_that_is_not_finite_is_seen(bad):
    parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2, 2))]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    assert gradient_is_finite(optimizer)  # none yet
    parameters[0].grad = torch.full((3,), 1e38)  # the sum of squares would not be finite
    parameters[1].grad = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    assert gradient_is_finite(optimizer)
    parameters[1].grad[1, 0] = bad
    assert not gradient_is_finite(optimizer)


def test_a_loss_is_tainted_only_where_it_is_not_finite():
    weight = torch.tensor(2.0, requires_grad=True)
    for offset, dtype in ((0.0, torch.float32), (math.inf, torch.float32), (0.0, torch.bfloat16)):
        weight.grad = None
        loss = taint([(3 * weight + offset).to(dtype)])[0]
        assert loss.dtype == dtype
        loss.backward()
        if offset:
            assert weight.grad.isnan()
        else:
            assert loss.item() == 6.0 and weight.grad == 3.0


def test_bad_argument():
    with pytest.raises(ValueError, match='max_skipped=-1'):
        FiniteGuardHook(max_skipped=-1)


def test_features_that_are_not_finite(make_config):
    """One sample is spoiled in the pipeline of the labels only: it is named, in round 0 already."""
    cfg = make_config('DeepRank')
    cfg.default_hooks.relabel.pipeline.insert(2, dict(type='Spoil', name='s07'))
    cfg.default_hooks.relabel.calibrate = False
    runner, _, error = run(cfg)
    found, checkpoint = report(runner, 'relabel_0')
    assert found['what'] == 'features' and found['samples'] == ['s07'] and found['of_samples'] == 24
    assert 'features of 1 of 24 samples (s07) are not finite after epoch 0' in str(error)
    assert checkpoint['meta']['non_finite'] and len(checkpoint['state_dict']) > 10


def test_collapse_is_noticed(make_config):
    """An encoder that gives the same for everything, but for rounding."""
    cfg = make_config('MVDeepRank', epochs=1)
    cfg.load_from = None
    cfg.experiment_name = 'collapse'
    runner = Runner.from_cfg(cfg)
    encode = type(runner.model).extract_feat

    def collapsed(inputs):
        features = encode(runner.model, inputs)
        features[:, 1] = torch.arange(8.0) + 1e-3 * features[:, 1]
        return features

    runner.model.extract_feat = collapsed
    messages = []
    runner.logger.warning = messages.append
    runner.train()
    messages = [message for message in messages if 'alike' in message]
    assert len(messages) == 2  # in round 0 and at the end
    assert 'nearly alike at epoch 0: bone/spread' in messages[0]
    assert 'lower learning rate' in messages[0] and 'calibrate' in messages[0]
