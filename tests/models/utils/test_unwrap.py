"""The model behind a wrapper."""

from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from deeprank_plugin.models.utils import unwrap


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module


def test_only_wrappers_are_taken_off(monkeypatch):
    model = nn.Linear(1, 1)
    assert unwrap(model) is model
    of_its_own = Wrapper(model)  # a model that merely has a part of this name
    assert unwrap(of_its_own) is of_its_own
    monkeypatch.setitem(MODEL_WRAPPERS._module_dict, 'Wrapper', Wrapper)
    assert unwrap(of_its_own) is model
