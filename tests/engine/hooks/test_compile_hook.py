"""CompileHook: one graph an encoder, the same step and the same keys."""

import copy
from types import SimpleNamespace

import pytest
import torch
from helpers import make_config, make_runner
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.logging import MMLogger
from torch import nn
from torch._dynamo.testing import CompileCounter

from deeprank_plugin.engine import CompileHook

STTFORMER = dict(type='STTFormer', blocks=[[4, 4, 2]])
RANK = dict(type='RankHead', in_channels=4, hidden_channels=4)
MODEL_CONFIGS = dict(
    DeepRank=dict(head=RANK),
    MVDeepRank=dict(head=RANK),
    SkeletonMoCo=dict(in_channels=4, queue_size=16, dim=4),
)


def make_model(kind):
    torch.manual_seed(0)
    model = MODELS.build(dict(type=kind, backbone=STTFORMER, **MODEL_CONFIGS[kind]))
    model.init_weights()
    if hasattr(model, 'relabel'):
        shape = (4, 3, 4) if model.several_modalities else (4, 4)
        model.relabel(torch.rand(shape), [f's{i}' for i in range(4)])
    return model


def make_batch(clips, number=4):
    torch.manual_seed(1)
    return dict(
        inputs=[torch.randn(clips, 2, 12, 25, 3) for _ in range(number)],
        data_samples=[
            ActionDataSample(metainfo=dict(sample_idx=i, frame_dir=f's{i}')) for i in range(number)
        ],
    )


def compile_model(model, **options):
    runner = SimpleNamespace(model=model, logger=MMLogger.get_instance('compile'))
    torch._dynamo.reset()
    CompileHook(**options).before_train(runner)


def gradients(model, batch):
    model.zero_grad()
    loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize('kind', MODEL_CONFIGS)
def test_a_step_is_the_same_and_compiled_once(kind):
    model = make_model(kind).train()
    plain, keys, counter = copy.deepcopy(model), list(model.state_dict()), CompileCounter()
    compile_model(model, backend=counter)
    batch = make_batch(clips=2 if kind == 'SkeletonMoCo' else 1)
    found, expected = gradients(model, batch), gradients(plain, batch)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)
    graphs = counter.frame_count
    assert 1 <= graphs <= 3  # encoders
    gradients(model, make_batch(clips=2 if kind == 'SkeletonMoCo' else 1))
    assert counter.frame_count == graphs
    assert list(model.state_dict()) == keys


def test_eval_mode_is_not_compiled():
    model, counter = make_model('DeepRank').eval(), CompileCounter()
    batch = make_batch(clips=1, number=5)
    batch['inputs'][0][:, 1] = 0
    expected = model(**model.data_preprocessor(batch), mode='tensor')
    compile_model(model, backend=counter)
    with torch.no_grad():
        assert torch.equal(model(**model.data_preprocessor(batch), mode='tensor'), expected)
    assert counter.frame_count == 0


@pytest.mark.slow
def test_gradients_through_aot_autograd():
    """One by one: the backward pass of the graph runs inside the forward pass of the model."""
    model = make_model('MVDeepRank').train()
    plain = copy.deepcopy(model)
    compile_model(model, backend='aot_eager')
    found, expected = (gradients(m, make_batch(clips=1)) for m in (model, plain))
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_a_model_without_encoder():
    with pytest.raises(ValueError, match='Linear has no submodule named backbone'):
        compile_model(nn.Linear(2, 2))


@pytest.mark.slow
def test_a_run_with_the_hook(tmp_path):
    cfg = make_config(tmp_path / 'run', interval=1)
    cfg.train_cfg = dict(type='ResumableTrainLoop', max_epochs=1)
    cfg.default_hooks.compile = dict(type='CompileHook', backend='eager')
    make_runner(cfg).train()
    saved = torch.load(tmp_path / 'run' / 'epoch_1.pth')
    assert not [key for key in saved['state_dict'] if '_orig_mod' in key]


def test_modes_with_cuda_graphs_are_rejected():
    with pytest.raises(ValueError, match="mode='max-autotune' has CUDA graphs.*no-cudagraphs"):
        CompileHook(mode='max-autotune')
    CompileHook(mode='max-autotune-no-cudagraphs')
