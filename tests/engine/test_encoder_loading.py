"""An encoder that is tested on its own comes out of any checkpoint that holds it."""

from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from torch import nn

import deeprank_plugin  # noqa: F401  registers the models
from deeprank_plugin.engine.encoder_loading import load_encoder
from tests.engine.checkpoints import DEEPRANK, MV, STGCN, STTFORMER, preprocessor


def build(backbone, modality):
    model = dict(type='SkeletonRecognizer', backbone=backbone)
    return MODELS.build(dict(model, data_preprocessor=preprocessor(modality)))


def runner_of(model, path, **cfg):
    return SimpleNamespace(model=model, _load_from=path, cfg=Config(cfg), test_loop=None)


@pytest.mark.parametrize(
    ('model', 'backbone', 'modality', 'prefix'),
    [
        (DEEPRANK, STGCN, 'motion', 'backbone.'),
        (MV, STTFORMER, 'bone', 'streams.bone.backbone.'),
    ],
)
def test_the_encoder_of_the_own_modality(make, tmp_path, model, backbone, modality, prefix):
    checkpoint, path = make(model), str(tmp_path / 'a.pth')
    torch.save(checkpoint, path)
    own = build(backbone, modality)
    runner = runner_of(own, path)
    load_encoder(runner)
    assert runner._load_from is None  # the runner has nothing left to load
    for key, value in own.backbone.state_dict().items():
        torch.testing.assert_close(value, checkpoint['state_dict'][prefix + key], rtol=0, atol=0)


def test_another_modality_is_rejected(make, tmp_path):
    path = str(tmp_path / 'a.pth')
    torch.save(make(DEEPRANK), path)
    with pytest.raises(ValueError, match='modality motion, and this model takes bone'):
        load_encoder(runner_of(build(STGCN, 'bone'), path))
    hooks = dict(strict_load=dict(allow_other=['modality']))
    load_encoder(runner_of(build(STGCN, 'bone'), path, default_hooks=hooks))


def test_other_models_are_left_to_the_runner():
    runner = runner_of(MODELS.build(DEEPRANK), 'none.pth')
    load_encoder(runner)
    assert runner._load_from == 'none.pth'


def test_weights_need_a_checkpoint_and_nothing_else_takes_one():
    with pytest.raises(ValueError, match='has weights; expected a checkpoint of them'):
        load_encoder(runner_of(build(STGCN, 'joint'), None))
    with pytest.raises(ValueError, match="no weights here; .* leave 'a.pth' out"):
        load_encoder(runner_of(nn.Flatten(), 'a.pth'))
    load_encoder(runner_of(nn.Flatten(), None))
