"""FreezeHook: what is frozen stays, and stays in eval mode."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from deeprank_plugin.engine import FixNormHook, FreezeHook


def make_runner():
    model = nn.Module()
    model.backbone = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    model.head = nn.Linear(3, 2)
    return SimpleNamespace(model=model)


def test_only_the_rest_learns():
    runner, hook = make_runner(), FreezeHook()
    model = runner.model
    before = {k: v.clone() for k, v in model.state_dict().items()}
    hook.before_train(runner)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    for batch_idx in range(3):
        model.train()  # as the training loop does
        hook.before_train_iter(runner, batch_idx)
        optimizer.zero_grad()
        model.head(model.backbone(torch.randn(8, 3))).pow(2).sum().backward()
        optimizer.step()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith('backbone.'), key


def test_unknown_part():
    with pytest.raises(AttributeError, match='encoder'):
        FreezeHook(['encoder']).before_train(make_runner())


def test_statistics_stay_while_weights_learn():
    runner, hook = make_runner(), FixNormHook()
    model = runner.model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    hook.before_train_iter(runner, 0)
    assert model.backbone[2].training  # dropout is not BatchNorm's
    model.head(model.backbone(torch.randn(8, 3))).pow(2).sum().backward()
    optimizer.step()
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == ('running' in key or 'tracked' in key), key
