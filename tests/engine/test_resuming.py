"""What a resumed run ignores of its config, or does otherwise, is named; nothing else is."""

import pytest
from mmengine.config import Config

from deeprank_plugin.engine.resuming import (
    describe_changes,
    describe_ignored,
    describe_lost,
    describe_steps,
)
from tests.configs.config_files import OURS, SMALL, names, read

BEFORE = dict(
    model=dict(type='DeepRank'),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, betas=(0.9, 0.99))),
    param_scheduler=[dict(type='MultiStepLR', milestones=[8], gamma=0.1)],
    train_cfg=dict(max_epochs=10),
)


def ignored(**options):
    checkpoint = dict(meta=dict(cfg=Config(BEFORE).pretty_text))
    cfg = Config(BEFORE)
    cfg.merge_from_dict(options)
    return describe_ignored(checkpoint, cfg)


def test_what_the_state_in_the_checkpoint_replaces():
    assert ignored() is None
    sentence = ignored(**{'optim_wrapper.optimizer.lr': 0.01})
    assert 'optim_wrapper.optimizer.lr=0.01 (the checkpoint has 0.1)' in sentence
    assert 'milestones.0=4 (the checkpoint has 8)' in ignored(
        **{'param_scheduler.0.milestones': [4]}
    )
    assert 'auto_scale_lr.enable=True' in ignored(**{'auto_scale_lr.enable': True})


def test_what_a_resumed_run_follows():
    assert ignored(**{'train_cfg.max_epochs': 20, 'optim_wrapper.clip_grad.max_norm': 1}) is None
    assert describe_ignored(dict(meta={}), BEFORE) is None


def test_another_number_of_steps_an_epoch():
    checkpoint = dict(meta=dict(epoch=4, iter=12))
    assert describe_steps(checkpoint, 3) is None
    sentence = describe_steps(checkpoint, 6)
    assert 'has made 12 steps in 4 epochs, 3 an epoch, and this run makes 6' in sentence
    assert describe_steps(dict(meta=dict(epoch=0, iter=2), unfinished={}), 3) is None
    assert describe_steps(dict(checkpoint, unfinished={}), 6) is None


def test_a_checkpoint_without_optimizer():
    assert describe_lost(dict(optimizer={})) is None
    assert 'resume from its epoch_<number>.pth' in describe_lost(dict(state_dict={}))


MORE = dict(
    BEFORE,
    model=dict(type='DeepRank', normalize='l2', backbone=dict(init_cfg=dict(checkpoint='a.pth'))),
    train_cfg=dict(max_epochs=10, type='ResumableTrainLoop', val_interval=5),
    train_dataloader=dict(
        batch_size=8,
        num_workers=2,
        dataset=dict(ann_file='data/a.pkl', labels='lists/a.txt', pipeline=[dict(clip_len=48)]),
    ),
    val_dataloader=dict(batch_size=8, dataset=dict(ann_file='data/a.pkl')),
    default_hooks=dict(relabel=dict(interval=20), checkpoint=dict(interval=10)),
)


def changed(**options):
    cfg = Config(MORE)
    cfg.merge_from_dict(options)
    return describe_changes(dict(meta=dict(cfg=Config(MORE).pretty_text)), cfg)


def test_settings_that_a_resumed_run_follows():
    sentence = changed(
        **{
            'model.normalize': None,
            'model.whiten': 0.5,
            'default_hooks.relabel.interval': 10,
            'train_dataloader.dataset.pipeline.0.clip_len': 120,
            'optim_wrapper.clip_grad.max_norm': 1,
            'train_cfg.val_interval': 1,
        }
    )
    for part in (
        "model.normalize was 'l2' and is now None",
        'model.whiten was not set and is now 0.5',
        'default_hooks.relabel.interval was 20 and is now 10',
        'train_dataloader.dataset.pipeline.0.clip_len was 48 and is now 120',
        'optim_wrapper.clip_grad.max_norm was not set and is now 1',
        'train_cfg.val_interval was 5 and is now 1',
    ):
        assert part in sentence
    assert sentence.count(' was ') == 6 + 1  # the run was started


def test_settings_that_may_differ_after_a_resume():
    for options in (
        {'train_cfg.max_epochs': 20, 'optim_wrapper.optimizer.lr': 0.01},
        {'train_dataloader.batch_size': 4, 'train_dataloader.num_workers': 0},
        {'train_dataloader.dataset.ann_file': '/b/b.npz', 'val_dataloader': None},
        {'train_dataloader.dataset.labels': '/elsewhere/a.txt'},
        {'default_hooks.checkpoint.interval': 1, 'default_hooks.logger.interval': 1},
        {'default_hooks.strict_load.allow_other': ['samples']},
        {'model.backbone.init_cfg': None},
        {'model.backbone.init_cfg.checkpoint': 'b.pth', 'work_dir': 'elsewhere'},
    ):
        assert changed(**options) is None, options
    assert describe_changes(dict(meta={}), MORE) is None


@pytest.mark.parametrize(
    'path',
    [path if path in SMALL else pytest.param(path, marks=pytest.mark.slow) for path in OURS],
    ids=names(OURS),
)
def test_a_plain_resume_warns_of_nothing(path):
    cfg = read(path)
    assert describe_changes(dict(meta=dict(cfg=cfg.pretty_text)), read(path)) is None
