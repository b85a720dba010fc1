"""DeepCluster: labels, new heads, whole runs that are interrupted and resumed."""

import json

import numpy as np
import pytest
import torch
from helpers import load, make_config, train
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from sklearn.metrics import normalized_mutual_info_score

from deeprank_plugin.engine.hooks.relabel_hook import reset_optimizer

BACKBONE = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=4,
)


def make_model(**kwargs):
    head = dict(type='ClusterHead', in_channels=4, num_clusters=3)
    cfg = dict(type='DeepCluster', backbone=BACKBONE, head=head, **kwargs)
    return MODELS.build(cfg)


def make_samples(rows):
    samples = []
    for row in rows:
        sample = ActionDataSample()
        sample.set_metainfo(dict(sample_idx=row, frame_dir=f's{row}'))
        samples.append(sample)
    return samples


def test_relabel_clusters_and_gives_a_new_head():
    torch.manual_seed(0)
    model = make_model()
    names = [f's{i}' for i in range(30)]
    truth = torch.arange(30) % 3
    features = 5 * torch.eye(4)[truth] + 0.1 * torch.randn(30, 4)
    weight = model.head.fc.weight.clone()
    metrics = model.relabel(features, names)
    assert set(metrics) == {'smallest', 'median', 'largest', 'reseeded'}
    assert (metrics['smallest'], metrics['median'], metrics['largest']) == (10, 10, 10)
    assert metrics['reseeded'] == 0
    assert torch.equal(model.head.fc.weight, weight)  # the first one is new already
    labels = model.pseudo_labels
    assert labels.shape == (30,) and normalized_mutual_info_score(truth, labels) == pytest.approx(1)
    assert torch.equal(model.clusters(make_samples([4, 1])), labels[[4, 1]])
    model.relabel(features, names)
    assert not torch.equal(model.head.fc.weight, weight)
    metrics = model.relabel(features, names)
    assert metrics['nmi_last'] == pytest.approx(1)
    assert model.compare(features) == {}


def test_modes():
    model = make_model()
    inputs, samples = torch.randn(3, 1, 2, 8, 25, 3), make_samples([0, 1, 2])
    with pytest.raises(RuntimeError, match='no labels yet: add RelabelHook'):
        model(inputs, samples, mode='loss')
    (sample, *_) = model(inputs, samples, mode='predict')
    assert sample.feat.shape == (4,) and 'cluster' not in sample
    model.relabel(torch.randn(9, 4), [f's{i}' for i in range(9)])
    losses = model(inputs, samples, mode='loss')
    assert set(losses) == {'loss_cluster', 'acc_cluster'}
    model.eval()
    predicted = model(inputs, samples, mode='predict')
    total = sum(sample.cluster for sample in predicted)
    expected = model(inputs, samples, mode='loss')
    assert float(total[0].detach() / total[2].detach()) == pytest.approx(
        float(expected['loss_cluster'].detach()), rel=1e-5
    )
    assert float(total[1].detach() / total[2].detach()) == pytest.approx(
        float(expected['acc_cluster'])
    )


def test_wrong_arguments():
    with pytest.raises(ValueError, match='the backbone gives 4 features and the head takes 8'):
        make_model_with(in_channels=8)
    with pytest.raises(ValueError, match='num_clusters=1; expected at least 1 and 2'):
        make_model_with(num_clusters=1)
    streams = dict(type='SkeletonPreprocessor', modality=['joint', 'bone'])
    with pytest.raises(ValueError, match='DeepCluster has one encoder'):
        make_model(data_preprocessor=streams)
    with pytest.raises(ValueError, match='num_clusters=3 for 2 samples'):
        make_model().relabel(torch.randn(2, 4), ['a', 'b'])


def make_model_with(**head):
    head = dict(dict(type='ClusterHead', in_channels=4, num_clusters=3), **head)
    return MODELS.build(dict(type='DeepCluster', backbone=BACKBONE, head=head))


def make_run(folder, workers=0, max_epochs=5):
    cfg = make_config(folder, workers, interval=2)
    cfg.model.type = 'DeepCluster'
    cfg.model.head = dict(type='ClusterHead', in_channels=4, num_clusters=4)
    cfg.train_dataloader.sampler = dict(type='ClusterSampler')
    cfg.val_evaluator = dict(type='ClusterMetric')
    cfg.train_cfg.max_epochs = max_epochs
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_equals_uninterrupted(tmp_path, workers):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    runner = train(make_run(whole, workers))
    sampler = runner.train_dataloader.sampler
    assert torch.equal(
        torch.as_tensor(sampler.labels), runner.model.pseudo_labels[runner_rows(runner)]
    )
    logs = [json.loads(line) for p in whole.glob('*/vis_data/2*.json') for line in p.open()]
    metrics = [entry for entry in logs if 'relabel/largest' in entry]
    assert len(metrics) == 3 and 'relabel/nmi_last' in metrics[1]
    assert all({'relabel/nmi_true', 'relabel/knn'} <= set(entry) for entry in metrics)
    assert any('cluster/loss' in entry for entry in logs)
    for stop in (2, 3) if workers == 0 else (3,):  # at the end of a round, and within one
        cfg = make_run(cut, workers)
        cfg.train_cfg.max_epochs = stop
        train(cfg)
        cfg = make_run(cut, workers)
        cfg.resume = True
        train(cfg)
        expected, found = load(whole, 5), load(cut, 5)
        for key, value in expected['state_dict'].items():
            assert torch.equal(value, found['state_dict'][key]), key
        bank, other = expected['relabel']['bank'], found['relabel']['bank']
        assert torch.equal(bank['features'], other['features'])
        assert bank['names'] == other['names']
        for path in sorted(cut.glob('*.pth')) + [cut / 'last_checkpoint']:
            path.unlink()


def runner_rows(runner):
    return np.asarray(runner.train_dataloader.dataset.sample_rows)


@pytest.mark.parametrize('everything', [False, True])
def test_momentum_and_gradients_of_a_new_head_are_forgotten(tmp_path, everything):
    cfg = make_run(tmp_path / 'run', max_epochs=3)
    cfg.custom_hooks = []
    runner = train(cfg)
    head = runner.model.head.fc.weight
    steps = runner.optim_wrapper.optimizer.state
    assert head in steps  # trained since the last relabelling
    encoder = runner.model.backbone.data_bn.weight
    for weight in (head, encoder):  # as accumulated gradients wait for their step
        weight.grad = torch.ones_like(weight)
    reset_optimizer(runner, everything)
    assert head not in steps and (encoder in steps) != everything
    assert head.grad is None and encoder.grad is not None


def test_new_weights_are_drawn_as_the_first_ones():
    init_cfg = dict(type='Normal', layer='Linear', std=0.01, bias=2.0)
    head = dict(type='ClusterHead', in_channels=4, num_clusters=4, init_cfg=init_cfg)
    model = MODELS.build(dict(type='DeepCluster', backbone=BACKBONE, head=head))
    model.head.init_weights()
    for _ in range(2):
        before = model.head.fc.weight.clone()
        model.relabel(torch.randn(8, 4), [f's{row}' for row in range(8)])
        assert (model.head.fc.bias == 2).all() and model.head.fc.weight.abs().max() < 0.05
    assert not torch.equal(model.head.fc.weight, before)
