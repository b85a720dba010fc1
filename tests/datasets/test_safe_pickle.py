"""Pickles of arrays and containers are read, all others rejected before they run anything."""

import os
import pickle

import numpy as np
import pytest

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotations import load_annotations


def build(path, split='xsub_train', **kwargs):
    return SkeletonDataset(path, pipeline=[], split=split, **kwargs)


def change_first(**changes):
    def change(content):
        content['annotations'][0].update(changes)

    return change


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_what_numpy_writes_is_read(tmp_path, protocol):
    content = dict(
        arrays=[np.arange(6.0).reshape(2, 3), np.float16([1, 2]), np.asfortranarray(np.eye(3))],
        scalars=[np.float32(3), np.int64(4), 1.5, None, True, 'text', b'bytes'],
        nested=({'list': [1, 2]}, (1, 2), {3, 4}, 1j),
    )
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_annotations(path)
    for ours, theirs in zip(loaded.pop('arrays'), content.pop('arrays')):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded == content


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('function', [os.system, eval, exec, getattr, np.load])
def test_hostile_pickles_are_rejected_before_they_run(make_annotations, tmp_path, function):
    mark = tmp_path / 'ran'
    argument = {os.system: f'touch {mark}', np.load: str(mark)}.get(
        function, f"open({str(mark)!r}, 'w')"
    )
    path = make_annotations(change=change_first(extra=[{'deep': Hostile(function, argument)}]))
    with pytest.raises(ValueError, match=r'annotations.pkl is rejected: it asks for'):
        build(path)
    assert not mark.exists()


@pytest.mark.parametrize('module', ['numpy', 'numpy.dtypes', 'numpy._core.multiarray', '_codecs'])
@pytest.mark.parametrize('name', ['__builtins__.get', '__dict__.get', '__loader__.load_module'])
def test_dotted_names_lead_nowhere(tmp_path, module, name):
    """Protocol 4 looks up ``module.a.b``: from a module's ``__builtins__`` one gets to ``eval``."""
    mark, path = tmp_path / 'ran', tmp_path / 'a.pkl'

    def text(value):
        return b'X' + len(value).to_bytes(4, 'little') + value.encode()

    code = text(f"open({str(mark)!r}, 'w')")
    path.write_bytes(
        b'\x80\x04'
        + text(module)
        + text(name)
        + b'\x93'
        + text('eval')
        + b'\x85R'
        + code
        + b'\x85R.'
    )
    with pytest.raises(ValueError, match=f'a.pkl is rejected: it asks for {module}.{name}'):
        load_annotations(path)
    assert not mark.exists()


def test_damaged_lengths_are_an_error_of_value(tmp_path):
    for damaged in (
        b'\x80\x04\x95' + b'\xff' * 8,
        b'\x80\x05\x96' + b'\xff' * 8,
        b'\x80\x04}\x85.',
    ):
        (tmp_path / 'a.pkl').write_bytes(damaged)
        with pytest.raises(ValueError, match='a.pkl'):
            build(str(tmp_path / 'a.pkl'))
