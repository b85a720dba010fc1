"""A momentum (EMA) teacher: encoders that follow those in training."""

import copy
from typing import List, Mapping

import torch
from torch import Tensor, nn


class MomentumTeacher(nn.Module):
    """Exponential moving average of encoders, parameters and buffers alike.

    As in Mean Teacher (Tarvainen and Valpola, NeurIPS 2017) and BYOL: after :meth:`update` each
    floating-point tensor is momentum * itself + (1 - momentum) * the student's. The teacher stays
    in eval mode, so BatchNorm takes the averaged statistics.

    MMEngine's ``ExponentialMovingAverage`` averages tensors that it collected when it was built,
    which ``to(device)`` replaces, and waits for the device in every step.

    Args:
        encoders (Mapping[str, nn.Module]): The students, by modality; copied.
        momentum (float): Share of the teacher in an update, from 0 to 1; 1 keeps the first one.

    Raises:
        ValueError: If the momentum is out of range.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], momentum: float) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(f'teacher_momentum={momentum}; expected a number from 0 to 1')
        self.momentum = momentum
        self.encoders = nn.ModuleDict({name: copy.deepcopy(e) for name, e in encoders.items()})
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> 'MomentumTeacher':
        """Stay in eval mode, whatever the model is set to."""
        return super().train(False)

    @torch.no_grad()
    def copy(self, encoders: Mapping[str, nn.Module]) -> None:
        """Become an exact copy of the students."""
        for name, teacher in self.encoders.items():
            teacher.load_state_dict(encoders[name].state_dict())

    @torch.no_grad()
    def update(self, encoders: Mapping[str, nn.Module]) -> None:
        """Take one step towards the students; integers, which count batches, are copied."""
        own: List[Tensor] = []
        theirs: List[Tensor] = []
        for name, teacher in self.encoders.items():
            for ours, others in (
                (teacher.parameters(), encoders[name].parameters()),
                (teacher.buffers(), encoders[name].buffers()),
            ):
                for mine, other in zip(ours, others):
                    if not mine.is_floating_point():
                        mine.copy_(other)
                        continue
                    own.append(mine)
                    theirs.append(other)
        torch._foreach_lerp_(own, theirs, 1 - self.momentum)
