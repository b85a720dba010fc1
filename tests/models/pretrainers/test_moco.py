"""SkeletonMoCo: InfoNCE by a loop, momentum and queue by hand, resumed runs."""

import math
import os
import subprocess
import sys

import pytest
import torch
from helpers import ROOT, load, make_config, train
from mmaction.registry import MODELS

from tests.models.host_reads import HostReads

BACKBONE = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=4,
)


def make(**kwargs):
    torch.manual_seed(0)
    arguments = dict(backbone=BACKBONE, in_channels=4, dim=3, queue_size=7)
    return MODELS.build(dict(arguments, type='SkeletonMoCo', **kwargs))


def make_with(**kwargs):
    arguments = dict(backbone=BACKBONE, in_channels=4, dim=3, queue_size=7)
    return MODELS.build(dict(dict(arguments, **kwargs), type='SkeletonMoCo'))


def pool(maps):
    return maps.mean(dim=(1, 3, 4))


def unit(vector):
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def test_loss_is_that_of_a_loop():
    model = make().double().eval()
    inputs = torch.randn(4, 2, 1, 8, 25, 3).double()
    queue = model.queue.tolist()
    found = model(inputs, [], mode='loss')
    with torch.no_grad():
        queries = model.projection(pool(model.backbone(inputs[:, 0]))).tolist()
        keys = model.key_projection(pool(model.key_backbone(inputs[:, 1]))).tolist()
    losses, right = [], 0
    for query, key in zip(queries, keys):
        query, key = unit(query), unit(key)
        dots = [sum(a * b for a, b in zip(query, other)) / 0.07 for other in [key, *queue]]
        losses.append(math.log(sum(map(math.exp, dots))) - dots[0])
        right += dots[0] == max(dots)
    assert float(found['loss_contrast'].detach()) == pytest.approx(sum(losses) / 4, rel=1e-5)
    assert float(found['acc_contrast']) == pytest.approx(right / 4)
    torch.testing.assert_close(model.queue[:4], torch.tensor([unit(k) for k in keys]).double())
    assert model.queue[4:].tolist() == queue[4:]


def test_no_gradient_reaches_keys_and_queue():
    model = make().train()
    model(torch.randn(4, 2, 1, 8, 25, 3), [], mode='loss')['loss_contrast'].backward()
    for name, parameter in model.named_parameters():
        trained = name.startswith(('backbone', 'projection'))
        assert (parameter.grad is not None) == trained == parameter.requires_grad, name


def test_momentum_by_hand():
    model = make(momentum=0.75)
    with torch.no_grad():
        for own, _ in model.parameter_pairs():
            own.fill_(2.0)
    model.update_keys()  # the first step copies
    assert all((other == 2).all() for _, other in model.parameter_pairs())
    with torch.no_grad():
        for own, _ in model.parameter_pairs():
            own.fill_(6.0)
    model.update_keys()
    assert all((other == 3).all() for _, other in model.parameter_pairs())  # 0.75 * 2 + 0.25 * 6


def test_momentum_equals_a_loop_over_the_parameters():
    model = make()
    model.update_keys()
    with torch.no_grad():
        for own, _ in model.parameter_pairs():
            own.add_(torch.randn_like(own))
        expected = [
            other.clone().mul_(0.999).add_(own, alpha=1 - 0.999)
            for own, other in model.parameter_pairs()
        ]
    model.update_keys()
    for (_, found), truth in zip(model.parameter_pairs(), expected):
        assert torch.equal(found, truth)


def test_a_loaded_state_says_whether_the_copy_was_made():
    model, fresh = make(), make()
    model.update_keys()
    with torch.no_grad():
        for own, _ in model.parameter_pairs():
            own.fill_(2.0)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for started, share in ((1, 0.001), (0, 1.0)):
        state['started'].fill_(started)
        fresh.load_state_dict(state)
        before = [other.clone() for _, other in fresh.parameter_pairs()]
        fresh.update_keys()
        for (_, other), old in zip(fresh.parameter_pairs(), before):
            torch.testing.assert_close(other, old + share * (2.0 - old))


