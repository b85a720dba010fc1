"""Runs whose data, model and settings do not match end before their first step."""

import pickle
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from helpers import make_config, make_runner
from mmengine.config import Config
from mmengine.runner import Runner

from deeprank_plugin.datasets import AddPlainView, TwoViews
from deeprank_plugin.engine.hooks import check_run_hook
from deeprank_plugin.engine.hooks.check_run_hook import check_labels, check_plain_view


def make_classifier(folder, num_classes=3, **options):
    """The tiny network of :func:`make_config` as a classifier of three classes."""
    cfg = make_config(folder, interval=1)
    cfg.model = dict(
        type='SkeletonRecognizer',
        backbone=cfg.model.backbone,
        cls_head=dict(type='GCNHead', num_classes=num_classes, in_channels=4),
        data_preprocessor=dict(type='SkeletonPreprocessor', modality='joint', layout='nturgb+d'),
    )
    cfg.val_evaluator = cfg.test_evaluator = dict(type='AccMetric')
    cfg.test_dataloader, cfg.test_cfg = cfg.val_dataloader, dict()
    del cfg.default_hooks.relabel
    cfg.train_cfg = dict(type='ResumableTrainLoop', max_epochs=1)
    cfg.merge_from_dict(options)
    return cfg


def train(cfg):
    make_runner(cfg).train()


@pytest.mark.parametrize('loop', ['ResumableTrainLoop', 'EpochBasedTrainLoop'])
def test_no_batch(tmp_path, loop):
    options = {'train_dataloader.batch_size': 32, 'train_dataloader.drop_last': True}
    cfg = make_classifier(tmp_path / 'run', **options, **{'train_cfg.type': loop})
    with pytest.raises(ValueError, match=r'18 samples on 1 process.*a batch takes 32'):
        train(cfg)


def test_no_batch_is_said_before_the_schedule_fails(tmp_path):
    cfg = make_classifier(tmp_path / 'run', **{'train_dataloader.batch_size': 32})
    cfg.train_dataloader.drop_last = True
    cfg.param_scheduler = [
        dict(type='CosineAnnealingLR', T_max=1, by_epoch=True, convert_to_iter_based=True)
    ]
    with pytest.raises(ValueError, match='gives no batch'):
        train(cfg)


@pytest.mark.parametrize('equal', [True, False])
def test_a_model_that_gathers_learns_whether_batches_are_equal(tmp_path, monkeypatch, equal):
    cfg = make_classifier(tmp_path / 'run')
    cfg.model = dict(type='SupervisedTriplet', backbone=cfg.model.backbone, in_channels=4)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    monkeypatch.setattr(check_run_hook, 'have_equal_batches', lambda loader: equal)
    runner = make_runner(cfg)
    runner.train()
    assert runner.model.gather and runner.model.equal_batches == equal


@pytest.mark.parametrize('run', ['train', 'val', 'test'])
def test_a_label_beyond_the_classes(tmp_path, run):
    runner = make_runner(make_classifier(tmp_path / 'run', num_classes=2))
    with pytest.raises(
        ValueError,
        match=r"sample 's\d+' of .*annotations\.pkl has label 2, and the classifier has 2 classes; "
        r'expected labels from 0 to 1: set model\.cls_head\.num_classes=3',
    ):
        getattr(runner, run)()


def test_labels_of_validation_data_are_checked_before_training(tmp_path):
    cfg = make_classifier(tmp_path / 'run')
    content = pickle.loads((tmp_path / 'annotations.pkl').read_bytes())
    content['annotations'][3]['label'] = 7
    (tmp_path / 'other.pkl').write_bytes(pickle.dumps(content))
    cfg.val_dataloader.dataset.update(ann_file=str(tmp_path / 'other.pkl'), holdout=None)
    with pytest.raises(ValueError, match=r'other\.pkl has label 7'):
        train(cfg)


def test_other_data_sets_and_models_are_left_alone(tmp_path):
    check_labels([], 2)
    runner = make_runner(make_config(tmp_path / 'run', interval=1))  # no classifier
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    assert {0, 1, 2} == set(runner.train_dataloader.dataset.sample_of_label)
    for hook in runner.hooks:
        if type(hook).__name__ == 'CheckRunHook':
            hook.before_val(runner)
            break
    else:
        raise AssertionError('the base config has no CheckRunHook')


