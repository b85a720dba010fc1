"""Class names from an annotation file and from a checkpoint number the labels of new data."""

import pickle

import pytest
import torch

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic.class_list import read_class_names
from deeprank_plugin.converters.generic.sequence_list import Row, number_labels

NAMES = ['wave', 'bow', 'clap']


def test_names_of_a_file_and_of_a_checkpoint(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(dict(annotations=[], label_names=NAMES)))
    torch.save(dict(meta=dict(dataset_meta=dict(classes=NAMES))), tmp_path / 'a.pth')
    assert read_class_names(tmp_path / 'a.pkl') == NAMES
    assert read_class_names(tmp_path / 'a.pth') == NAMES


def test_a_file_without_names(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps([]))
    torch.save(dict(meta={}), tmp_path / 'a.pth')
    (tmp_path / 'b.pkl').write_bytes(pickle.dumps(dict(annotations=[], label_names=[])))
    for name in ('a.pkl', 'a.pth', 'b.pkl'):
        with pytest.raises(ValueError, match=rf'{name} has no class names in'):
            read_class_names(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_class_names(tmp_path / 'none.pth')


def rows(*labels):
    return [Row(line, f'{line}.npy', label, None, 'train') for line, label in enumerate(labels, 2)]


def test_labels_are_numbered_by_the_given_names():
    assert number_labels(rows('bow', 'wave'), 'l.csv') == ([0, 1], ['bow', 'wave'])
    assert number_labels(rows('bow', 'wave'), 'l.csv', NAMES) == ([1, 0], NAMES)
    assert number_labels(rows('2', '0'), 'l.csv', NAMES) == ([2, 0], NAMES)
    with pytest.raises(BrokenFile, match=r"line 3 has label 'jump'.*not among the 3 given"):
        number_labels(rows('bow', 'jump'), 'l.csv', NAMES)
    with pytest.raises(BrokenFile, match='line 2 has label 3; expected at most 2'):
        number_labels(rows('3'), 'l.csv', NAMES)
