"""PoolHead pools as MMAction2's GCNHead does."""

import pytest
import torch
from mmaction.models.heads import GCNHead
from mmaction.structures import ActionDataSample

from deeprank_plugin.models import PoolHead
from deeprank_plugin.models.utils import pool_features


def test_pooling_is_that_of_the_gcn_head():
    feature_map = torch.randn(3, 2, 4, 5, 6)
    head = GCNHead(num_classes=4, in_channels=4)
    with torch.no_grad():
        head.fc.weight.copy_(torch.eye(4))
        head.fc.bias.zero_()
    torch.testing.assert_close(PoolHead()(feature_map), head(feature_map))


def test_clips_of_a_sequence_are_averaged():
    feature_map = torch.randn(6, 1, 4, 5, 6)  # 3 sequences of 2 clips
    samples = PoolHead().predict(feature_map, [ActionDataSample() for _ in range(3)])
    expected = pool_features(feature_map).view(3, 2, 4).mean(dim=1)
    torch.testing.assert_close(torch.stack([s.feat for s in samples]), expected)


def test_segments():
    feature_map = torch.randn(3, 2, 4, 6, 5)
    assert torch.equal(PoolHead(segments=3)(feature_map), pool_features(feature_map, 3))


def test_nothing_to_train_and_other_maps():
    with pytest.raises(TypeError, match='GCNHead'):
        PoolHead().loss(torch.randn(3, 1, 4, 5, 6), [])
    with pytest.raises(ValueError, match=r'five axes \(N, M, D, T, V\)'):
        PoolHead()(torch.randn(3, 4))
