"""From the host to a device, without waiting for it."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A small tensor of the host, on a device.

    From ordinary memory CUDA copies only after all work before it is done; from pinned memory the
    copy takes its turn, and the host goes on.

    Args:
        tensor (Tensor): Of the host; it must not be changed afterwards.
        device (torch.device): The device.
    """
    if device.type == 'cuda' and tensor.device.type == 'cpu':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
