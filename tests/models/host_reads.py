"""Counts the numbers that the host reads from tensors: on a GPU it waits for each."""

from torch.utils._python_dispatch import TorchDispatchMode

READS = ('_local_scalar_dense', 'nonzero')  # item(), int(), bool(), tolist(); boolean indices


class HostReads(TorchDispatchMode):
    """Counts such reads in a ``with`` block, in ``number``; ``tolist`` of CPU tensors is free."""

    number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.number += function.__name__.split('.')[0] in READS
        return function(*args, **(kwargs or {}))
