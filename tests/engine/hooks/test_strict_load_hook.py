"""The runner rejects the checkpoint of another network instead of testing random weights."""

import mmengine
import pytest
import torch
from helpers import make_config, make_runner
from mmaction.registry import HOOKS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner

from deeprank_plugin.engine import initializers


class TwoLayers(BaseModel):
    """A model with keys 'first.*' and 'second.*'."""

    def __init__(self, width=3):
        super().__init__()
        self.first = torch.nn.Linear(2, width)
        self.second = torch.nn.BatchNorm1d(width)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.second(self.first(inputs))


def load(tmp_path, checkpoint, **hook):
    """Load a checkpoint the way that a test run does; return the model."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / 'checkpoint.pth'
    torch.save(checkpoint, path)
    runner = Runner(
        model=TwoLayers(),
        work_dir=str(tmp_path),
        custom_hooks=[dict(type='StrictLoadHook', **hook)],
        load_from=str(path),
        default_scope='mmaction',
        log_level='ERROR',
        experiment_name=f'{tmp_path.parent.name}_{tmp_path.name}',
    )
    runner.load_or_resume()
    return runner.model


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('nested', [True, False])
def test_fitting_checkpoint_is_loaded(tmp_path, prefix, nested):
    source = TwoLayers()
    weights = {f'{prefix}{key}': value for key, value in source.state_dict().items()}
    model = load(tmp_path, dict(state_dict=weights, meta={}) if nested else weights)
    torch.testing.assert_close(model.state_dict(), source.state_dict())


def test_number_of_batches_may_be_missing(tmp_path):
    weights = TwoLayers().state_dict()
    del weights['second.num_batches_tracked']
    model = load(tmp_path, dict(state_dict=weights))
    torch.testing.assert_close(model.first.weight, weights['first.weight'])


def test_missing_and_unexpected_keys_are_named(tmp_path):
    weights = TwoLayers().state_dict()
    weights['third.weight'] = weights.pop('first.weight')
    with pytest.raises(
        ValueError,
        match=r'checkpoint\.pth.* another network than TwoLayers; '
        r'missing: first\.weight; unexpected: third\.weight; of another shape: none',
    ):
        load(tmp_path, dict(state_dict=weights))


def test_other_shape_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'first\.bias \(found \(5,\), expected \(3,\)\)'):
        load(tmp_path, dict(state_dict=TwoLayers(width=5).state_dict()))


def test_allowed_keys_pass_and_others_do_not(tmp_path):
    weights = TwoLayers().state_dict()
    weights['head.weight'] = torch.zeros(1)
    del weights['second.weight']
    content = dict(state_dict=weights)
    allowed = dict(allow_unexpected=[r'head\.'], allow_missing=[r'second\.'])
    load(tmp_path / 'allowed', content, **allowed)
    for name in allowed:
        with pytest.raises(ValueError, match='another network'):
            load(tmp_path / name, content, **{**allowed, name: [r'weight']})


def test_allowed_shape_does_not_exist(tmp_path):
    """Names can be allowed; a tensor of another shape cannot be loaded whatever is allowed."""
    content = dict(state_dict=TwoLayers(width=5).state_dict())
    with pytest.raises(ValueError, match='of another shape: first'):
        load(tmp_path, content, allow_missing=['.*'], allow_unexpected=['.*'])


def test_string_in_place_of_a_list_is_rejected():
    with pytest.raises(TypeError, match=r"allow_missing is the string 'head'.*\['head'\]"):
        HOOKS.build(dict(type='StrictLoadHook', allow_missing='head'))


def recognizer(folder, modality='joint', names=None, classes=3, **options):
    """A run that tests a tiny classifier on six sequences."""
    cfg = make_config(folder, interval=1)
    cfg.model = dict(
        type='SkeletonRecognizer',
        backbone=cfg.model.backbone,
        cls_head=dict(type='GCNHead', num_classes=classes, in_channels=4),
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality, layout='nturgb+d'),
    )
    cfg.val_evaluator = cfg.test_evaluator = dict(type='AccMetric')
    del cfg.default_hooks.relabel
    cfg.train_cfg = dict(type='ResumableTrainLoop', max_epochs=1)
    for name in ('train_dataloader', 'val_dataloader'):
        cfg[name].dataset.metainfo = dict(classes=names)
    cfg.test_dataloader, cfg.test_cfg = cfg.val_dataloader, dict()
    cfg.merge_from_dict(options)
    return cfg


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A joint classifier of a, b and c, trained for an epoch."""
    folder = tmp_path_factory.mktemp('trained') / 'joint'
    make_runner(recognizer(folder, names=['a', 'b', 'c'])).train()
    return str(folder / 'epoch_1.pth')