def test_a_held_out_part_too_small_to_rank(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    for name in ('train_dataloader', 'val_dataloader'):
        cfg[name].dataset.holdout.share = 0.05
    with pytest.raises(ValueError, match=r'1 validation samples.*holdout\.share=0\.13'):
        train(cfg)
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.default_hooks.relabel.pipeline = cfg.train_dataloader.dataset.pipeline
    cfg.train_cfg.max_epochs = 1
    train(cfg)


def test_validation_samples_that_are_trained_on(tmp_path, monkeypatch):
    for seed, number in ((0, 0), (1, 1)):
        cfg = make_classifier(tmp_path / str(seed))
        cfg.val_dataloader.dataset.holdout.seed = seed
        runner, warned = make_runner(cfg), []
        monkeypatch.setattr(runner.logger, 'warning', warned.append)
        runner.train()
        warned = [line for line in warned if 'are trained on as well' in line]
        assert len(warned) == number
    trained = set(runner.train_dataloader.dataset[i]['data_samples'].frame_dir for i in range(18))
    found = [runner.val_dataloader.dataset[i]['data_samples'].frame_dir for i in range(6)]
    assert f'{len([n for n in found if n in trained])} of 6 validation samples' in warned[0]


def test_a_validation_that_never_comes(tmp_path):
    cfg = make_classifier(tmp_path / 'run', **{'train_cfg.val_interval': 0})
    with pytest.raises(ValueError, match='train_cfg.val_interval=0; expected at least 1'):
        train(cfg)


@pytest.mark.parametrize('run', ['train', 'val'])
def test_a_compiled_step_is_rejected(tmp_path, run):
    runner = make_runner(make_classifier(tmp_path / 'run', compile=True))
    with pytest.raises(ValueError, match=r'compile=True.*CompileHook'):
        getattr(runner, run)()


def test_names_of_metrics(tmp_path):
    save_best = {'default_hooks.checkpoint.save_best': 'top1_acc'}
    save_best['default_hooks.checkpoint.rule'] = 'greater'
    with pytest.raises(
        ValueError,
        match=r"save_best of WholeCheckpointHook names the metric 'top1_acc'.*acc/top1, acc/top5",
    ):
        train(make_classifier(tmp_path / 'best', **save_best))
    cfg = make_classifier(tmp_path / 'stopping')
    cfg.custom_hooks = [dict(type='EarlyStoppingHook', monitor='top1', rule='greater')]
    with pytest.raises(ValueError, match="monitor of EarlyStoppingHook names the metric 'top1'"):
        train(cfg)
    cfg = make_classifier(tmp_path / 'plateau')
    cfg.param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='acc/topp', rule='greater')]
    with pytest.raises(ValueError, match="monitor of ReduceOnPlateauLR names the metric 'acc/topp"):
        train(cfg)
    cfg = make_config(tmp_path / 'monitor', monitor='rank/lss')
    with pytest.raises(ValueError, match="monitor of RelabelHook names the metric 'rank/lss'"):
        train(cfg)


def test_a_metric_that_no_validation_reports(tmp_path, monkeypatch):
    cfg = make_classifier(tmp_path / 'run', **{'default_hooks.checkpoint.save_best': 'acc/top1'})
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    warned = []
    runner = make_runner(cfg)
    monkeypatch.setattr(runner.logger, 'warning', warned.append)
    runner.train()
    (sentence,) = [line for line in warned if 'save_best' in line]
    assert "'acc/top1'" in sentence and 'no validation' in sentence


def test_the_right_run_passes(tmp_path):
    cfg = make_classifier(tmp_path / 'run', **{'default_hooks.checkpoint.save_best': 'acc/top1'})
    cfg.custom_hooks = [dict(type='EarlyStoppingHook', monitor='acc/top1', rule='greater')]
    cfg.param_scheduler = [dict(type='ReduceOnPlateauLR', monitor='acc/top1', rule='greater')]
    train(Config(cfg.to_dict()))
    assert list((tmp_path / 'run').glob('best_acc_top1_*.pth'))
    assert isinstance(make_runner(cfg), Runner)


PLAIN_VIEW = AddPlainView([], [])


@pytest.mark.parametrize(
    ('momentum', 'steps', 'plain', 'message'),
    [
        (None, [PLAIN_VIEW], None, 'has no teacher_momentum'),
        (None, [], 0.95, 'has no teacher_momentum'),
        (0.9, [TwoViews([])], None, r'teacher_momentum=0\.9\) expects the plain view'),
        (None, [TwoViews([])], None, None),
        (0.9, [PLAIN_VIEW], None, None),
        (0.9, [], 0.95, None),
    ],
)
def test_a_plain_view_is_for_a_teacher(momentum, steps, plain, message):
    model = SimpleNamespace(
        teacher_momentum=momentum, data_preprocessor=SimpleNamespace(plain=plain)
    )
    dataset = SimpleNamespace(pipeline=SimpleNamespace(transforms=steps))
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        check_plain_view(model, SimpleNamespace(dataset=dataset))
