"""Makes glibc's allocator keep freed memory for the next training step."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_')


def keep_freed_memory() -> bool:
    """Keep freed memory in this process for its next tensors, if the C library is glibc.

    On a CPU PyTorch allocates each tensor with ``malloc``. From 32 MiB on, glibc maps new memory
    for each and unmaps it when it is freed, so the kernel clears the same pages in every training
    step, for up to half of the step's time. With freed memory kept, the process stays at its peak
    size, or slightly above because of fragmentation.

    The user's own settings take precedence: nothing is changed if ``MALLOC_TRIM_THRESHOLD_``,
    ``MALLOC_MMAP_MAX_``, ``MALLOC_MMAP_THRESHOLD_`` or malloc's ``GLIBC_TUNABLES`` are set.

    Returns:
        bool: Whether the allocator's settings were changed.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    if 'malloc' in os.environ.get('GLIBC_TUNABLES', ''):
        return False
    if any(variable in os.environ for variable in VARIABLES):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # no separate mappings for tensors, and never shrink the heap
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
