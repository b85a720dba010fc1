"""Check whether this environment can run the plugin: versions, devices, workarounds.

Example:
    python tools/check_env.py

Exits with 1, and with advice on each problem, if something cannot work.
"""

import argparse
import importlib
import importlib.metadata
import os.path as osp
import platform
import sys
from typing import List, NamedTuple, Optional, Tuple

Version = Tuple[int, ...]


class Requirement(NamedTuple):
    """A required package.

    Attributes:
        distributions: Names of the packages that provide it.
        module: What to import.
        advice: How to get it.
        minimum: The oldest version that works.
        below: The first version that no longer works.
        untested_from: The first untested version; it is reported, not rejected.
    """

    distributions: Tuple[str, ...]
    module: str
    advice: str
    minimum: Version = ()
    below: Optional[Version] = None
    untested_from: Optional[Version] = None


REQUIREMENTS = (
    Requirement(
        ('torch',), 'torch', 'pip install "torch>=2.1,<2.16"', minimum=(2, 1), untested_from=(2, 16)
    ),
    Requirement(('numpy',), 'numpy', 'pip install numpy'),
    Requirement(
        ('mmengine',),
        'mmengine',
        'pip install "mmengine>=0.10,<0.12"',
        minimum=(0, 10),
        untested_from=(0, 12),
    ),
    Requirement(
        ('mmcv', 'mmcv-lite'),
        'mmcv',
        'pip install "mmcv-lite>=2.0.0,<2.2"',
        minimum=(2, 0),
        below=(2, 2),
    ),
    Requirement(
        ('mmaction2',),
        'mmaction',
        'pip install "mmaction2>=1.2,<1.3"',
        minimum=(1, 2),
        untested_from=(1, 3),
    ),
    Requirement(('importlib_metadata',), 'importlib_metadata', 'pip install importlib_metadata'),
    Requirement(
        ('opencv-python-headless', 'opencv-python', 'opencv-contrib-python'),
        'cv2',
        'pip install opencv-python-headless',
    ),
    Requirement(('scikit-learn',), 'sklearn', 'pip install scikit-learn'),
)


def parse_version(text: str) -> Version:
    """Parse the leading numbers of a version: '2.13.0+cpu' -> (2, 13, 0)."""
    numbers: List[int] = []
    for part in text.split('+')[0].split('.'):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def check_requirement(requirement: Requirement) -> Optional[str]:
    """Print a package's version; return the problem with it, if any."""
    found = None
    for name in requirement.distributions:
        try:
            found = (name, importlib.metadata.version(name))
            break
        except importlib.metadata.PackageNotFoundError:
            continue
    wanted = ' or '.join(requirement.distributions)
    if found is None:
        print(f'  {requirement.distributions[0]:<22} missing')
        return f'{wanted} is not installed: {requirement.advice}'
    version = parse_version(found[1])
    untested = requirement.untested_from is not None and version >= requirement.untested_from
    print(f'  {found[0]:<22} {found[1]}{" (newer than the tested versions)" if untested else ""}')
    too_old = version < requirement.minimum
    too_new = requirement.below is not None and version >= requirement.below
    if too_old or too_new:
        age = 'old' if too_old else 'new'
        return f'{found[0]} {found[1]} is too {age}: {requirement.advice}'
    try:
        importlib.import_module(requirement.module)
    except Exception as error:  # any error is what the user needs to see
        return (
            f'{found[0]} {found[1]} is installed and cannot be imported '
            f'({type(error).__name__}: {error}): reinstall it: {requirement.advice}'
        )
    return None


def check_plugin() -> Optional[str]:
    """Import the plugin and print its version and active workarounds."""
    try:
        plugin = importlib.import_module('deeprank_plugin')
        compat = importlib.import_module('deeprank_plugin.compat')
    except Exception as error:  # any error is what the user needs to see
        return f'deeprank_plugin cannot be imported ({type(error).__name__}: {error}).'
    print(f'  {"deeprank-plugin":<22} {plugin.__version__} ({osp.dirname(plugin.__file__)})')
    print('Workarounds:')
    for name, sentence in compat.ACTIVE.items():
        print(f'  {name}: {sentence}')
    if not compat.ACTIVE:
        print('  none')
    return None


def print_devices() -> None:
    """Print the available devices."""
    import torch
    from mmengine.device import get_device

    print('Devices:')
    print(f'  MMEngine computes on   {get_device()}')
    print(f'  CPU threads            {torch.get_num_threads()}')
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        print(f'  GPU {index}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB')


def main() -> int:
    """Check everything; return the exit code."""
    print('Versions:')
    print(f'  {"python":<22} {platform.python_version()} ({sys.executable})')
    problems = []
    if sys.version_info < (3, 10):  # noqa: UP036  pip rejects it too, but a bare clone does not
        problems.append('Python is too old: make a virtual environment with Python 3.10 or newer.')
    problems.extend(filter(None, map(check_requirement, REQUIREMENTS)))
    if not problems:
        problems.extend(filter(None, [check_plugin()]))
    if not problems:
        print_devices()
        print('Everything works.')
        return 0
    sys.stdout.flush()
    for problem in problems:
        print(f'error: {problem}', file=sys.stderr)
    return 1


if __name__ == '__main__':
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    sys.exit(main())
