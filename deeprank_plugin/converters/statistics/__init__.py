"""What annotations hold: all faults by kind, statistics, and what looks suspicious.

Functions take annotations in MMAction2's format and return plain numbers, lists and dicts, which
``tools/data/check_annotations.py`` prints.
"""

from .measures import describe_sizes
from .report import examine

__all__ = ['describe_sizes', 'examine']
