"""Checkpoints as MMEngine saves them."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from tests.engine.checkpoints import CONFIG, fill


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
