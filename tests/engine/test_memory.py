"""keep_freed_memory: a large tensor's memory serves the next one, without a page of new memory."""

import os
import platform
import subprocess
import sys

import pytest

PROBE = """
import resource
import torch
from deeprank_plugin.engine.memory import keep_freed_memory

told = keep_freed_memory()
def fill():
    torch.ones(2 ** 26)  # 256 MiB, and freed
for _ in range(3):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    fill()
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def probe(**variables: str) -> tuple:
    """Whether the allocator was told, and the pages that three further tensors touched first."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(('MALLOC_', 'GLIBC_'))}
    environment.update(variables)
    result = subprocess.run(
        [sys.executable, '-c', PROBE], env=environment, capture_output=True, text=True, check=True
    )
    told, pages = result.stdout.split()
    return told == 'True', int(pages)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_freed_memory_is_used_again():
    told, pages = probe()
    assert told
    assert pages < 1000  # of 3 x 65,536 pages of 4 KiB


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
@pytest.mark.parametrize(
    'variables',
    [
        dict(MALLOC_TRIM_THRESHOLD_='131072'),
        dict(MALLOC_MMAP_THRESHOLD_='131072'),
        dict(MALLOC_MMAP_MAX_='65536'),
        dict(GLIBC_TUNABLES='glibc.malloc.mmap_threshold=131072'),
    ],
)
def test_settings_of_the_user_win(variables):
    told, pages = probe(**variables)
    assert not told
    assert pages > 3 * 1000  # each anew, in pages of up to 64 KiB
