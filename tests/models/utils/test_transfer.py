"""Small tensors on their way to a device."""

import torch

from deeprank_plugin.models.utils import to_device


def test_values_arrive():
    tensor = torch.arange(3)
    assert to_device(tensor, torch.device('cpu')) is tensor
    assert to_device(tensor, torch.device('meta')).device.type == 'meta'


def test_a_gpu_copies_from_pinned_memory(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda tensor: calls.append('pin') or tensor)
    monkeypatch.setattr(
        torch.Tensor, 'to', lambda tensor, *args, **kwargs: calls.append((args, kwargs)) or tensor
    )
    device = torch.device('cuda', 0)
    to_device(torch.arange(3), device)
    assert calls == ['pin', ((device,), dict(non_blocking=True))]
