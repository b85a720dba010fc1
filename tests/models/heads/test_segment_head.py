"""SegmentHead is GCNHead with one segment, and classifies the order of events with more."""

import pytest
import torch
from mmaction.models.heads import GCNHead
from mmaction.registry import MODELS

from deeprank_plugin.models import SegmentHead
from deeprank_plugin.models.utils import pool_features


def test_one_segment_is_the_gcn_head():
    torch.manual_seed(0)
    expected = GCNHead(num_classes=4, in_channels=6)
    head = SegmentHead(num_classes=4, in_channels=6)
    head.load_state_dict(expected.state_dict())
    feature_map = torch.randn(3, 2, 6, 5, 7)
    torch.testing.assert_close(head(feature_map), expected(feature_map))


def test_segments_go_through_dropout_and_the_linear_layer():
    torch.manual_seed(0)
    feature_map = torch.randn(3, 2, 6, 8, 7)
    head = SegmentHead(4, 24, segments=4, dropout=0.5)
    torch.manual_seed(1)
    found = head(feature_map)
    torch.manual_seed(1)
    expected = head.fc(torch.nn.functional.dropout(pool_features(feature_map, 4), 0.5))
    torch.testing.assert_close(found, expected)
    backwards = SegmentHead(4, 24, segments=4).eval()
    assert not torch.allclose(backwards(feature_map), backwards(feature_map.flip(3)))


def test_a_recogniser_counts_the_segments():
    config = dict(
        type='SkeletonRecognizer',
        backbone=dict(type='STTFormer', blocks=[(4, 6, 2)], num_heads=1, tuple_length=4),
        cls_head=dict(type='SegmentHead', num_classes=3, in_channels=12, segments=2),
        data_preprocessor=dict(type='SkeletonPreprocessor'),
    )
    model = MODELS.build(config)
    inputs = torch.randn(2, 1, 1, 16, 25, 3)
    assert model.extract_feat(inputs, stage='head')[0].shape == (2, 3)
    config['cls_head']['in_channels'] = 6
    with pytest.raises(ValueError, match='gives 12 features in 2 segments.*in_channels=12'):
        MODELS.build(config)
