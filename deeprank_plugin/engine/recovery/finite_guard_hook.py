"""Stops a run whose loss or gradient is no longer finite."""

import math
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Set

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import CheckpointHook, Hook
from torch import Tensor

from deeprank_plugin.engine.encoders import list_some
from deeprank_plugin.engine.recovery.non_finite import stop_run
from deeprank_plugin.models.utils import unwrap

State = Dict[str, Tensor]


@HOOKS.register_module()
class FiniteGuardHook(Hook):
    """Stops a run whose loss or gradient is NaN or infinite.

    ``non_finite_<iteration>.json`` in the work dir then lists the samples of the batch, losses and
    learning rate; ``non_finite_<iteration>.pth`` holds the weights from before that step,
    including the running statistics and queues that its forward pass changed. Both describe the
    failed step, whenever the run stops.

    **When it stops.** On the CPU, before the optimiser's step. On an accelerator (``late``), one
    step later, because reading a result at once would make every step wait for the device. The
    largest gradients of a step are then copied to the host asynchronously and read after the next
    step, and the hook holds two copies of weights and buffers, which are restored when it stops.
    The last step of an epoch, and any step before a checkpoint, is read at once: no epoch
    ends and no checkpoint is written with non-finite weights.

    The gradients of a non-finite loss are made NaN on purpose: ``DistributedDataParallel`` sends
    them to all processes, so all stop at the same step without further communication. Finite losses
    and gradients stay the same, bit for bit.

    **Mixed precision.** ``GradScaler`` skips a step whose gradient is not finite and lowers its
    scale. This is not a failure, unless more than ``max_skipped`` steps in a row are skipped. Steps
    that it takes are not checked again; as the host knows them at once, nothing is read late.

    Args:
        max_skipped (int): Steps in a row that may be skipped. Defaults to 20: PyTorch's first scale
            is 2 ** 16, and each skipped step halves it.
        late (bool, optional): Whether to read each result one step late. Defaults to None: if
            the model is on an accelerator, unless ``GradScaler`` reads results anyway.

    Raises:
        ValueError: If ``max_skipped`` is negative.
    """

    # after hooks that change the weights before an iteration, before those that save checkpoints
    priority = 'LOW'

    def __init__(self, max_skipped: int = 20, late: Optional[bool] = None) -> None:
        if max_skipped < 0:
            raise ValueError(f'max_skipped={max_skipped}; expected 0 or more')
        self.max_skipped = max_skipped
        self.late = late
        self.skipped = 0  # steps in a row that GradScaler skipped
        self.step: Optional[Step] = None  # in progress
        self.pending: Deque[Step] = deque()  # taken, but not read yet
        self.before_skipped: Optional[State] = None  # state before the first of the skipped steps
        self.spare: List[State] = []  # memory for the next copies
        self.save_intervals: List[int] = []
        self.handles: List = []

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Reject a checkpoint of this hook for resuming, as it is from within an epoch."""
        if runner._resume and checkpoint.get('meta', {}).get('non_finite'):
            raise ValueError(
                'the checkpoint to resume from holds the weights before a step that was not '
                'finite, from within an epoch and without the optimiser; expected an ordinary '
                'one: resume from an epoch_<n>.pth, or start a new run from these weights by '
                'load_from'
            )

    def before_train(self, runner) -> None:
        """Watch the losses, and the gradients at each step."""
        model, optimizer = unwrap(runner.model), runner.optim_wrapper.optimizer
        if self.late is None:
            on_device = next(model.parameters()).device.type != 'cpu'
            self.late = on_device and not scaler_decides(runner.optim_wrapper)
        self.save_intervals = [
            hook.interval
            for hook in runner.hooks
            if isinstance(hook, CheckpointHook) and not hook.by_epoch and hook.interval > 0
        ]

        def watch_losses(model, args, kwargs, losses):
            if kwargs.get('mode') != 'loss' or not torch.is_grad_enabled() or self.step is None:
                return losses
            self.step.losses.append({name: as_total(value) for name, value in losses.items()})
            return {
                name: with_nan_gradient(value) if 'loss' in name else value
                for name, value in losses.items()
            }

        def watch_gradients(optimizer, args, kwargs) -> None:
            if self.step is not None:
                self._watch_step(runner, optimizer, self.step)

        self.handles = [
            model.register_forward_hook(watch_losses, with_kwargs=True),
            optimizer.register_step_pre_hook(watch_gradients),
        ]

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        """Copy the state that the step is about to change."""
        if self.step is None:
            self.step = Step(self._copy_state(unwrap(runner.model)))
        self.step.begin_batch(runner, data_batch)

    def _watch_step(self, runner, optimizer: torch.optim.Optimizer, step: 'Step') -> None:
        scaled = uses_scaler(runner.optim_wrapper)
        if scaler_decides(runner.optim_wrapper):
            step.taken = True  # GradScaler has checked the gradient itself
            return
        step.parameters = parameters_with_gradient(optimizer)
        step.largest = Transfer(largest_gradients(step.parameters))
        if not (self.late or scaled or step.is_finite()):
            self._stop(runner, step)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Read the results of former steps; at the end of an epoch, of this one as well."""
        if self.step is None or not runner.optim_wrapper.should_update():
            return
        self.pending.append(self.step)
        self.step = None
        at_once = (
            not self.late
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
            or any(self.every_n_train_iters(runner, number) for number in self.save_intervals)
        )
        self._read(runner, unread=0 if at_once else 1)

    def before_saving(self, runner) -> None:
        """Read all results before ``TerminationHook`` saves the weights (in all processes)."""
        self._read(runner)

    def after_train(self, runner) -> None:
        """Read what is left, and stop watching."""
        self._read(runner)
        for handle in self.handles:
            handle.remove()
        self.handles = []

    # ------------------------------------------------------------------ judging steps

    def _read(self, runner, unread: int = 0) -> None:
        """Read the results of all steps but the last ``unread`` ones; stop at a non-finite one."""
        scaled = uses_scaler(runner.optim_wrapper)
        while len(self.pending) > unread:
            step = self.pending.popleft()
            if step.is_finite(when_not_taken=not scaled):
                self.skipped = 0
                self.spare.append(step.state)
                if self.before_skipped is not None:
                    self.spare.append(self.before_skipped)
                    self.before_skipped = None
                continue
            if not scaled:
                self._stop(runner, step)
            self.skipped += 1
            if self.skipped > self.max_skipped:
                self._stop(runner, step)
            if self.before_skipped is None:
                self.before_skipped = step.state
            else:
                self.spare.append(step.state)

    @torch.no_grad()
    def _copy_state(self, model: torch.nn.Module) -> State:
        """A copy of what the step may change before its result is read."""
        tensors = changing_state(model, with_weights=bool(self.late))
        state = self.spare.pop() if self.spare else {}
        if state.keys() == tensors.keys():
            copy_all(list(state.values()), list(tensors.values()))
            return state
        return {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def _stop(self, runner, step: 'Step') -> None:
        """Restore the state from before a step, report it and raise."""
        model = unwrap(runner.model)
        bad = step.bad_parameters()
        gradients = [name for name, p in model.named_parameters() if id(p) in bad]
        losses = [{n: float(value) for n, value in batch.items()} for batch in step.losses]
        state = step.state if self.before_skipped is None else self.before_skipped
        with torch.no_grad():
            tensors = changing_state(model, with_weights=True)
            copy_all([tensors[name] for name in state], list(state.values()))
        self.pending.clear()
        samples = [sample for batch in step.batches for sample in describe_batch(batch)]
        processes = all_gather_object(dict(rank=get_rank(), losses=losses, samples=samples))
        broken = {
            name
            for process in processes
            for batch in process['losses']
            for name, value in batch.items()
            if 'loss' in name and not math.isfinite(value)
        }
        what = f'the loss ({list_some(sorted(broken))})' if broken else 'the gradient'
        report = dict(
            what='loss' if broken else 'gradient',
            iteration=step.iteration,
            epoch=step.epoch + 1,
            lr=step.lr,
            skipped_steps=self.skipped,
            gradients_not_finite=gradients,
            processes=processes,
        )
        often = f', and was not in {self.skipped} steps in a row' if self.skipped else ''
        count = sum(len(process['samples']) for process in processes)
        stop_run(
            runner,
            str(step.iteration),
            report,
            f'{what} is not finite at iteration {step.iteration} (epoch {step.epoch + 1}, '
            f'{count} samples){often}',
        )


class Step:
    """One step of the optimiser, kept until its result has been read.

    Args:
        state (dict[str, Tensor]): Copy of the model's state before the step.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.iteration = self.epoch = 0
        self.lr: Dict[str, List[float]] = {}
        self.batches: List[Dict] = []  # more than one with accumulated gradients
        self.losses: List[Dict[str, Tensor]] = []
        self.parameters: List[Tensor] = []
        self.largest: Optional[Transfer] = None  # of their gradients
        self.taken = False  # by GradScaler, which checks the gradient itself

    def begin_batch(self, runner, data_batch: Dict) -> None:
        """Record what the report of a failure needs."""
        self.iteration, self.epoch = runner.iter, runner.epoch
        self.lr = runner.optim_wrapper.get_lr()
        self.batches.append(data_batch)

    def is_finite(self, when_not_taken: bool = True) -> bool:
        """Whether the gradient was finite.

        Args:
            when_not_taken (bool): The answer for a step that the optimiser did not take.
        """
        if self.largest is None:
            return self.taken or when_not_taken
        return bool(np.isfinite(self.largest.wait()).all())

    def bad_parameters(self) -> Set[int]:
        """The ``id`` of each parameter whose gradient was not finite."""
        if self.largest is None:
            return set()
        return {id(p) for p, n in zip(self.parameters, self.largest.wait()) if not np.isfinite(n)}


class Transfer:
    """An asynchronous copy of numbers to the host, which waits only when it reads them.

    Args:
        values (Tensor): On any device, of shape (P,).
    """

    def __init__(self, values: Tensor) -> None:
        # from CUDA, PyTorch copies into pinned memory, which the device writes by itself
        self.values = values.to('cpu', non_blocking=values.is_cuda)
        self.event = None
        if values.is_cuda:
            self.event = torch.cuda.current_stream(values.device).record_event()

    def wait(self) -> np.ndarray:
        """Wait for the copy, and return the numbers, of shape (P,)."""
        if self.event is not None:
            self.event.synchronize()
        return self.values.numpy()


def uses_scaler(wrapper) -> bool:
    """Whether ``GradScaler`` decides which steps are taken."""
    scaler = getattr(wrapper, 'loss_scaler', None)
    return scaler is not None and scaler.is_enabled()


def scaler_decides(wrapper) -> bool:
    """Whether ``GradScaler`` tells the host which steps are taken; fused optimisers do not."""
    return uses_scaler(wrapper) and not getattr(
        wrapper.optimizer, '_step_supports_amp_scaling', False
    )


def parameters_with_gradient(optimizer: torch.optim.Optimizer) -> List[Tensor]:
    """Parameters that a step would change."""
    groups = optimizer.param_groups
    return [p for group in groups for p in group['params'] if p.grad is not None]


@torch.no_grad()
def largest_gradients(parameters: List[Tensor]) -> Tensor:
    """The largest absolute gradient of each parameter.

    Args:
        parameters (list[Tensor]): P parameters with a gradient.

    Returns:
        Tensor: Of shape (P,), in float32, on the gradients' device; NaN and inf are kept.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros(0)
    norms: List[Tensor] = [gradients[0]] * len(gradients)
    groups: Dict[Any, List[int]] = {}
    for index, gradient in enumerate(gradients):
        groups.setdefault((gradient.device, gradient.dtype), []).append(index)
    for indices in groups.values():
        for index, norm in zip(
            indices, torch._foreach_norm([gradients[i] for i in indices], math.inf)
        ):
            norms[index] = norm
    return torch.stack([norm.to(gradients[0].device, torch.float32) for norm in norms])


def changing_state(model: torch.nn.Module, with_weights: bool) -> State:
    """Tensors that a step changes.

    Args:
        model (nn.Module): Any model.
        with_weights (bool): If False, only what the forward pass may change: buffers, and
            parameters that no optimiser trains, such as those of a momentum encoder.
    """
    weights = {n: p for n, p in model.named_parameters() if with_weights or not p.requires_grad}
    return {**dict(model.named_buffers()), **weights}


def copy_all(targets: List[Tensor], sources: List[Tensor]) -> None:
    """Copy tensors into others, one call per device and type."""
    groups: Dict[Any, List] = {}
    for target, source in zip(targets, sources):
        groups.setdefault((target.device, target.dtype), []).append((target, source))
    for pairs in groups.values():
        torch._foreach_copy_([t for t, _ in pairs], [s for _, s in pairs])


def as_total(value) -> Tensor:
    """A loss, or the sum of a list of losses, detached."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return torch.stack([part.detach().float().mean() for part in parts]).sum()


def with_nan_gradient(value):
    """A loss (or a list of losses) unchanged, but with a NaN gradient if it is not finite."""
    if isinstance(value, (list, tuple)):
        return [with_nan_gradient(part) for part in value]
    factor = torch.ones_like(value).masked_fill(~torch.isfinite(value), math.nan)
    return value * factor


def describe_batch(batch: Dict) -> List[Dict[str, Any]]:
    """Name of each sample, whether its input is finite, and its largest absolute value."""
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
