"""configs/_base_/recovery.py: inherited alone, and a package that works without it."""

from pathlib import Path

import pytest
import torch
from helpers import ROOT
from mmengine.config import Config
from spoiled import run

HOOKS = dict(
    checkpoint='WholeCheckpointHook',
    epoch_seed='EpochSeedHook',
    finite_guard='FiniteGuardHook',
    termination='TerminationHook',
)


def test_hooks_keep_their_names():
    whole = Config.fromfile(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    alone = Config.fromfile(ROOT / 'configs' / '_base_' / 'recovery.py')
    for name, hook in HOOKS.items():
        assert whole.default_hooks[name] == alone.default_hooks[name]
        assert alone.default_hooks[name].type == hook
    assert whole.default_hooks.strict_load.type == 'StrictLoadHook'
    for cfg in (whole, alone):
        assert cfg.custom_imports.imports == ['deeprank_plugin']
        assert cfg.env_cfg.dist_cfg == dict(backend='nccl', timeout=900)
    assert whole.env_cfg.mp_cfg.mp_start_method == 'fork'


def weights(cfg, epoch=2):
    path = Path(cfg.work_dir) / f'epoch_{epoch}.pth'
    return torch.load(path, weights_only=True)['state_dict']


def test_a_config_of_mmaction2_inherits_it_alone(make_config, tmp_path):
    """A recogniser of MMAction2 with its own hooks: SIGTERM in epoch 2, then resumed."""
    cfg = make_config('RecognizerGCN')
    own = {key: cfg[key] for key in ('model', 'train_dataloader', 'optim_wrapper', 'randomness')}

    def write(name):
        path = tmp_path / f'{name}.py'
        content = Config(
            dict(
                own,
                default_scope='mmaction',
                default_hooks=dict(checkpoint=dict(interval=1), logger=dict(type='LoggerHook')),
                train_cfg=dict(type='ResumableTrainLoop', max_epochs=2),
                env_cfg=dict(dist_cfg=dict(backend='gloo')),
                work_dir=str(tmp_path / name),
            )
        )
        base = ROOT / 'configs' / '_base_' / 'recovery.py'
        path.write_text(f'_base_ = {str(base)!r}\n{content.pretty_text}')
        return Config.fromfile(path)

    whole, cut = write('whole'), write('cut')
    assert 'strict_load' not in whole.default_hooks
    assert run(whole)[2] is None
    with pytest.raises(SystemExit) as ended:
        run(cut, signal_at=5)
    assert ended.value.code == 143
    cut = write('cut')
    cut.resume = True
    _, seen, _ = run(cut)
    assert len(seen.names) == 2  # the last two of eight iterations
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(cut).items())


@pytest.mark.slow
@pytest.mark.parametrize('model', ['DeepRank', 'MVDeepRank', 'DeepCluster', 'SkeletonMoCo'])
def test_the_package_works_with_hooks_and_loop_of_mmengine(make_config, model):
    """Without the recovery hooks and loop a run is the same, and resumes after an epoch."""

    def make(name, epochs=2):
        cfg = make_config(model, name=name, epochs=epochs)
        for hook in ('finite_guard', 'termination'):
            del cfg.default_hooks[hook]
        cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs)
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
        return cfg

    whole, recovery = make('whole'), make_config(model, name='recovery')
    recovery.train_cfg = dict(type='ResumableTrainLoop', max_epochs=2)
    recovery.default_hooks.checkpoint = dict(type='WholeCheckpointHook', interval=1)
    for cfg in (whole, recovery, make('cut', epochs=1)):
        assert run(cfg)[2] is None
    cut = make('cut')
    cut.resume = True
    run(cut)
    expected = weights(whole)
    for other in (recovery, cut):
        assert all(torch.equal(value, expected[name]) for name, value in weights(other).items())
