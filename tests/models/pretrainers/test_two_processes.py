"""Two processes that share a batch compute what one computes with the whole of it."""

import os
from pathlib import Path

import pytest
import torch
from helpers import free_port, spawn
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from deeprank_plugin.models import DeepRank, MVDeepRank, SupervisedTriplet

pytestmark = pytest.mark.distributed


class PointBackbone(BaseModule):
    """One linear layer on coordinates: no BatchNorm, so batches do not mix."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 8)

    def forward(self, x):
        return self.layer(x).tanh().permute(0, 1, 4, 2, 3)


MODELS.register_module(module=PointBackbone, force=True)
PARTS = (dict(type='PointBackbone'), dict(type='RankHead', in_channels=8, hidden_channels=6))


def make(method):
    """A model, if it has one with its bank, and a batch of 8."""
    torch.manual_seed(0)
    inputs = torch.randn(8, 1, 2, 5, 25, 3, dtype=torch.float64)
    samples = [ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}')) for i in range(8)]
    if method == 'triplet':  # of each class a sample in either half: alone it holds no triplet
        for index, sample in enumerate(samples):
            sample.set_gt_label(index % 4)
        return SupervisedTriplet(PARTS[0], in_channels=8).double(), inputs, samples
    model = (DeepRank if method == 'single' else MVDeepRank)(*PARTS).double()
    if method == 'at once':
        model.one_by_one = False
    frozen = torch.randn(8, 8) if method == 'single' else torch.randn(8, 3, 8)
    model.relabel(frozen, [f's{i}' for i in range(8)])
    return model, inputs, samples


def step(model, method, inputs, samples):
    """Losses after a backward pass, as the training loop does it."""
    module = getattr(model, 'module', model)
    if method not in ('single', 'triplet'):
        preprocessor = module.data_preprocessor
        inputs = {m: preprocessor.derive(inputs, m) for m in module.modalities}
    losses = model(inputs, samples, mode='loss')
    module.parse_losses(losses)[0].backward()
    return {name: value.detach() for name, value in losses.items()}


def one_of_two(rank, port, folder, method):
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    model, inputs, samples = make(method)
    rows = slice(4 * rank, 4 * rank + 4)
    wrapped = DistributedDataParallel(model)
    losses = step(wrapped, method, inputs[rows], samples[rows])
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    torch.save(dict(losses=losses, grads=grads), Path(folder) / f'{rank}.pth')
    torch.distributed.barrier()
    os._exit(0)  # without the teardown of gloo under a living wrapper, which can wait for ever


@pytest.mark.parametrize('method', ['single', 'one by one', 'at once', 'triplet'])
def test_two_processes_equal_one(tmp_path, method):
    port = free_port()
    spawn(one_of_two, port, str(tmp_path), method, processes=2)
    model, inputs, samples = make(method)
    losses = step(model, method, inputs, samples)
    for rank in range(2):
        result = torch.load(tmp_path / f'{rank}.pth')
        for name, value in losses.items():
            torch.testing.assert_close(result['losses'][name], value)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(result['grads'][name], parameter.grad)
