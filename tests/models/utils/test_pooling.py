"""Pooling against a loop; against MMAction2's head: heads/test_pool_head.py."""

import pytest
import torch

from deeprank_plugin.models.utils import pool_features


def test_the_mean_over_persons_times_and_joints():
    feature_map = torch.randn(2, 2, 3, 4, 5, dtype=torch.double)
    found = pool_features(feature_map)
    for sample in range(2):
        for channel in range(3):
            values = feature_map[sample, :, channel].flatten().tolist()
            assert float(found[sample, channel]) == pytest.approx(sum(values) / len(values))


def test_another_number_of_axes():
    with pytest.raises(ValueError, match=r'shape \(3, 4\); expected five axes'):
        pool_features(torch.zeros(3, 4))
