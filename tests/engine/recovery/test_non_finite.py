"""Features that are not finite, or all alike, and what is written when a run stops."""

import json
import math

import torch
from mmengine.runner import Runner
from spoiled import report, run

from deeprank_plugin.engine.recovery.non_finite import to_json


def test_the_report_is_valid_json():
    value = dict(loss=[1.5, math.nan, math.inf], more=(-math.inf, 'text', None, 3))
    written = json.dumps(to_json(value), allow_nan=False)
    assert json.loads(written) == dict(loss=[1.5, 'nan', 'inf'], more=['-inf', 'text', None, 3])


def test_features_that_are_not_finite(make_config):
    """One sample is spoiled in the pipeline of the labels only: it is named, in round 0 already."""
    cfg = make_config('DeepRank')
    cfg.default_hooks.relabel.pipeline.insert(2, dict(type='Spoil', name='s07'))
    cfg.default_hooks.relabel.calibrate = False
    runner, _, error = run(cfg)
    found, checkpoint = report(runner, 'relabel_0')
    assert found['what'] == 'features' and found['samples'] == ['s07'] and found['of_samples'] == 24
    assert 'features of 1 of 24 samples (s07) are not finite after epoch 0' in str(error)
    assert checkpoint['meta']['non_finite'] and len(checkpoint['state_dict']) > 10


def test_collapse_is_noticed(make_config):
    """An encoder that gives the same for everything, but for rounding."""
    cfg = make_config('MVDeepRank', epochs=1)
    cfg.load_from = None
    cfg.experiment_name = 'collapse'
    runner = Runner.from_cfg(cfg)
    encode = type(runner.model).extract_feat

    def collapsed(inputs):
        features = encode(runner.model, inputs)
        features[:, 1] = torch.arange(8.0) + 1e-3 * features[:, 1]
        return features

    runner.model.extract_feat = collapsed
    messages = []
    runner.logger.warning = messages.append
    runner.train()
    messages = [message for message in messages if 'alike' in message]
    assert len(messages) == 2  # in round 0 and at the end
    assert 'nearly alike at epoch 0: bone/spread' in messages[0]
    assert 'lower learning rate' in messages[0] and 'calibrate' in messages[0]