def use(trained, cfg, how='test'):
    cfg.load_from = trained
    cfg.resume = how == 'resume'
    runner = make_runner(cfg)
    runner.test() if how == 'test' else runner.train()
    return runner


def test_a_checkpoint_records_modality_layout_and_classes(trained):
    meta = torch.load(trained)['meta']
    assert (meta['modality'], meta['layout'], meta['num_joints']) == ('joint', 'nturgb+d', 25)
    assert meta['dataset_meta']['classes'] == ['a', 'b', 'c']


@pytest.mark.parametrize('how', ['test', 'load_from', 'resume'])
@pytest.mark.parametrize('older', [False, True])
def test_another_modality_is_rejected(trained, tmp_path, how, older):
    path = trained
    if older:  # records it in its config alone
        checkpoint = torch.load(trained)
        for key in ('modality', 'layout', 'num_joints'):
            del checkpoint['meta'][key]
        path = str(tmp_path / 'older.pth')
        torch.save(checkpoint, path)
    with pytest.raises(
        ValueError, match=r'\.pth. is of modality joint, and this model takes bone: .*allow_other'
    ):
        use(path, recognizer(tmp_path / 'run', 'bone', ['a', 'b', 'c']), how)


def test_another_layout_is_rejected(trained, tmp_path):
    checkpoint = torch.load(trained)
    checkpoint['meta']['layout'] = 'coco'
    torch.save(checkpoint, tmp_path / 'coco.pth')
    with pytest.raises(ValueError, match=r"layout 'coco' \(17 joints\), and .*'nturgb\+d' \(25"):
        use(str(tmp_path / 'coco.pth'), recognizer(tmp_path / 'run'))


@pytest.mark.parametrize('how', ['test', 'load_from', 'resume'])
def test_other_classes_are_rejected(trained, tmp_path, how):
    with pytest.raises(
        ValueError, match=r"annotations\.pkl: class 1 is 'b' in the checkpoint and 'c' in .*another"
    ):
        use(trained, recognizer(tmp_path / 'run', names=['a', 'c', 'b']), how)


def test_what_is_meant_passes(trained, tmp_path):
    cfg = recognizer(tmp_path / 'run', 'bone', ['a', 'c', 'b'])
    cfg.default_hooks.strict_load.allow_other = ['modality', 'classes']
    use(trained, cfg)
    use(trained, recognizer(tmp_path / 'same', names=['a', 'b', 'c']))
    use(trained, recognizer(tmp_path / 'none'))  # data without names


def test_a_foreign_checkpoint_is_a_sentence(trained, tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match=r'list\.pth. holds a list; expected a dict'):
        use(str(tmp_path / 'list.pth'), recognizer(tmp_path / 'a'))
    weights = torch.load(trained)['state_dict']
    torch.save(dict(state_dict=weights, meta={}), tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match=r"has no message_hub, meta\['epoch'\].*to resume"):
        use(str(tmp_path / 'weights.pth'), recognizer(tmp_path / 'b'), 'resume')
    use(str(tmp_path / 'weights.pth'), recognizer(tmp_path / 'c'))


