"""Shared by the benchmarks: measuring side by side, printing tables, writing JSON.

A benchmark measures all its variants in one run, alternating, so that other load on the machine
affects them equally; the main result is their ratio. A table row is a dict.

Example:
    seconds = measure({'ours': ours, 'plain': plain}, repeats=5)
    rows = [dict(way=way, seconds=s, ratio=s / seconds['ours']) for way, s in seconds.items()]
    print_table('Two ways', ['way', 'seconds', 'ratio'], rows)
    write_json(args.out, 'Two ways', conditions(), rows)
"""

import argparse
import ctypes
import gc
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

import torch

STATUS, RESET = Path('/proc/self/status'), Path('/proc/self/clear_refs')


def make_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options of every benchmark.

    Args:
        description (str): The benchmark's docstring.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', type=Path, help='write the results to this JSON file')
    return parser


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, by default the GPU where there is one.

    Args:
        parser (argparse.ArgumentParser): The benchmark's parser.
    """
    parser.add_argument(
        '--device',
        type=usable_device,
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='cpu or cuda (the first of CUDA_VISIBLE_DEVICES)',
    )


def usable_device(name: str) -> str:
    """The name of a device that is there: what is measured waits for the first GPU alone."""
    if name not in ('cpu', 'cuda'):
        raise argparse.ArgumentTypeError(
            f'{name!r}; expected cpu, or cuda: choose the card by CUDA_VISIBLE_DEVICES'
        )
    if name == 'cuda' and not torch.cuda.is_available():
        raise argparse.ArgumentTypeError('cuda, and PyTorch finds no GPU; expected cpu')
    return name


def measure(functions: Dict[str, Callable], repeats: int = 5) -> Dict[str, float]:
    """Median seconds of each function, called in turn after one warm-up call each.

    Args:
        functions (dict): Functions without arguments, by name.
        repeats (int): Timed calls of each. Defaults to 5.
    """
    for function in functions.values():
        function()
    times: Dict[str, List[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            synchronize()
            start = time.perf_counter()
            function()
            synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def synchronize() -> None:
    """Wait for the GPU, if one is in use."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak_memory(function: Callable, device: str = 'cpu', warm_up: bool = True) -> float:
    """Peak extra memory of a call in MiB, above that held before it.

    On a CPU, this is the kernel's peak resident memory (VmHWM, Linux), reset before the call after
    returning freed memory to the system. On a GPU, it is the allocator's peak.

    Args:
        function (Callable): Function without arguments.
        device (str): 'cpu' or 'cuda'. Defaults to 'cpu'.
        warm_up (bool): Call the function once before, so that persistent allocations are not
            counted. Defaults to True.

    Raises:
        OSError: If the system does not record the peak.
    """
    if warm_up:
        function()
    gc.collect()
    if torch.device(device).type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    give_back_memory()
    before = resident('VmRSS')
    function()
    return max(0.0, resident('VmHWM') - before)


def give_back_memory() -> None:
    """Return freed memory to the system and forget the peak so far (Linux).

    Raises:
        OSError: If the peak cannot be reset.
    """
    if not os.access(RESET, os.W_OK):
        raise OSError(f'{RESET} cannot be written, which resets the peak memory; expected Linux')
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # glibc's
    if trim is not None:
        trim(0)
    RESET.write_text('5')


def resident(key: str = 'VmRSS') -> float:
    """Resident memory of this process in MiB: now ('VmRSS') or at its peak ('VmHWM')."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key + ':'))
    return int(line.split()[1]) / 1024


def conditions() -> Dict[str, object]:
    """Conditions of a measurement: processor, cores, threads, GPU, versions, other load."""
    return dict(
        processor=processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        load=round(os.getloadavg()[0], 1),  # processes that wanted a core in the last minute
        python=platform.python_version(),
        torch=torch.__version__,
    )


def processor() -> str:
    """Name of the processor."""
    path = Path('/proc/cpuinfo')
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Dict[str, object]]) -> None:
    """Print rows, right-aligned, with numbers to four significant digits.

    Args:
        title (str): Line above the table.
        columns (Sequence[str]): Keys of the rows to show, also the headings.
        rows (Sequence[dict]): A missing value is shown as '-'.
    """
    cells = [list(columns)]
    cells += [[format_value(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    print(f'\n{title}')
    for line in cells:
        print('  '.join(cell.rjust(width) for cell, width in zip(line, widths)))
    sys.stdout.flush()


def format_value(value: object) -> str:
    """Format a value for a table."""
    if value is None:
        return '-'
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.4g}'
    return str(value)


def write_json(
    path: Optional[Path], title: str, conditions: Dict[str, object], rows: Sequence[Dict]
) -> None:
    """Write the results to a file: ``dict(title, conditions, rows)``.

    Args:
        path (Path, optional): The file; its folder is created. None writes nothing.
        title (str): What was measured.
        conditions (dict): :func:`conditions`, and anything else the results depend on.
        rows (Sequence[dict]): The results.
    """
    if path is None:
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = dict(title=title, conditions=conditions, rows=list(rows))
    path.write_text(json.dumps(content, indent=2) + '\n')
