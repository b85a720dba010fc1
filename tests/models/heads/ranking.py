"""A small head with features and distances to rank."""

import torch

from deeprank_plugin.models import RankHead

ACTIVATIONS = {'letter': None, 'relu': dict(type='ReLU'), 'prelu': dict(type='PReLU')}


def make(number, act='relu', tied=False, seed=0, **kwargs):
    torch.manual_seed(seed)
    head = RankHead(5, hidden_channels=6, act_cfg=ACTIVATIONS[act], **kwargs).double()
    feats = torch.randn(number, 5, dtype=torch.float64, requires_grad=True)
    distances = torch.rand(number, number, dtype=torch.float64)
    if tied:
        distances = (distances * 3).round()
    return head, feats, distances
