"""Checkpoints as MMEngine saves them, and runs of train.py at little cost."""

import json
import os
import subprocess
import sys

import pytest
import torch
from helpers import ROOT, free_port
from mmaction.registry import MODELS
from mmengine.config import Config

from tests.engine.checkpoints import CONFIG, fill

RECOVERY = ROOT / 'tests' / 'engine' / 'recovery'


@pytest.fixture
def make():
    """A function from a model's config to a checkpoint as MMEngine saves it."""

    def checkpoint(model, prefix='', **config):
        torch.manual_seed(0)
        weights = fill(MODELS.build(model)).state_dict()
        return dict(
            meta=dict(
                cfg=Config(dict(CONFIG, model=model, **config)).pretty_text,
                epoch=24,
                experiment_name='of_someone',
            ),
            state_dict={prefix + key: value for key, value in weights.items()},
            optimizer=dict(state={0: torch.zeros(3)}),
            message_hub=dict(log_scalars={}),
            relabel=dict(features=torch.zeros(2, 4)),
        )

    return checkpoint


@pytest.fixture(scope='session')
def server():
    """A function that runs train.py in processes of its own and returns their exit codes."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / 'tests'), str(RECOVERY)])
    environment = dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    process = subprocess.Popen(
        [sys.executable, str(RECOVERY / 'fork_server.py')],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'ready\n'

    def run(*arguments, log, delay=None, processes=1):
        request = dict(arguments=[str(a) for a in arguments], log=str(log), delay=delay)
        request.update(processes=processes, port=free_port())
        process.stdin.write(json.dumps(request) + '\n')
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()
    process.wait(60)
