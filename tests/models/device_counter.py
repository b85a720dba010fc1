"""Counts how often code waits for a device, with 'meta' in the place of a GPU and data on 'cpu'."""

from collections import Counter
from typing import Any, List

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

COPIES = ('aten::_to_copy', 'aten::copy_')
FROM_NUMBERS = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
INDEXING = (Tensor.__getitem__, Tensor.__setitem__)
# On a GPU their result's shape or value must be known before the host goes on.
DEPENDENT = ('aten::nonzero', 'aten::masked_select', 'aten::bincount', 'aten::equal')


def on_meta(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def stand_in(tensor: Tensor) -> Tensor:
    """Values on the host for a tensor that has none: random numbers, ones, or True."""
    if tensor.is_floating_point():
        return torch.rand(tensor.shape, dtype=tensor.dtype)
    return torch.ones(tensor.shape, dtype=tensor.dtype)


def indexes_by_mask(name: str, args: tuple) -> bool:
    """Whether a mask on the device selects entries, so that their number must be read."""
    if name not in ('aten::index', 'aten::index_put_', 'aten::index_put'):
        return False
    masked = any(on_meta(i) and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    # one value for all masked entries needs no number: PyTorch takes masked_fill
    return masked and (name == 'aten::index' or args[2].dim() > 0)


class TensorsFromNumbers(TorchFunctionMode):
    """Counts tensors made from numbers on the device, which no dispatch mode sees on 'meta'.

    A list as an index is one: PyTorch copies it to the device, and waits.
    """

    def __init__(self, counter: 'DeviceCounter') -> None:
        super().__init__()
        self.counter = counter

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func in INDEXING and on_meta(args[0]):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            self.count(sum(isinstance(part, (list, np.ndarray)) for part in index))
        if func not in FROM_NUMBERS:
            return result
        data = args[1] if func is Tensor.new_tensor else args[0] if args else kwargs['data']
        if result.is_meta and not isinstance(data, Tensor):
            self.count(1)
        return result

    def count(self, number: int) -> None:
        """Count copies that block."""
        self.counter.copies += number
        self.counter.blocking += number


class DeviceCounter(TorchDispatchMode):
    """Counts what makes the host wait for the device, or copies to it.

    Attributes:
        waits: Results that the host waits for, by operation: ``.item()``, ``int()``, ``if tensor``,
            copies to the host, and shapes that depend on values.
        copies: Copies to the device, and those to the host that are ``non_blocking``.
        blocking: Those to the device that are not ``non_blocking``.

    Raises:
        RuntimeError: If an operation mixes tensors of both, as a GPU would.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter = Counter()
        self.copies = self.blocking = 0
        self.numbers = TensorsFromNumbers(self)

    def __enter__(self) -> 'DeviceCounter':
        self.numbers.__enter__()
        return super().__enter__()

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        self.numbers.__exit__(*error)

    @property
    def counts(self) -> tuple:
        """Waits, copies, and copies that block."""
        return sum(self.waits.values()), self.copies, self.blocking

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        if name == 'aten::_local_scalar_dense' and on_meta(args[0]):
            self.waits['item'] += 1
            return torch.ones((), dtype=args[0].dtype).item()
        if name in COPIES:
            return self.copy(name, func, args, kwargs)
        if not any(map(on_meta, tensors)):
            return func(*args, **kwargs)
        if name in DEPENDENT or indexes_by_mask(name, args):
            self.waits[name] += 1
            args, kwargs = tree_map_only(Tensor, stand_in, (args, kwargs))
            found = (
                torch.zeros(0, args[0].dim()) if name == 'aten::nonzero' else func(*args, **kwargs)
            )
            return tree_map_only(Tensor, lambda t: t.to('meta'), found)
        args = self.check_mixed(name, func, tensors, args)
        return func(*args, **kwargs)

    def copy(self, name, func, args, kwargs):
        """Count a copy between the host and the device, if it is one."""
        if name == 'aten::copy_':
            target, source = args[:2]
            non_blocking = len(args) > 2 and args[2]
        else:
            source = args[0]
            target = torch.device(kwargs.get('device') or source.device)
            target = torch.empty(0, device=target)
            non_blocking = kwargs.get('non_blocking', False)
        if source.is_meta and not target.is_meta:
            if non_blocking:
                self.copies += 1
            else:
                self.waits['to the host'] += 1
            found = stand_in(source.to(kwargs.get('dtype') or source.dtype))
            return target.copy_(found) if name == 'aten::copy_' else found
        if target.is_meta and not source.is_meta:
            self.copies += 1
            self.blocking += not non_blocking
        return func(*args, **kwargs)

    def check_mixed(self, name: str, func, tensors: List[Tensor], args: tuple) -> tuple:
        """Count indices on the host as copies, and refuse everything else that mixes."""
        strangers = [t for t in tensors if not t.is_meta and t.dim() > 0]
        if not strangers:
            return args
        if name in ('aten::index', 'aten::index_put_', 'aten::index_put'):
            if not any(not t.is_meta and t.dim() > 0 for t in (args[0], *args[2:3])):
                self.copies += len(strangers)
                self.blocking += len(strangers)
                return args
        raise RuntimeError(f'{name} mixes tensors of the device with {len(strangers)} of the host')
