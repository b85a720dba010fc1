"""How long a call takes on a GPU that is kept busy, how busy it was, and its memory."""

import gc
import os
import statistics
import subprocess
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, NamedTuple, Optional

import torch
from common import synchronize


class Found(NamedTuple):
    """Milliseconds of a call, median utilisation in percent, and peak memory in MiB of a GPU."""

    ms: float
    busy: Optional[float]
    mib: Optional[float]


def measure_busy(call: Callable[[], object], device: str, seconds: float) -> Found:
    """Call a function for some seconds, without waiting for the device after each call.

    Args:
        call (Callable): Function without arguments; called three times before.
        device (str): Its device.
        seconds (float): How long; at least two calls.
    """
    for _ in range(3 if seconds else 1):
        call()
    synchronize()
    on_gpu = is_gpu(device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    watch, start, number = Watch(on_gpu), time.perf_counter(), 0
    while number < 2 or time.perf_counter() - start < seconds:
        call()
        number += 1
        if number % 8 == 0:
            synchronize()  # the host must not queue more than the seconds asked for
    synchronize()
    ms = 1000 * (time.perf_counter() - start) / number
    mib = torch.cuda.max_memory_allocated() / 2**20 if on_gpu else None
    return Found(ms, watch.stop(), mib)


def count_waits(call: Callable[[], object], device: str) -> Optional[Dict[str, int]]:
    """How often a call makes the host wait for the GPU, by file and line; None without a GPU.

    PyTorch warns of each wait that it knows of. The call is made twice before.
    """
    if not is_gpu(device):
        call()
        return None
    call()
    call()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    known = [each for each in caught if 'synchroniz' in str(each.message)]
    return dict(Counter(f'{Path(each.filename).name}:{each.lineno}' for each in known))


class Watch:
    """Looks at the first visible GPU's utilisation ten times a second, by nvidia-smi."""

    def __init__(self, on_gpu: bool) -> None:
        visible = os.environ.get('CUDA_VISIBLE_DEVICES') or '0'
        command = ['nvidia-smi', f'--id={visible.split(",")[0]}', '--query-gpu=utilization.gpu']
        command.append('--format=csv,noheader,nounits')
        self.process: Optional[subprocess.Popen] = None
        if on_gpu:
            try:
                self.process = subprocess.Popen(
                    [*command, '-lms', '100'], stdout=subprocess.PIPE, text=True
                )
            except OSError:  # no nvidia-smi
                pass

    def stop(self) -> Optional[float]:
        """The median in percent; None without a GPU."""
        if self.process is None:
            return None
        self.process.terminate()
        looks = [int(line) for line in self.process.communicate()[0].split() if line.isdigit()]
        return statistics.median(looks) if looks else None


def is_gpu(device: str) -> bool:
    """Whether a device is a GPU."""
    return torch.device(device).type == 'cuda'


def free_memory(device: str) -> None:
    """Give the memory of what is no longer used back to the GPU."""
    gc.collect()
    if is_gpu(device):
        torch.cuda.empty_cache()
