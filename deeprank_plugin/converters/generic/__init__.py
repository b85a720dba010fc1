"""Convert a folder of sequences, with a list that describes them, to annotations.

Each file becomes one sample, named after the file without its extension. ``sequence_list.py`` reads
the list, ``sequence_file.py`` the files; ``convert.py`` makes annotations from them.
"""

from .convert import convert_folder
from .sequence_file import Reading, read_sequence

__all__ = ['Reading', 'convert_folder', 'read_sequence']