def test_a_step_reads_nothing_on_the_host_but_the_first_one_whether_it_is():
    model, inputs, found = make().train(), torch.randn(4, 2, 1, 8, 25, 3), []
    for _ in range(3):
        with HostReads() as reads:
            model(inputs, [], mode='loss')['loss_contrast'].backward()
        found.append(reads.number)
    assert found == [1, 0, 0]


def test_the_queue_wraps_around():
    model = make()
    rows = torch.arange(1, 10).float()[:, None].expand(9, 3)
    model.enqueue(rows[:5])
    assert model.queue[:5, 0].tolist() == [1, 2, 3, 4, 5] and int(model.place) == 5
    model.enqueue(rows[5:9])
    assert model.queue[:, 0].tolist() == [8, 9, 3, 4, 5, 6, 7] and int(model.place) == 2
    model.enqueue(torch.arange(20, 29).float()[:, None].expand(9, 3))  # more than it holds
    assert sorted(model.queue[:, 0].tolist()) == list(range(22, 29))


def test_modes_and_errors():
    model = make()
    inputs = torch.randn(2, 1, 1, 8, 25, 3)
    assert model(inputs).shape == (2, 4)
    with pytest.raises(ValueError, match='1 clips a sequence; SkeletonMoCo expects two views'):
        model(inputs, [], mode='loss')
    with pytest.raises(ValueError, match='queue_size=0'):
        make_with(queue_size=0)
    with pytest.raises(ValueError, match='the backbone gives 4 features and the head takes 8'):
        make_with(in_channels=8)


def make_run(folder, epochs=3):
    cfg = make_config(folder, interval=1)
    cfg.model = dict(type='SkeletonMoCo', backbone=BACKBONE, in_channels=4, dim=3, queue_size=20)
    cfg.default_hooks.pop('relabel')
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    pipeline = cfg.train_dataloader.dataset.pipeline
    views = dict(type='TwoViews', transforms=[pipeline[1], dict(type='RandomShear3D')])
    cfg.train_dataloader.dataset.pipeline = [pipeline[0], views, *pipeline[-2:]]
    cfg.train_cfg.max_epochs = epochs
    return cfg


@pytest.mark.slow
def test_resumed_equals_uninterrupted(tmp_path):
    train(make_run(tmp_path / 'whole'))
    train(make_run(tmp_path / 'cut', epochs=2))
    cfg = make_run(tmp_path / 'cut')
    cfg.resume = True
    train(cfg)
    whole, cut = (load(tmp_path / name, 3)['state_dict'] for name in ('whole', 'cut'))
    assert float(whole['place']) == 54 % 20  # 3 epochs of 18 keys
    for key, value in whole.items():
        assert torch.equal(value, cut[key]), key


@pytest.mark.distributed
def test_two_processes_hold_one_queue(tmp_path):
    cfg = make_run(tmp_path / 'one', epochs=1)
    cfg.env_cfg.dist_cfg.backend = 'gloo'
    cfg.train_dataloader.batch_size = 3
    cfg.custom_hooks = [dict(type='SaveQueues')]
    cfg.custom_imports.imports.append('save_queues')
    (tmp_path / 'save_queues.py').write_text(
        'import torch\n'
        'from mmengine.dist import get_rank\n'
        'from mmengine.hooks import Hook\n'
        'from mmaction.registry import HOOKS\n'
        '@HOOKS.register_module()\n'
        'class SaveQueues(Hook):\n'
        '    def after_train(self, runner):\n'
        '        model = runner.model.module\n'
        f"        torch.save(model.state_dict(), f'{tmp_path}/rank{{get_rank()}}.pt')\n"
    )
    path = tmp_path / 'config.py'
    cfg.dump(path)
    command = [
        *(sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2'),
        *(str(ROOT / 'tools' / 'train.py'), str(path), '--launcher', 'pytorch', '--seed', '3'),
        *('--work-dir', str(tmp_path / 'two')),
    ]
    environment = dict(
        os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', PYTHONPATH=str(tmp_path)
    )
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    first, second = (torch.load(tmp_path / f'rank{rank}.pt') for rank in (0, 1))
    assert float(first['place']) == 18
    for key in ('queue', 'place', *(k for k in first if k.endswith('weight'))):
        assert torch.equal(first[key], second[key]), key
