"""Stop before a loss or gradient that is not finite reaches the weights."""

import math
from typing import Any, Dict, List, Optional

import torch
from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from torch import Tensor
from torch.nn.utils import get_total_norm

from deeprank_plugin.engine.initializers import list_some
from deeprank_plugin.engine.recovery.non_finite import stop
from deeprank_plugin.models.utils import unwrap


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Ends a run whose loss or gradient is NaN or infinite, before the optimiser's step.

    ``non_finite_<iteration>.json`` in the work dir then names the samples of the batch with losses
    and learning rate, and ``.pth`` beside it holds the weights as they were before that step, the
    running statistics and queues that the forward pass changes included.

    The largest gradient is looked at just before each step. A loss that is not finite makes its
    gradients NaN on purpose, and ``DistributedDataParallel`` hands these to all processes, so that
    all of them stop at the same step without asking each other. Finite numbers stay as they are,
    bit by bit.

    With mixed precision ``GradScaler`` skips such a step and lowers its scale, which is how it
    finds one that fits: only more than ``max_skipped`` skipped steps in a row end the run.

    Args:
        max_skipped (int): Defaults to 20: PyTorch's first scale is 2 ** 16, halved at each.

    Raises:
        ValueError: If ``max_skipped`` is negative.
    """

    priority = 'VERY_LOW'  # before_train_iter: after whatever else changes the weights

    def __init__(self, max_skipped: int = 20) -> None:
        if max_skipped < 0:
            raise ValueError(f'max_skipped={max_skipped}; expected 0 or more')
        self.max_skipped = max_skipped
        self.skipped = 0  # steps in a row that GradScaler left out
        self.stepped = False
        self.batches: List[Dict] = []  # of this step: more than one with accumulated gradients
        self.losses: List[Dict[str, Tensor]] = []
        self.kept: Dict[str, Tensor] = {}
        self.handles: List = []

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Refuse to resume from weights that this hook has kept: they are from within an epoch."""
        if runner._resume and checkpoint.get('meta', {}).get('non_finite'):
            raise ValueError(
                'the checkpoint to resume from holds the weights before a step that was not '
                'finite, from within an epoch and without the optimiser; expected an ordinary '
                'one: resume from an epoch_<n>.pth, or start anew from these weights by load_from'
            )

    def before_train(self, runner) -> None:
        """Watch the losses, and the gradients at each step."""
        optimizer = runner.optim_wrapper.optimizer

        def watch_losses(model, args, kwargs, losses):
            if kwargs.get('mode') != 'loss' or not torch.is_grad_enabled():
                return losses
            self.losses.append({name: as_total(value) for name, value in losses.items()})
            return {
                name: taint(value) if 'loss' in name else value for name, value in losses.items()
            }

        def watch_gradients(optimizer, args, kwargs) -> None:
            finite = gradient_is_finite(optimizer)
            if finite:
                self.stepped = True
            elif not uses_scaler(runner.optim_wrapper):
                self._stop(runner)

        self.handles = [
            unwrap(runner.model).register_forward_hook(watch_losses, with_kwargs=True),
            optimizer.register_step_pre_hook(watch_gradients),
        ]

    def after_train(self, runner) -> None:
        """Watch no longer."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    @torch.no_grad()
    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Keep what the forward pass changes, as it was before the step."""
        if not self.batches and not self.skipped:
            tensors = forward_state(unwrap(runner.model))
            if self.kept.keys() != tensors.keys():
                self.kept = {name: tensor.clone() for name, tensor in tensors.items()}
            else:
                copy_all(list(self.kept.values()), list(tensors.values()))
        self.batches.append(data_batch)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Count the steps that ``GradScaler`` skips."""
        wrapper = runner.optim_wrapper
        if not wrapper.should_update():
            return
        if uses_scaler(wrapper):
            self.skipped = 0 if self.stepped else self.skipped + 1
            if self.skipped > self.max_skipped:
                self._stop(runner)
        self.stepped = False
        self.batches, self.losses = [], []

    def _stop(self, runner) -> None:
        """Put the weights back to what they were before the step, report and raise."""
        model = unwrap(runner.model)
        gradients = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all())
        ]
        losses = [{n: float(value) for n, value in step.items()} for step in self.losses]
        with torch.no_grad():
            tensors = forward_state(model)
            copy_all([tensors[name] for name in self.kept], list(self.kept.values()))
        samples = [sample for batch in self.batches for sample in describe_batch(batch)]
        own = dict(rank=get_rank(), losses=losses, samples=samples)
        processes = all_gather_object(own)
        broken = {
            name
            for process in processes
            for step in process['losses']
            for name, value in step.items()
            if 'loss' in name and not math.isfinite(value)
        }
        what = f'the loss ({list_some(sorted(broken))})' if broken else 'the gradient'
        report = dict(
            what='loss' if broken else 'gradient',
            lr=runner.optim_wrapper.get_lr(),
            skipped_steps=self.skipped,
            gradients_not_finite=gradients,
            processes=processes,
        )
        often = f', and was not in {self.skipped} steps in a row' if self.skipped else ''
        count = sum(len(process['samples']) for process in processes)
        stop(
            runner,
            str(runner.iter),
            report,
            f'{what} is not finite at iteration {runner.iter} (epoch {runner.epoch + 1}, '
            f'{count} samples){often}',
        )


def uses_scaler(wrapper) -> bool:
    """Whether ``GradScaler`` decides which steps are taken."""
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler is not None and scaler.is_enabled()


def gradient_is_finite(optimizer: torch.optim.Optimizer) -> bool:
    """Whether all gradients that a step would use are finite."""
    gradients = [
        parameter.grad
        for group in optimizer.param_groups
        for parameter in group['params']
        if parameter.grad is not None
    ]
    return not gradients or math.isfinite(get_total_norm(gradients, norm_type=math.inf))


def forward_state(model: torch.nn.Module) -> Dict[str, Tensor]:
    """What a forward pass may change: buffers, and parameters that no optimiser trains."""
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return {**dict(model.named_buffers()), **frozen}


def copy_all(targets: List[Tensor], sources: List[Tensor]) -> None:
    """Copy tensors into others, those of one type at once."""
    groups: Dict[Any, List] = {}
    for target, source in zip(targets, sources):
        groups.setdefault((target.device, target.dtype), []).append((target, source))
    for pairs in groups.values():
        torch._foreach_copy_([t for t, _ in pairs], [s for _, s in pairs])


def as_total(value) -> Tensor:
    """A loss, or the sum of a list of losses, without its graph."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return torch.stack([part.detach().float().mean() for part in parts]).sum()


def taint(value):
    """A loss (or a list of losses) as it is, whose gradient is NaN where it is not finite."""
    if isinstance(value, (list, tuple)):
        return [taint(part) for part in value]
    factor = torch.ones_like(value).masked_fill(~torch.isfinite(value), math.nan)
    return value * factor


def describe_batch(batch: Optional[Dict]) -> List[Dict[str, Any]]:
    """Name of each sample, whether its input is finite, and the largest absolute value of it."""
    described = []
    for index, (inputs, sample) in enumerate(zip(batch['inputs'], batch['data_samples'])):
        meta = sample.metainfo
        parts = inputs.values() if isinstance(inputs, dict) else [inputs]
        largest = max(float(part.abs().max()) for part in parts)
        described.append(
            dict(
                name=meta.get('frame_dir', meta.get('filename', f'number {index} of the batch')),
                sample_idx=meta.get('sample_idx'),
                finite=math.isfinite(largest),
                largest=largest,
            )
        )
    return described
