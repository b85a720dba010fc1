"""RawSkeleton gives the coordinates, resampled as the pipelines do, and turned if asked."""

import math

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from deeprank_plugin.datasets.transforms.crop_resize import resize_frames
from deeprank_plugin.models import RawSkeleton
from deeprank_plugin.models.backbones.raw_skeleton import turn_bodies
from deeprank_plugin.models.utils import pool_features


@pytest.mark.parametrize('frames', [7, 12, 30])
def test_features_are_the_resampled_coordinates(frames):
    x = torch.randn(3, 1, 12, 25, 3)
    found = pool_features(RawSkeleton(frames=frames)(x))
    expected = torch.stack([torch.as_tensor(resize_frames(s.numpy(), frames)) for s in x])
    torch.testing.assert_close(found, expected.flatten(1))
    if frames == 12:
        assert torch.equal(found, x.flatten(1))


def test_there_is_nothing_to_train():
    assert not RawSkeleton().state_dict()


@pytest.mark.parametrize('up', [0, 1, 2])
def test_alignment_takes_out_the_direction_in_which_a_body_looks(up):
    torch.manual_seed(0)
    x = torch.randn(4, 2, 8, 25, 3, dtype=torch.double)
    first, second = (axis for axis in range(3) if axis != up)
    angle = 0.4
    turn = torch.eye(3, dtype=torch.double)
    turn[first, first] = turn[second, second] = math.cos(angle)
    turn[first, second], turn[second, first] = -math.sin(angle), math.sin(angle)
    model = RawSkeleton(frames=8, align=(4, 8), up=up)
    found = model(x)
    torch.testing.assert_close(model(x @ turn.T), found)
    assert not torch.allclose(found, RawSkeleton(frames=8)(x))
    aligned = turn_bodies(x, 4, 8, up)
    across = (aligned[..., 4, :] - aligned[..., 8, :]).mean(dim=2)
    assert (across[..., first] > 0).all() and across[..., second].abs().max() < 1e-12
    torch.testing.assert_close(aligned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(aligned[..., up], x[..., up])  # a rotation, not a reflection:
    volume = torch.linalg.det(x[..., :3, :])
    torch.testing.assert_close(torch.linalg.det(aligned[..., :3, :]), volume)


def test_an_absent_body_stays_absent():
    x = torch.randn(1, 2, 8, 25, 3)
    x[:, 1] = 0
    assert not RawSkeleton(align=(4, 8))(x)[:, 1].any()


@pytest.mark.parametrize('modality', ['joint', 'bone', 'motion'])
def test_k_nn_features_and_a_linear_probe(modality):
    config = dict(
        type='SkeletonRecognizer',
        backbone=dict(type='RawSkeleton', frames=6),
        cls_head=dict(type='PoolHead'),
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality),
    )
    model = MODELS.build(config).eval()
    model.init_weights()
    inputs = torch.randn(1, 1, 6, 25, 3)
    data = model.data_preprocessor(dict(inputs=[inputs], data_samples=[ActionDataSample()]))
    (sample,) = model(**data, mode='predict')
    torch.testing.assert_close(
        sample.feat, model.data_preprocessor.derive(inputs, modality).flatten()
    )
    head = dict(type='GCNHead', num_classes=3, in_channels=450)
    assert MODELS.build(dict(config, cls_head=head)).extract_feat(data['inputs'], stage='head')[
        0
    ].shape == (1, 3)
    with pytest.raises(ValueError, match='in_channels=450'):
        MODELS.build(dict(config, cls_head=dict(head, in_channels=64)))


@pytest.mark.parametrize(
    'wrong', [dict(frames=0), dict(up=3), dict(align=(4, 4)), dict(align=(4, 8), in_channels=2)]
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match='expected'):
        RawSkeleton(**wrong)
