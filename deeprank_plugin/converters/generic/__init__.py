"""Any folder of sequences, with a list that says what they are, to annotations.

Each file becomes one sample, named as the file without its ending. ``sequence_list.py`` knows the
list, ``sequence_file.py`` the files; ``convert.py`` makes annotations of them.
"""

from .convert import convert_folder
from .sequence_file import Reading, read_sequence

__all__ = ['Reading', 'convert_folder', 'read_sequence']
