"""The quarter-width ST-GCN."""

import torch
from mmaction.models.backbones import STGCN

from deeprank_plugin.models import STGCNSlim

GRAPH = dict(layout='nturgb+d', mode='stgcn_spatial')


def test_parameters_and_features():
    network = STGCNSlim(GRAPH)
    assert sum(p.numel() for p in network.parameters()) == 821_380
    assert network(torch.randn(2, 2, 16, 25, 3)).shape == (2, 2, 256, 4, 25)


def test_the_networks_of_mmaction2_are_what_the_docs_say():
    for width, parameters in ((64, 3_083_412), (16, 212_868)):
        network = STGCN(GRAPH, base_channels=width)
        assert sum(p.numel() for p in network.parameters()) == parameters
