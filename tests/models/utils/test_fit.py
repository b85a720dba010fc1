"""Backbone, preprocessor and head that do not fit are noticed, and nothing else changes."""

import pytest
import torch
from mmaction.registry import MODELS
from torch import nn

from deeprank_plugin.models.utils.fit import (
    check_channels,
    check_fit,
    count_features,
    tell_initializers,
)

STGCN = dict(
    type='STGCN',
    graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    base_channels=4,
    num_stages=2,
    inflate_stages=[2],
    down_stages=[2],
)
STTFORMER = dict(type='STTFormer', blocks=[(4, 6, 2)], num_heads=1, tuple_length=4)


def preprocessor(joints):
    module = nn.Module()
    module.num_joints = joints
    return module


@pytest.mark.parametrize(
    ('config', 'width'),
    [(STGCN, 8), (dict(STGCN, data_bn_type='MVC', num_person=2), 8), (STTFORMER, 6)],
)
def test_the_width_is_counted_and_leaves_no_trace(config, width):
    backbone = MODELS.build(config)
    backbone.train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert count_features(backbone, 25) == width
    assert backbone.training and all(module.training for module in backbone.modules())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())
    check_fit(backbone, preprocessor(25), width)
    check_fit(backbone, preprocessor(25), None)  # a head that takes any
    with pytest.raises(ValueError, match=f'gives {width} features.* takes 5; .*set fc={width}'):
        check_fit(backbone, preprocessor(25), 5, name='fc')


def test_another_number_of_joints():
    for config, option in ((STGCN, 'graph_cfg.layout'), (STTFORMER, 'num_joints')):
        with pytest.raises(ValueError, match=f'25 joints.*17; expected the same.*{option}'):
            check_fit(MODELS.build(config), preprocessor(17), None)


def test_another_number_of_coordinates():
    backbone = MODELS.build(STGCN)
    check_channels(backbone, torch.zeros(1, 1, 8, 25, 3))
    with pytest.raises(ValueError, match='2 coordinates.*takes 3; .*backbone.in_channels=2'):
        check_channels(backbone, torch.zeros(1, 1, 8, 25, 2))
    check_channels(nn.Identity(), torch.zeros(1, 1, 8, 25, 2))  # it does not say what it takes


def test_initialisers_are_told_what_the_model_takes():
    model = nn.Module()
    model.data_preprocessor = MODELS.build(dict(type='SkeletonPreprocessor', modality='bone'))
    parts = [dict(type='Pretrained', checkpoint='a', modality='joint'), dict(type='Kaiming'), None]
    model.parts = nn.ModuleList(nn.Module() for _ in parts)
    for part, init_cfg in zip(model.parts, parts):
        part.init_cfg = init_cfg
    model.own = nn.Module()
    model.own.init_cfg = dict(type='Pretrained', checkpoint='a')
    tell_initializers(model)
    layout = model.data_preprocessor.layout
    assert model.own.init_cfg == dict(
        type='Pretrained', checkpoint='a', modality='bone', layout=layout
    )
    assert [part.init_cfg for part in model.parts] == [dict(parts[0], layout=layout), *parts[1:]]
    tell_initializers(nn.Linear(2, 2))  # knows nothing
