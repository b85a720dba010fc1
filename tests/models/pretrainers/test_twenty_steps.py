"""Weights after 20 steps of several processes are those of one with the whole batch."""

import os
from pathlib import Path

import pytest
import torch
from helpers import free_port, spawn
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from deeprank_plugin.datasets.samplers import ClusterSampler
from deeprank_plugin.models import DeepRank
from deeprank_plugin.models.pretrainers.deepcluster import DeepCluster

pytestmark = pytest.mark.distributed

BACKBONE = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=3,
    inflate_stages=[2],
    down_stages=[3],
)
BATCHES = (slice(0, 7), slice(7, 12))  # of 12 samples; neither divides by 2 or by 3
SAMPLES = 12


class SyncBatchNorm(nn.Module):
    """What torch.nn.SyncBatchNorm computes, which rejects CPUs."""

    def __init__(self, norm):
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.momentum = norm.momentum
        self.register_buffer('running_mean', norm.running_mean)
        self.register_buffer('running_var', norm.running_var)

    def forward(self, x):
        axes = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        count = torch.full((1,), x.numel() / x.shape[1], dtype=x.dtype)
        sums = torch.cat([x.sum(axes), x.square().sum(axes), count])
        if torch.distributed.is_initialized():
            sums = all_reduce(sums)
        total = sums[-1]
        mean, square = (sums[:-1] / total).chunk(2)
        var = square - mean.square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * total / (total - 1), self.momentum)
        x = (x - mean.view(shape)) / (var.view(shape) + self.eps).sqrt()
        return x * self.weight.view(shape) + self.bias.view(shape)


def synchronise(module):
    for name, child in module.named_children():
        if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
            setattr(module, name, SyncBatchNorm(child))
        else:
            synchronise(child)


def make_model():
    torch.manual_seed(0)
    model = DeepRank(BACKBONE, dict(type='RankHead', in_channels=8, hidden_channels=6)).double()
    synchronise(model.backbone)
    model.relabel(torch.randn(SAMPLES, 8), [f's{i}' for i in range(SAMPLES)])
    data = torch.randn(SAMPLES, 1, 1, 8, 25, 3, dtype=torch.float64)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}')) for i in range(SAMPLES)
    ]
    return model, data, samples


def train(model, data, samples, rank, size):
    """20 steps of SGD; each process takes its share of every batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(20):
        rows = range(SAMPLES)[BATCHES[step % 2]]
        share = [row for row in rows if row % size == rank]
        found = model(data[share], [samples[row] for row in share], mode='loss')
        optimizer.zero_grad()
        found['loss_rank'].backward()
        optimizer.step()
        losses.append(found['loss_rank'].detach())
    return torch.stack(losses)


def order_of(size):
    """Rows as the processes take them, one after the other."""
    return [row for rank in range(size) for row in range(SAMPLES) if row % size == rank]


def start(rank, port, size):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=size
    )


def deeprank_process(rank, port, size, folder):
    start(rank, port, size)
    model, data, samples = make_model()
    losses = train(DistributedDataParallel(model), data, samples, rank, size)
    content = dict(losses=losses, state=model.state_dict(), alone=loss_alone(rank, size))
    torch.save(content, Path(folder) / f'{rank}.pth')
    torch.distributed.barrier()
    os._exit(0)  # without the teardown of gloo under a living wrapper, which can wait for ever


def loss_alone(rank, size):
    """The loss of one process' share of all samples, with gather=False; no SyncBatchNorm."""
    torch.manual_seed(0)
    head = dict(type='RankHead', in_channels=8, hidden_channels=6)
    model = DeepRank(BACKBONE, head, gather=False).double()
    _, data, samples = make_model()
    model.relabel(torch.randn(SAMPLES, 8), [f's{i}' for i in range(SAMPLES)])
    rows = list(range(rank, SAMPLES, size))
    return model(data[rows], [samples[row] for row in rows], mode='loss')['loss_rank'].detach()


