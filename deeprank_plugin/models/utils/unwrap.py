"""Removes the wrapper that distributed training puts around a model."""

from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn


def unwrap(model: nn.Module) -> Any:
    """The model inside a distributed wrapper; any other model unchanged."""
    return model.module if is_model_wrapper(model) else model