def test_resuming_warns_of_what_it_ignores_and_says_when_it_is_finished(
    trained, tmp_path, monkeypatch
):
    cfg = recognizer(tmp_path / 'run', names=['a', 'b', 'c'])
    cfg.optim_wrapper.optimizer.lr = 0.01
    cfg.load_from, cfg.resume = trained, True
    runner = make_runner(cfg)
    lines = []
    monkeypatch.setattr(runner.logger, 'warning', lines.append)
    monkeypatch.setattr(runner.logger, 'info', lines.append)
    runner.train()
    (ignored,) = [line for line in lines if 'Resuming ignores' in line]
    assert 'optimizer.lr=0.01 (the checkpoint has 0.05)' in ignored
    assert any('This run is finished (epoch 1 of 1)' in line for line in lines)
    assert not any('ended before' in line for line in lines)
    assert runner.optim_wrapper.get_lr()['lr'] == [0.05]


def test_resuming_warns_of_settings_that_were_not_given_again(trained, tmp_path, monkeypatch):
    for dropout, number in ((0.0, 0), (0.5, 1)):
        cfg = recognizer(tmp_path / str(dropout), names=['a', 'b', 'c'])
        cfg.model.cls_head.update(dict(dropout=dropout) if dropout else {})
        cfg.load_from, cfg.resume = trained, True
        runner, lines = make_runner(cfg), []
        monkeypatch.setattr(runner.logger, 'warning', lines.append)
        runner.train()
        lines = [line for line in lines if 'RESUMED WITH OTHER SETTINGS' in line]
        assert len(lines) == number
    assert 'SETTINGS: model.cls_head.dropout was not set and is now 0.5. The result' in lines[0]


def test_data_without_class_names(trained, tmp_path, monkeypatch):
    cfg = recognizer(tmp_path / 'run')
    cfg.load_from = trained
    runner, lines = make_runner(cfg), []
    monkeypatch.setattr(runner.logger, 'warning', lines.append)
    runner.test()
    (line,) = [line for line in lines if 'class' in line]
    assert trained in line and 'annotations.pkl has no label_names' in line


def test_resuming_warns_of_another_number_of_steps(trained, tmp_path, monkeypatch):
    for size, number in ((6, 0), (9, 1)):
        cfg = recognizer(tmp_path / str(size), names=['a', 'b', 'c'])
        cfg.train_dataloader.batch_size = size
        cfg.train_cfg.max_epochs = 2
        cfg.load_from, cfg.resume = trained, True
        runner, lines = make_runner(cfg), []
        monkeypatch.setattr(runner.logger, 'warning', lines.append)
        runner.train()
        lines = [line for line in lines if ' an epoch' in line]
        assert len(lines) == number
    assert '3 steps in 1 epochs, 3 an epoch, and this run makes 2' in lines[0]


def test_mmaction2s_recogniser_with_init_cfg_is_checked_too(trained, tmp_path):
    cfg = recognizer(tmp_path / 'run', 'bone')
    cfg.model.type = 'RecognizerGCN'
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=trained, prefix='backbone.')
    with pytest.raises(ValueError, match='is of modality joint, and this model takes bone'):
        make_runner(cfg).train()
    cfg.model.backbone.init_cfg.allow_other = ['modality']
    make_runner(cfg).train()


def test_unknown_aspects_are_rejected():
    with pytest.raises(ValueError, match='expected a list of modality, layout, classes'):
        HOOKS.build(dict(type='StrictLoadHook', allow_other='modality'))


