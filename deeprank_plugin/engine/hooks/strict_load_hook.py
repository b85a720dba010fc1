"""Rejects the checkpoint of another network before testing, finetuning or resuming."""

import re
from typing import Iterable, List, Mapping, Sequence

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from deeprank_plugin.engine.encoders import list_some, strip_module
from deeprank_plugin.engine.initializers import compare_state_dicts
from deeprank_plugin.models.utils import unwrap


@HOOKS.register_module()
class StrictLoadHook(Hook):
    """Raises if a checkpoint that the runner loads does not match the model.

    MMEngine only warns, so that a test would report the accuracy of random weights.

    Args:
        allow_missing (Sequence[str]): Regular expressions; model keys whose beginning matches one
            may be missing from the checkpoint. Defaults to ``()``.
        allow_unexpected (Sequence[str]): The same for checkpoint keys that the model lacks.
            Defaults to ``()``.
    """

    def __init__(
        self, allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = ()
    ) -> None:
        for name, patterns in (
            ('allow_missing', allow_missing),
            ('allow_unexpected', allow_unexpected),
        ):
            if isinstance(patterns, str):
                raise TypeError(
                    f'StrictLoadHook: {name} is the string {patterns!r}; expected a list of '
                    f'regular expressions: write [{patterns!r}].'
                )
        self.allow_missing = tuple(allow_missing)
        self.allow_unexpected = tuple(allow_unexpected)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare the checkpoint's weights with the model's before they are copied.

        Args:
            runner (Runner): The runner that loads it.
            checkpoint (dict): What the file holds: a ``state_dict`` and more, or weights only.

        Raises:
            ValueError: If keys are missing or unexpected or shapes differ.
        """
        model = unwrap(runner.model)
        weights: Mapping = checkpoint.get('state_dict', checkpoint)
        difference = compare_state_dicts(strip_module(weights), model.state_dict())
        missing = self._remaining(difference.missing, self.allow_missing)
        unexpected = self._remaining(difference.unexpected, self.allow_unexpected)
        if missing or unexpected or difference.reshaped:
            name = f'{runner._load_from!r} ' if runner._load_from else ''
            raise ValueError(
                f'The checkpoint {name}is of another network than {type(model).__name__}; '
                f'missing: {list_some(missing)}; unexpected: {list_some(unexpected)}; '
                f'of another shape: {list_some(difference.reshaped)}. Use the config that the '
                'checkpoint was trained with. To load an encoder only, use '
                "init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.') in place of "
                'load_from; to accept certain keys, set allow_missing or allow_unexpected of '
                'StrictLoadHook.'
            )

    @staticmethod
    def _remaining(keys: Iterable[str], patterns: Sequence[str]) -> List[str]:
        return [key for key in keys if not any(re.match(pattern, key) for pattern in patterns)]
