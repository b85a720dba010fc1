"""The runner refuses the checkpoint of another network instead of testing random weights."""

import pytest
import torch
from mmaction.registry import HOOKS
from mmengine.model import BaseModel
from mmengine.runner import Runner

import deeprank_plugin  # noqa: F401  registers the hook


class TwoLayers(BaseModel):
    """A model with keys 'first.*' and 'second.*'."""

    def __init__(self, width=3):
        super().__init__()
        self.first = torch.nn.Linear(2, width)
        self.second = torch.nn.BatchNorm1d(width)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.second(self.first(inputs))


def load(tmp_path, checkpoint, **hook):
    """Load a checkpoint the way that a test run does; return the model."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / 'checkpoint.pth'
    torch.save(checkpoint, path)
    runner = Runner(
        model=TwoLayers(),
        work_dir=str(tmp_path),
        custom_hooks=[dict(type='StrictLoadHook', **hook)],
        load_from=str(path),
        default_scope='mmaction',
        log_level='ERROR',
        experiment_name=f'{tmp_path.parent.name}_{tmp_path.name}',
    )
    runner.load_or_resume()
    return runner.model


@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('nested', [True, False])
def test_fitting_checkpoint_is_loaded(tmp_path, prefix, nested):
    source = TwoLayers()
    weights = {f'{prefix}{key}': value for key, value in source.state_dict().items()}
    model = load(tmp_path, dict(state_dict=weights, meta={}) if nested else weights)
    torch.testing.assert_close(model.state_dict(), source.state_dict())


def test_number_of_batches_may_be_missing(tmp_path):
    weights = TwoLayers().state_dict()
    del weights['second.num_batches_tracked']
    model = load(tmp_path, dict(state_dict=weights))
    torch.testing.assert_close(model.first.weight, weights['first.weight'])


def test_missing_and_unexpected_keys_are_named(tmp_path):
    weights = TwoLayers().state_dict()
    weights['third.weight'] = weights.pop('first.weight')
    with pytest.raises(
        ValueError,
        match=r'checkpoint\.pth.* another network than TwoLayers; '
        r'missing: first\.weight; unexpected: third\.weight; of another shape: none',
    ):
        load(tmp_path, dict(state_dict=weights))


def test_other_shape_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'first\.bias \(found \(5,\), expected \(3,\)\)'):
        load(tmp_path, dict(state_dict=TwoLayers(width=5).state_dict()))


def test_allowed_keys_pass_and_others_do_not(tmp_path):
    weights = TwoLayers().state_dict()
    weights['head.weight'] = torch.zeros(1)
    del weights['second.weight']
    content = dict(state_dict=weights)
    allowed = dict(allow_unexpected=[r'head\.'], allow_missing=[r'second\.'])
    load(tmp_path / 'allowed', content, **allowed)
    for name in allowed:
        with pytest.raises(ValueError, match='another network'):
            load(tmp_path / name, content, **{**allowed, name: [r'weight']})


def test_allowed_shape_does_not_exist(tmp_path):
    """Names can be allowed; a tensor of another shape cannot be loaded whatever is allowed."""
    content = dict(state_dict=TwoLayers(width=5).state_dict())
    with pytest.raises(ValueError, match='of another shape: first'):
        load(tmp_path, content, allow_missing=['.*'], allow_unexpected=['.*'])


def test_string_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match=r"allow_missing is the string 'head'.*\['head'\]"):
        HOOKS.build(dict(type='StrictLoadHook', allow_missing='head'))
