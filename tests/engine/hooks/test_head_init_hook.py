"""HeadInitHook: the first weights of the classifier, and BatchNorm of a random encoder."""

import os

import numpy as np
import pytest
import torch
from helpers import free_port, load, make_config, make_runner, spawn, train
from sklearn.linear_model import LogisticRegression

from deeprank_plugin.engine import HeadInitHook
from deeprank_plugin.engine.hooks.head_init_hook import find_linear


def make(folder, classifier='logreg', calibrate=True, head='GCNHead', **labels):
    """A recogniser with four classes, one of which has no sample; a quarter is held out."""
    cfg = make_config(folder)
    segments = 2 if head == 'SegmentHead' else 1
    cfg.model = dict(
        type='SkeletonRecognizer',
        backbone=cfg.model.backbone,
        cls_head=dict(type=head, num_classes=4, in_channels=4 * segments),
        data_preprocessor=dict(type='SkeletonPreprocessor'),
    )
    if segments > 1:
        cfg.model.cls_head.segments = segments
    cfg.val_evaluator = dict(type='AccMetric')
    cfg.train_cfg.max_epochs = 1
    if labels:
        cfg.train_dataloader.dataset.labels = labels
    del cfg.default_hooks.relabel
    cfg.default_hooks.head_init = dict(
        type='HeadInitHook', classifier=classifier, calibrate=calibrate
    )
    return cfg


def start(cfg):
    """A runner before its first step."""
    runner = make_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner._val_loop = runner.build_val_loop(runner._val_loop)
    runner._init_model_weights()
    (hook,) = [hook for hook in runner.hooks if isinstance(hook, HeadInitHook)]
    hook.before_train(runner)
    return runner, hook


def classify(runner):
    """Probabilities (N, 4), features (N, D), labels of the training samples, one by one."""
    model, segments = runner.model.eval(), getattr(runner.model.cls_head, 'segments', 1)
    dataset = runner.train_dataloader.dataset
    dataset.pipeline = runner.val_dataloader.dataset.pipeline
    found = []
    for sample in (dataset[index] for index in range(len(dataset))):
        inputs = model.data_preprocessor({k: [v] for k, v in sample.items()})['inputs']
        feature_map = model.extract_feat(inputs)[0]
        parts = feature_map.double().mean(dim=(1, 4)).chunk(segments, dim=2)  # halves of the time
        features = torch.stack([part.mean(dim=2) for part in parts], dim=2).flatten(1)
        scores = model.cls_head(feature_map).softmax(dim=1)
        found.append((scores, features, sample['data_samples'].gt_label))
    return [torch.cat(part).detach().numpy() for part in zip(*found)]


@pytest.mark.parametrize('head', ['GCNHead', 'SegmentHead'])
def test_scores_are_those_of_scikit_learn_on_the_training_samples(tmp_path, head):
    runner, _ = start(make(tmp_path / 'run', head=head))
    probabilities, features, labels = classify(runner)
    assert len(labels) == 18 and set(labels) == {0, 1, 2}  # without the samples held out
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    expected = LogisticRegression(max_iter=3000).fit(scaled, labels).predict_proba(scaled)
    present = probabilities[:, :3] / probabilities[:, :3].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(present, expected, atol=1e-4)
    assert (probabilities.argmax(axis=1) < 3).all() and expected.std() > 0.05


def test_the_labelled_subset_is_fitted_and_logged_in_one_line(tmp_path):
    cfg = make(tmp_path / 'run', share=0.4, seed=1)
    cfg.train_dataloader.dataset.holdout = None
    cfg.log_level = 'INFO'
    start(cfg)
    (log,) = (tmp_path / 'run').glob('*/*.log')
    lines = [line for line in log.read_text().splitlines() if 'logistic regression' in line]
    assert len(lines) == 1 and 'features of 9 labelled samples of 3 classes' in lines[0]
    assert 'calibrated on 24 training sequences' in log.read_text()  # all, without labels


@pytest.mark.parametrize('calibrate', [False, True])
def test_batch_norm_of_a_random_encoder(tmp_path, calibrate):
    runner, _ = start(make(tmp_path / 'run', 'random', calibrate))
    layers = [m for m in runner.model.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert layers[0].running_mean.any() == calibrate
    scores = runner.model.cls_head.fc.weight
    assert scores.std() < 0.02  # the head's own


def test_a_pretrained_encoder_keeps_its_statistics(tmp_path):
    runner = make_runner(make(tmp_path / 'first', 'random'))
    torch.save(runner.model.state_dict(), tmp_path / 'encoder.pth')
    cfg = make(tmp_path / 'run')
    cfg.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'encoder.pth'), prefix='backbone.'
    )
    encoder = start(cfg)[0].model.backbone
    assert not any(v.any() for k, v in encoder.state_dict().items() if k.endswith('running_mean'))


def test_nothing_is_done_by_default_or_in_a_resumed_run(tmp_path):
    runner, hook = start(make(tmp_path / 'run', 'random', calibrate=False))
    before = {k: v.clone() for k, v in runner.model.state_dict().items()}
    hook.classifier, hook.calibrate = 'logreg', True
    runner._train_loop._iter = 3
    hook.before_train(runner)
    assert all(torch.equal(v, before[k]) for k, v in runner.model.state_dict().items())


def test_training_begins_there_without_validation(tmp_path):
    cfg = make(tmp_path / 'run')
    cfg.test_dataloader, cfg.test_cfg, cfg.test_evaluator = (
        cfg.val_dataloader,
        {},
        cfg.val_evaluator,
    )
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.optim_wrapper.optimizer.lr = 0.0
    train(cfg)
    weights = load(tmp_path / 'run', 1)['state_dict']['cls_head.fc.weight']
    fitted = start(make(tmp_path / 'other'))[0].model.cls_head.fc.weight
    torch.testing.assert_close(weights, fitted, rtol=1e-3, atol=1e-3)


def one_of_two(rank, port, folder):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    layer = start(make(folder / 'run', calibrate=False))[0].model.cls_head.fc
    torch.save(dict(weight=layer.weight, bias=layer.bias), folder / f'{rank}.pth')


@pytest.mark.distributed
def test_two_processes_get_the_weights_of_one(tmp_path):
    expected = start(make(tmp_path / 'one', calibrate=False))[0].model.cls_head.fc
    spawn(one_of_two, free_port(), tmp_path, processes=2)
    found = [torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1)]
    for name in ('weight', 'bias'):
        assert torch.equal(found[0][name], found[1][name])
        torch.testing.assert_close(found[0][name], getattr(expected, name), rtol=1e-3, atol=1e-4)


def test_what_is_not_possible():
    with pytest.raises(ValueError, match="'zero'; expected one of random, logreg"):
        HeadInitHook('zero')
    model = torch.nn.Module()
    model.cls_head = torch.nn.Linear(3, 5)
    model.cls_head.num_classes = 4
    for wrong in (model, torch.nn.Module()):
        with pytest.raises(ValueError, match='no linear classifier'):
            find_linear(wrong)