@pytest.mark.parametrize('size', [2, 3])
def test_several_processes_equal_one(tmp_path, size):
    spawn(deeprank_process, free_port(), size, str(tmp_path), processes=size)
    model, data, samples = make_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = train(model, data, samples, 0, 1)
    moved = 0.0
    for rank in range(size):
        found = torch.load(tmp_path / f'{rank}.pth')
        torch.testing.assert_close(found['losses'], losses, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(found['alone'], loss_alone(rank, size), rtol=1e-9, atol=0)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(found['state'][name], value, rtol=1e-5, atol=1e-7)
            moved = max(moved, float((value - before[name]).abs().max()))
    assert moved > 0.01 and float(losses[-1]) < float(losses[0])


class Points(nn.Module):
    """One linear layer on coordinates."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 8)

    def forward(self, x):
        return self.layer(x).tanh().permute(0, 1, 4, 2, 3)


MODELS.register_module(module=Points, name='PointsOfTwentySteps', force=True)


def make_deepcluster(rank):
    """A model after two rounds, the second from features that differ by rounding."""
    torch.manual_seed(0)
    model = DeepCluster(
        dict(type='PointsOfTwentySteps'), dict(type='ClusterHead', in_channels=8, num_clusters=4)
    ).double()
    names = [f's{i}' for i in range(SAMPLES)]
    model.relabel(torch.randn(SAMPLES, 8), names)
    features = torch.randn(SAMPLES, 8)
    torch.manual_seed(rank)  # the head's new weights must not depend on it
    model.relabel(features * (1 + 1e-7 * rank), names)
    torch.manual_seed(1)
    data = torch.randn(SAMPLES, 1, 1, 5, 25, 3, dtype=torch.float64)
    samples = [
        ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=n)) for i, n in enumerate(names)
    ]
    return model, data, samples


class Rows:
    """A data set of which only the rows are asked."""

    sample_rows = list(range(SAMPLES))
    sample_offset = 0

    def __len__(self):
        return SAMPLES


def deepcluster_process(rank, port, size, folder):
    start(rank, port, size)
    model, data, samples = make_deepcluster(rank)
    sampler = ClusterSampler(Rows(), seed=3)
    sampler.set_labels(model.pseudo_labels)
    head = {name: value.clone() for name, value in model.head.state_dict().items()}
    share = [row for row in range(SAMPLES) if row % size == rank]
    wrapped = DistributedDataParallel(model)
    losses = wrapped(data[share], [samples[row] for row in share], mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    result = dict(
        clusters=model.pseudo_labels,
        head=head,
        drawn=torch.tensor(list(sampler)),
        gradients={name: p.grad for name, p in model.named_parameters()},
    )
    torch.save(result, Path(folder) / f'{rank}.pth')
    torch.distributed.barrier()
    os._exit(0)


def test_deepcluster_in_two_processes(tmp_path):
    spawn(deepcluster_process, free_port(), 2, str(tmp_path), processes=2)
    first, second = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    assert torch.equal(first['clusters'], second['clusters'])
    assert len(first['clusters'].unique()) == 4
    for name, value in first['head'].items():
        assert torch.equal(value, second['head'][name])
    # both draw parts of one drawing: what one process would draw
    model, data, samples = make_deepcluster(0)
    assert torch.equal(model.pseudo_labels, first['clusters'])
    sampler = ClusterSampler(Rows(), seed=3)
    sampler.set_labels(model.pseudo_labels)
    drawn = torch.stack([first['drawn'], second['drawn']], dim=1).flatten()
    assert drawn.tolist() == list(sampler)
    # equal shares: the average of the processes' gradients is the gradient of the whole batch
    model.head.load_state_dict(first['head'])
    losses = model(data, samples, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(first['gradients'][name], parameter.grad)
        torch.testing.assert_close(second['gradients'][name], parameter.grad)
