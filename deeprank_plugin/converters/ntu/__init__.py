"""NTU RGB+D 60 and 120: raw ``.skeleton`` files, in folders or in the distributed zip files.

``skeleton_file.py`` parses the format, ``clean_up.py`` selects bodies, ``protocol.py`` covers names
and published splits, ``sources.py`` folders and zip files; ``convert.py`` makes annotations.
"""

from .clean_up import read_sequence
from .convert import convert_files, remove_parts
from .protocol import CLASSES, compare_counts, find_missing, read_missing

__all__ = [
    'CLASSES',
    'compare_counts',
    'convert_files',
    'find_missing',
    'read_missing',
    'read_sequence',
    'remove_parts',
]
