"""The content of annotations: all faults by kind, statistics, and suspicious findings.

Functions take annotations in MMAction2's format and return plain numbers, lists and dicts, which
``tools/data/check_annotations.py`` prints.
"""

from .measures import measure_sizes
from .report import examine

__all__ = ['measure_sizes', 'examine']
