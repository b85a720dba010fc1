"""Loads what a runner tests, where an encoder is all that its model has weights of (k-NN)."""

from typing import Optional, cast

from mmengine.runner import Runner
from torch import nn

from deeprank_plugin.models.utils.unwrap import unwrap

from .exposure import describe_use
from .identity import identify_model
from .initializers import Pretrained


def load_encoder(runner: Runner) -> None:
    """Load the encoder of a model that has nothing else from any checkpoint that holds it.

    That may be one of MV-DeepRank, of which the encoder of the model's modality is taken, of MoCo
    or of a recogniser, as for :class:`Pretrained`. Checkpoints of other models are left to the
    runner.

    Args:
        runner (Runner): Whose ``load_from`` is the checkpoint; it is None afterwards, if the
            encoder was loaded. The test loop is built: its data tell what the encoder is used on.

    Raises:
        ValueError: If there is no checkpoint and the model has weights, or the reverse; or as
            :class:`Pretrained` says.
    """
    model = unwrap(runner.model)
    require_fit(model, runner._load_from)
    if runner._load_from is None or any(
        not key.startswith('backbone.') for key in model.state_dict()
    ):
        return
    takes = identify_model(model)
    _ = runner.test_loop
    strict = (runner.cfg.get('default_hooks') or {}).get('strict_load') or {}
    allow_other = strict.get('allow_other', ())
    Pretrained(
        runner._load_from,
        modality=cast(Optional[str], takes.modality),  # a model of one encoder
        layout=takes.layout,
        allow_other=allow_other,
        segments=takes.segments or 1,
        use=describe_use(runner, 'tested' in allow_other),
    )(model.backbone)
    runner._load_from = None


def require_fit(model: nn.Module, checkpoint: Optional[str]) -> None:
    """Check that there is a checkpoint if the model has weights, and none if it has none.

    Raises:
        ValueError: Says what to change.
    """
    if checkpoint is None and model.state_dict():
        raise ValueError(
            f'{type(model).__name__} has weights; expected a checkpoint of them: name it after the '
            'config'
        )
    if checkpoint is not None and not model.state_dict():
        raise ValueError(
            f'{type(model).__name__} has no weights here; expected no checkpoint: leave '
            f'{checkpoint!r} out'
        )
