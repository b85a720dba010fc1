"""Runs in this process whose numbers are spoiled, and what they leave in the work dir."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import HOOKS, TRANSFORMS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from deeprank_plugin.engine import NonFiniteError


@TRANSFORMS.register_module(force=True)
class Spoil:
    """Multiplies a sample's coordinates, so that a network makes NaN of them."""

    def __init__(self, name, factor=math.nan):
        self.name, self.factor = name, factor

    def __call__(self, results):
        if results['frame_dir'] == self.name:
            results['keypoint'] = results['keypoint'] * np.float32(self.factor)
        return results


@HOOKS.register_module(force=True)
class Remember(Hook):
    """Keeps state and names of each iteration; makes a gradient NaN, sends SIGTERM."""

    priority = 'VERY_LOW'

    def __init__(self, spoil_at=None, signal_at=None):
        self.spoil_at, self.signal_at = spoil_at, signal_at
        self.states, self.names = [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.states.append({k: v.clone() for k, v in runner.model.state_dict().items()})
        self.names.append([sample.frame_dir for sample in data_batch['data_samples']])
        if runner.iter == self.spoil_at:
            parameter = next(p for p in runner.model.parameters() if p.requires_grad)
            handle = parameter.register_hook(lambda gradient: gradient * math.nan)
            self.handle = handle
        if self.spoil_at is not None and runner.iter == self.spoil_at + 1:
            self.handle.remove()
        if runner.iter == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)


def run(cfg, **remember):
    """Train; return the runner, the hook that remembers, and what the run was stopped with."""
    cfg.custom_hooks = [dict(type='Remember', **remember)]
    cfg.experiment_name = cfg.work_dir.replace('/', '_') + str(id(cfg))
    runner = Runner.from_cfg(cfg)
    try:
        runner.train()
        error = None
    except NonFiniteError as caught:
        error = caught
    return runner, next(h for h in runner.hooks if isinstance(h, Remember)), error


def report(runner, name=None):
    folder = Path(runner.work_dir)
    name = runner.iter if name is None else name
    checkpoint = torch.load(folder / f'non_finite_{name}.pth', weights_only=True)
    return json.loads((folder / f'non_finite_{name}.json').read_text()), checkpoint
