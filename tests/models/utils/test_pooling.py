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


@pytest.mark.parametrize('segments', [1, 2, 3, 4, 7])
def test_segments_are_those_of_adaptive_pooling(segments):
    feature_map = torch.randn(2, 3, 4, 7, 5, dtype=torch.double)
    found = pool_features(feature_map, segments)
    assert found.shape == (2, 4 * segments)
    maps = feature_map.mean(dim=1)
    expected = torch.nn.functional.adaptive_avg_pool2d(maps, (segments, 1)).flatten(1)
    torch.testing.assert_close(found, expected)


def test_too_many_segments():
    for segments in (0, 4):
        with pytest.raises(ValueError, match=f'segments={segments} .* 3 positions'):
            pool_features(torch.zeros(2, 1, 4, 3, 5), segments)


def test_another_number_of_axes():
    with pytest.raises(ValueError, match=r'shape \(3, 4\); expected five axes'):
        pool_features(torch.zeros(3, 4))
