"""Make glibc's memory allocator keep freed memory for the next training step."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_MMAP_THRESHOLD_')


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors, if the C library is glibc.

    On a CPU PyTorch takes each tensor from ``malloc``. From 32 MiB on, glibc maps new memory for
    each and unmaps it when it is freed, so that the kernel clears the same pages in every training
    step: up to half of its time. The process then stays as large as it once was, and somewhat
    larger because of fragmentation.

    A user's own settings win: nothing is changed if ``MALLOC_TRIM_THRESHOLD_``,
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
    # no tensor in a mapping of its own, and no end of the heap given back
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
