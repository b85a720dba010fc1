"""What is written comes back the same, or nothing is written."""

import numpy as np
import pytest

from deeprank_plugin.datasets.annotation_writing import require_same, write_npz, write_pickle
from deeprank_plugin.datasets.annotations import load_annotations


@pytest.mark.parametrize(
    'before, after, where',
    [
        (1, 1.0, 'the file: '),
        ([1, 2], (1, 2), 'the file: '),
        ([1, 2], [1, 3], 'the file, item 1: '),
        (dict(a=[1]), dict(a=[1, 2]), "the file, key 'a': "),
        (dict(a=1), dict(b=1), 'the file: '),
        (np.float32([1]), np.float64([1]), 'the file: '),
        (np.zeros((1, 2)), np.zeros((2, 1)), 'the file: '),
        (np.zeros(2), np.array([0, -0.0]), 'the file: '),
        (dict(split=dict(a=['s', 't'])), dict(split=dict(a=['t', 's'])), "key 'a'|key 'split'"),
    ],
)
def test_differences_are_found(before, after, where):
    with pytest.raises(
        ValueError, match=where + '.*would be read back as' if ':' in where else where
    ):
        require_same(before, after)


def test_what_is_the_same():
    content = dict(split=dict(a=('s', 't')), annotations=[dict(x=np.arange(3), y=float('nan'))])
    require_same(content, dict(content, split=dict(a=['s', 't'])))  # splits are lists of names
    require_same([float('nan'), 'a', (1, [2])], [float('nan'), 'a', (1, [2])])


@pytest.mark.parametrize(('write', 'name'), [(write_pickle, 'a.pkl'), (write_npz, 'a.npz')])
def test_whole_or_not_at_all(make_annotations, tmp_path, write, name):
    content = load_annotations(make_annotations())
    path = tmp_path / 'new' / name
    write(content, path)
    require_same(content, load_annotations(path))
    before = path.read_bytes()
    content['annotations'][0]['odd'] = {1, 2} if write is write_npz else object
    with pytest.raises(ValueError):
        write(content, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [name]
