"""Sequences of random bodies, a list of them, and their conversion."""

import numpy as np

from deeprank_plugin.converters.generic import Reading, convert_folder
from deeprank_plugin.layouts import find_layout

NTU = Reading(find_layout('nturgb+d'))


def walk(*shape):
    """Coordinates of bodies of about a metre and a half."""
    return np.random.uniform(-0.5, 1.0, size=shape)


def write_list(folder, rows, header='file,label,subject'):
    (folder / 'list.csv').write_text('\n'.join([header, *rows]) + '\n')


def convert(folder, reading=NTU, **kwargs):
    if 'split_column' not in kwargs:
        kwargs.setdefault('train_subjects', ['1'])
    kwargs.setdefault('workers', 1)
    return convert_folder(folder, folder / 'list.csv', reading, **kwargs)
