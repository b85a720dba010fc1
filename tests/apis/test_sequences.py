"""Sequences come out of every kind of file as they went in; broken files are errors."""

import os
import pickle

import numpy as np
import pytest

from deeprank_plugin.apis import read_sequences
from deeprank_plugin.datasets.annotation_writing import write_npz


def walk(seed, bodies=1, frames=6):
    return np.random.default_rng(seed).normal(size=(bodies, frames, 25, 3)).astype(np.float32)


def annotations(number=3):
    samples = [
        dict(frame_dir=f's{i}', label=i, total_frames=6 + i, keypoint=walk(i, 1 + i % 2, 6 + i))
        for i in range(number)
    ]
    return dict(split=dict(a=['s0', 's2'], b=['s1']), annotations=samples)


def test_arrays(tmp_path):
    np.save(tmp_path / 'one.npy', walk(0, 2))
    (found,) = read_sequences(tmp_path / 'one.npy')
    assert found['frame_dir'] == 'one'
    np.testing.assert_array_equal(found['keypoint'], walk(0, 2))
    np.savez(tmp_path / 'many.npz', x=walk(1), y=walk(2, 2, 9))
    first, second = read_sequences(str(tmp_path / 'many.npz'))
    assert (first['frame_dir'], second['frame_dir']) == ('many_x', 'many_y')
    np.testing.assert_array_equal(second['keypoint'], walk(2, 2, 9))


@pytest.mark.parametrize('kind', ['.pkl', '.npz'])
@pytest.mark.parametrize(
    ('split', 'names'), [(None, ['s0', 's1', 's2']), ('a', ['s0', 's2']), ('b', ['s1'])]
)
def test_annotations(tmp_path, kind, split, names):
    path = tmp_path / f'annotations{kind}'
    if kind == '.pkl':
        path.write_bytes(pickle.dumps(annotations()))
    else:
        write_npz(annotations(), path)
    found = read_sequences(path, split)
    assert [sequence['frame_dir'] for sequence in found] == names
    for sequence in found:
        index = int(sequence['frame_dir'][1])
        assert sequence['label'] == index
        np.testing.assert_array_equal(sequence['keypoint'], walk(index, 1 + index % 2, 6 + index))


@pytest.mark.parametrize('kind', ['.pkl', '.npz'])
def test_names_of_the_classes_stay_with_the_samples(tmp_path, kind):
    path, content = tmp_path / f'named{kind}', dict(annotations(), label_names=['x', 'y', 'z'])
    path.write_bytes(pickle.dumps(content)) if kind == '.pkl' else write_npz(content, path)
    for split, number in ((None, 3), ('a', 2)):
        found = read_sequences(path, split)
        assert [s['label_names'] for s in found] == [['x', 'y', 'z']] * number
    (tmp_path / 'odd.pkl').write_bytes(pickle.dumps(dict(content, label_names='xyz')))
    with pytest.raises(ValueError, match="odd.pkl are 'xyz'; expected a list of strings"):
        read_sequences(tmp_path / 'odd.pkl')


def test_a_plain_list_of_annotations(tmp_path):
    (tmp_path / 'list.pickle').write_bytes(pickle.dumps(annotations()['annotations']))
    assert len(read_sequences(tmp_path / 'list.pickle')) == 3


def test_a_folder_in_the_order_of_names(tmp_path):
    np.save(tmp_path / 'b.npy', walk(0))
    np.save(tmp_path / 'c.npy', walk(1))
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(annotations()))
    (tmp_path / 'notes.txt').write_text('passed over')
    names = [sequence['frame_dir'] for sequence in read_sequences(tmp_path)]
    assert names == ['s0', 's1', 's2', 'b', 'c']


def test_names_that_occur_in_two_files(tmp_path):
    for name in ('a', 'b'):
        (tmp_path / f'{name}.pkl').write_bytes(pickle.dumps(annotations()))
    with pytest.raises(ValueError, match=r"holds 2 sequences of the name 's0' \(3 such names\)"):
        read_sequences(tmp_path)
    assert [s['frame_dir'] for s in read_sequences(tmp_path / 'b.pkl', 'b')] == ['s1']


class Runs:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match='no.npy does not exist'):
        read_sequences(tmp_path / 'no.npy')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no file that ends in'):
        read_sequences(tmp_path / 'empty')
    (tmp_path / 'x.csv').write_text('1,2')
    (tmp_path / 'a.json').touch()
    for poses in (tmp_path, tmp_path / 'a.json'):
        with pytest.raises((FileNotFoundError, ValueError), match='prepare_poses.py converts'):
            read_sequences(poses)
    with pytest.raises(ValueError, match="ends in '.csv'; expected one of"):
        read_sequences(tmp_path / 'x.csv')
    np.save(tmp_path / 'cut.npy', walk(0))
    whole = (tmp_path / 'cut.npy').read_bytes()
    for content in (b'', whole[:40], whole[:-7], b'text'):
        (tmp_path / 'cut.npy').write_bytes(content)
        with pytest.raises(ValueError, match='cut.npy cannot be read'):
            read_sequences(tmp_path / 'cut.npy')
    np.savez(tmp_path / 'cut.npz', x=walk(0))
    (tmp_path / 'cut.npz').write_bytes((tmp_path / 'cut.npz').read_bytes()[:-30])
    with pytest.raises(ValueError, match='cut.npz cannot be read'):
        read_sequences(tmp_path / 'cut.npz')
    with pytest.raises(ValueError, match="no splits; leave split='a' out"):
        np.save(tmp_path / 'one.npy', walk(0))
        read_sequences(tmp_path / 'one.npy', 'a')
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(annotations()))
    with pytest.raises(ValueError, match="split 'c' is not in"):
        read_sequences(tmp_path / 'a.pkl', 'c')


@pytest.mark.parametrize('kind', ['.npy', '.npz', '.pkl'])
def test_no_file_runs_code(tmp_path, kind):
    path, ran = tmp_path / f'hostile{kind}', tmp_path / 'ran'
    content = np.array([Runs(ran)], dtype=object)
    if kind == '.npy':
        np.save(path, content, allow_pickle=True)
    elif kind == '.npz':
        np.savez(path, x=content)
    else:
        path.write_bytes(pickle.dumps(Runs(ran)))
    with pytest.raises(ValueError, match='hostile'):
        read_sequences(path)
    assert not ran.exists()
