"""Enters a step's losses in the log without waiting for the device."""

from collections import deque
from typing import Deque, Dict, List, Optional, Tuple

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook, LoggerHook, RuntimeInfoHook
from torch import Tensor

from deeprank_plugin.engine.recovery.finite_guard_hook import Transfer


@HOOKS.register_module()
class LateInfoHook(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, which does not make each step wait for its losses.

    MMEngine reads every loss and accuracy from the device after every step, which then has nothing
    to do until the host has launched the next one. On an accelerator this hook copies them together
    and asynchronously, and enters them a step later. It reads at once where something is about to
    read the log: steps that are logged or saved, and the last of an epoch. The log is the same.

    Args:
        late (bool, optional): Whether to read a step later. Defaults to None: if the losses are on
            an accelerator.
    """

    def __init__(self, late: Optional[bool] = None) -> None:
        self.late = late
        self.pending: Deque[Tuple[List[str], Transfer]] = deque()
        self.intervals: List[Tuple[bool, int]] = []  # whether they count within an epoch, steps

    def before_train(self, runner) -> None:
        """Find out which steps are logged or saved."""
        super().before_train(runner)
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                self.intervals.append((True, hook.interval))
            elif isinstance(hook, CheckpointHook) and not hook.by_epoch:
                self.intervals.append((False, hook.interval))

    def after_train_iter(
        self, runner, batch_idx: int, data_batch=None, outputs: Optional[Dict] = None
    ) -> None:
        """Enter the losses of the last step, and where needed of this one."""
        values = {
            name: value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.double)
            for name, value in (outputs or {}).items()
        }
        late = self.late
        if late is None:
            late = any(value.device.type != 'cpu' for value in values.values())
        if not (late and values):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            return
        device = next((v.device for v in values.values() if v.device.type != 'cpu'), 'cpu')
        numbers = [value.detach().reshape(()).to(device, torch.double) for value in values.values()]
        self.pending.append((list(values), Transfer(torch.stack(numbers))))
        at_once = self.end_of_epoch(runner.train_dataloader, batch_idx) or any(
            self.every_n_inner_iters(batch_idx, interval)
            if within_epoch
            else self.every_n_train_iters(runner, interval)
            for within_epoch, interval in self.intervals
        )
        self._enter(runner, unread=0 if at_once else 1)

    def before_saving(self, runner) -> None:
        """Enter all before ``TerminationHook`` saves the log with the weights."""
        self._enter(runner)

    def after_train(self, runner) -> None:
        """Enter what is left."""
        self._enter(runner)
        super().after_train(runner)

    def _enter(self, runner, unread: int = 0) -> None:
        while len(self.pending) > unread:
            names, transfer = self.pending.popleft()
            for name, value in zip(names, transfer.wait().tolist()):
                runner.message_hub.update_scalar(f'train/{name}', value)
