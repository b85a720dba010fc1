"""Freezes parts of a model, or their statistics, while the rest is trained."""

from typing import Sequence

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from torch.nn.modules.batchnorm import _BatchNorm

from deeprank_plugin.models.utils import unwrap


@HOOKS.register_module()
class FreezeHook(Hook):
    """Freezes parts of a model: no gradients, and eval mode, so BatchNorm keeps its statistics.

    For distributed training set ``find_unused_parameters=True`` in the config: the model is wrapped
    before hooks run.

    Args:
        modules (Sequence[str]): Names of submodules. Defaults to ('backbone',).
    """

    def __init__(self, modules: Sequence[str] = ('backbone',)) -> None:
        self.modules = tuple(modules)

    def _frozen(self, runner) -> list:
        return [unwrap(runner.model).get_submodule(name) for name in self.modules]

    def before_train(self, runner) -> None:
        """Turn off the gradients."""
        for module in self._frozen(runner):
            module.requires_grad_(False)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Return to eval mode: the training loop puts the whole model into training mode."""
        for module in self._frozen(runner):
            module.eval()


@HOOKS.register_module()
class FixNormHook(Hook):
    """Keeps the statistics of BatchNorm: its layers stay in eval mode, their weights are trained.

    As ``norm_eval`` of MMAction2's image backbones.

    Args:
        modules (Sequence[str]): Names of submodules. Defaults to ('backbone',).
    """

    def __init__(self, modules: Sequence[str] = ('backbone',)) -> None:
        self.modules = tuple(modules)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Return to eval mode: the training loop puts the whole model into training mode."""
        for name in self.modules:
            for layer in unwrap(runner.model).get_submodule(name).modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