@pytest.mark.parametrize('change', ['label', 'length', 'order', None])
def test_resuming_with_other_samples_is_rejected(trained, tmp_path, change):
    cfg = recognizer(tmp_path / 'run', names=['a', 'b', 'c'])
    path = cfg.train_dataloader.dataset.ann_file
    content = mmengine.load(path)
    first = content['annotations'][0]
    if change == 'label':
        first['label'] = (first['label'] + 1) % 3
    elif change == 'length':
        first['keypoint'] = first['keypoint'][:, 1:]
        first['total_frames'] -= 1
    elif change == 'order':
        content['annotations'].reverse()
    path = str(tmp_path / 'annotations.pkl')
    mmengine.dump(content, path)
    cfg.train_dataloader.dataset.ann_file = path
    if change is None:
        use(trained, cfg, 'resume')
        return
    with pytest.raises(ValueError, match=r'was trained on other samples than the \d+ of .*Resume'):
        use(trained, cfg, 'resume')
    cfg.default_hooks.strict_load = dict(type='StrictLoadHook', allow_other=['samples'])
    use(trained, cfg, 'resume')


def hold_out(cfg, folder, held_out, part):
    """Train on the subjects 1 and 2 or on subject 2; test on all, or on subject 1 held out."""
    content = mmengine.load(cfg.train_dataloader.dataset.ann_file)
    for row, annotation in enumerate(content['annotations']):
        annotation['subject'] = 1 + row % 2
    mmengine.dump(content, folder / 'subjects.pkl')
    loaders = [cfg[f'{name}_dataloader'] for name in ('train', 'val', 'test')]
    for loader, own in zip(loaders, ('train', part, part)):
        loader.dataset.update(ann_file=str(folder / 'subjects.pkl'), holdout=None)
        loader.dataset.subjects = held_out and dict(held_out=[held_out], part=own)
    return cfg


@pytest.fixture(scope='module')
def trained_on_all(tmp_path_factory):
    """A classifier that was trained on all subjects."""
    folder = tmp_path_factory.mktemp('all')
    make_runner(hold_out(recognizer(folder / 'run'), folder, None, None)).train()
    return str(folder / 'run' / 'epoch_1.pth')


@pytest.mark.parametrize('how', ['test', 'load_from', 'init_cfg'])
def test_a_classifier_of_the_test_samples_is_rejected(trained_on_all, tmp_path, how):
    cfg = hold_out(recognizer(tmp_path / 'run'), tmp_path, '1', 'holdout')
    path = trained_on_all
    if how == 'init_cfg':
        cfg.model.backbone.init_cfg, path = dict(type='Pretrained', checkpoint=path), None
    with pytest.raises(
        ValueError,
        match=r'epoch_1\.pth. was trained with labels on subjects.pkl \(train\), and this run is '
        r'tested on subjects.pkl \(train\) with the held-out subjects 1: .*allow_other=\[tested',
    ):
        use(path, cfg, how)
    cfg.default_hooks.strict_load.allow_other = ['tested']
    use(path, cfg, how)


def test_a_test_of_the_training_samples_is_warned_of(trained_on_all, tmp_path, monkeypatch):
    cfg = hold_out(recognizer(tmp_path / 'run'), tmp_path, None, None)
    cfg.load_from = trained_on_all
    runner, lines = make_runner(cfg), []
    monkeypatch.setattr(runner.logger, 'warning', lines.append)
    runner.test()
    (line,) = [line for line in lines if 'WERE TRAINED ON' in line]
    assert trained_on_all in line


def test_an_encoder_is_told_what_it_is_used_on(trained_on_all, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(initializers, 'print_log', lambda text, **_: said.append(text))
    checkpoint = torch.load(trained_on_all)
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    cfg.model.cls_head = None  # that of an encoder without labels
    cfg.val_dataloader.dataset.pipeline[1].clip_len = 9
    checkpoint['meta']['cfg'] = cfg.pretty_text
    torch.save(checkpoint, tmp_path / 'encoder.pth')
    cfg = hold_out(recognizer(tmp_path / 'run'), tmp_path, '1', 'holdout')
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'encoder.pth'))
    make_runner(cfg).train()
    seen, clips = [text for text in said if 'this run' in text]
    assert 'encoder.pth was trained without labels on subjects.pkl' in seen
    assert 'was pretrained with clips of 9 frames, and this run has clips of 8 frames' in clips
