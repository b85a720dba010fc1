"""Compiles the encoders of a model for training."""

from typing import Dict, List

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from torch import nn

from deeprank_plugin.models.utils import unwrap

ENCODERS = ('backbone', 'key_backbone')  # the second is MoCo's momentum encoder

CUDA_GRAPHS = ('max-autotune', 'reduce-overhead')  # modes of torch.compile that capture them


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles each encoder of a model by ``torch.compile``, in place, before training.

    An encoder is one graph, and its weights keep their names in checkpoints. The first steps are
    slow. MMEngine's ``compile=True`` would compile the training step instead, whose samples have
    other names each time, and so compile again and again.

    Validation and extraction are not compiled: in eval mode absent bodies are left out, so that
    their batches differ in size.

    Args:
        **options: Arguments of ``torch.compile``, such as ``mode='max-autotune-no-cudagraphs'``.

    Raises:
        ValueError: If the model has no encoder named ``backbone``, or if the mode has CUDA graphs:
            these overwrite the gradients that one encoder has left when the next one runs.
    """

    def __init__(self, **options) -> None:
        if options.get('mode') in CUDA_GRAPHS:
            raise ValueError(
                f'mode={options["mode"]!r} has CUDA graphs, which overwrite the gradients of an '
                'encoder when the next one runs; expected max-autotune-no-cudagraphs, or no mode'
            )
        self.options: Dict = options

    def before_train(self, runner) -> None:
        """Compile."""
        encoders = find_encoders(unwrap(runner.model))
        for encoder in encoders:
            encoder.compile(**self.options)
        runner.logger.info(f'Compiled {len(encoders)} encoder(s): the first steps will be slow.')


def find_encoders(model: nn.Module) -> List[nn.Module]:
    """Submodules of a model that are encoders, by their name."""
    found = [m for name, m in model.named_modules() if name.rpartition('.')[2] in ENCODERS]
    if not found:
        raise ValueError(
            f'{type(model).__name__} has no submodule named {" or ".join(ENCODERS)}, which '
            'CompileHook compiles; expected one: remove CompileHook from default_hooks'
        )
    return found
