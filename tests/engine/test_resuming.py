"""What a resumed run ignores of its config, or does otherwise, is named; nothing else is."""

from mmengine.config import Config

from deeprank_plugin.engine.resuming import describe_ignored, describe_lost, describe_steps

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
