"""A folder of sequences and a list, in all the ways that they come."""

import io
import json
import os
import random

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic import Reading, convert_folder, read_sequence
from deeprank_plugin.converters.layouts import find_layout
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle

NTU = Reading(find_layout('nturgb+d'))
RNG = np.random.default_rng(0)


def walk(*shape):
    """Coordinates of bodies of about a metre and a half."""
    return RNG.uniform(-0.5, 1.0, size=shape)


@pytest.fixture
def folder(tmp_path):
    """Four sequences of NTU's layout, one of each kind of file."""
    arrays = [walk(5, 25, 3), walk(2, 6, 25, 3), walk(7, 25, 3), walk(4, 25, 3)]
    np.save(tmp_path / 'a.npy', arrays[0])
    np.savez(tmp_path / 'b.npz', keypoint=arrays[1])
    (tmp_path / 'deep').mkdir()
    names = ','.join(f'j{j}{axis}' for j in range(25) for axis in 'xyz')
    rows = [','.join(repr(float(v)) for v in frame.ravel()) for frame in arrays[2]]
    (tmp_path / 'deep' / 'c.csv').write_bytes('\r\n'.join([names, *rows]).encode())
    np.save(tmp_path / 'd.npy', arrays[3].reshape(4, 75).astype(np.float32))
    write_list(tmp_path, ['a.npy,wave,1', 'b.npz,bow,1', 'deep/c.csv,bow,2', 'd.npy,wave,2'])
    return tmp_path, arrays


def write_list(folder, rows, header='file,label,subject'):
    (folder / 'list.csv').write_text('\n'.join([header, *rows]) + '\n')


def convert(folder, reading=NTU, **kwargs):
    if 'split_column' not in kwargs:
        kwargs.setdefault('train_subjects', ['1'])
    kwargs.setdefault('workers', 1)
    return convert_folder(folder, folder / 'list.csv', reading, **kwargs)


def test_every_kind_of_file(folder):
    folder, arrays = folder
    content, faults, doubts = convert(folder)
    assert faults == [] and doubts == []
    made = {a['frame_dir']: a for a in content['annotations']}
    assert list(made) == ['a', 'b', 'deep/c', 'd']
    for name, array in zip(made, arrays):
        bodies = array if array.ndim == 4 else array[None]
        assert made[name]['keypoint'].dtype == np.float32
        np.testing.assert_array_equal(made[name]['keypoint'], bodies.astype(np.float32))
        assert made[name]['total_frames'] == bodies.shape[1]
    assert [a['label'] for a in made.values()] == [1, 0, 0, 1]  # names are sorted
    assert content['label_names'] == ['bow', 'wave']
    assert content['split'] == dict(xsub_train=['a', 'b'], xsub_val=['deep/c', 'd'])
    write_pickle(content, folder / 'out.pkl')
    dataset = SkeletonDataset(str(folder / 'out.pkl'), pipeline=[], split='xsub_val')
    assert len(dataset) == 2 and dataset.metainfo['classes'] == ['bow', 'wave']


def test_splits_by_column_and_labels_by_number(folder):
    folder, _ = folder
    write_list(folder, ['a.npy,0,train', 'b.npz,3,val', 'd.npy,0,val'], 'file,label,part')
    content, _, doubts = convert(folder, split_column='part', workers=2)
    assert content['split'] == dict(train=['a'], val=['b', 'd'])
    assert 'label_names' not in content
    assert any('2 classes below 3 have no sample' in doubt for doubt in doubts)
    assert any('1 sequences' in doubt and 'not in' in doubt for doubt in doubts)


def test_axes_and_scale(tmp_path):
    array = walk(3, 8, 25, 2)  # C, T, V, M
    np.save(tmp_path / 'a.npy', array)
    sample = read_sequence(tmp_path / 'a.npy', NTU._replace(axes='CTVM', scale=0.001))
    assert sample['keypoint'].shape == (2, 8, 25, 3)
    assert sample['keypoint'][1, 2, 3, 0] == np.float32(array[0, 2, 3, 1] * 0.001)


def test_kinect_v1_becomes_ntu(tmp_path):
    array = walk(4, 20, 3)
    np.save(tmp_path / 'a.npy', array)
    keypoint = read_sequence(tmp_path / 'a.npy', Reading(find_layout('kinect-v1')))['keypoint']
    neck = array[:, 2] + 0.35 * (array[:, 3] - array[:, 2])
    np.testing.assert_allclose(keypoint[0, :, 2], neck, rtol=1e-6)
    assert keypoint.shape == (1, 4, 25, 3)


def test_planar_with_scores_and_own_layout(tmp_path):
    coco = Reading(find_layout('coco'), channels=2)
    np.savez(tmp_path / 'a.npz', keypoint=walk(5, 17, 2) * 100, keypoint_score=np.ones((5, 17)))
    sample = read_sequence(tmp_path / 'a.npz', coco)
    assert sample['keypoint'].shape == (1, 5, 17, 2)
    assert sample['keypoint_score'].shape == (1, 5, 17)
    path = tmp_path / 'arm.json'
    path.write_text(json.dumps(dict(num_node=3, edges=[[0, 1], [1, 2]], center=0)))
    np.save(tmp_path / 'b.npy', walk(5, 3, 3))
    own = Reading(find_layout(str(path)))
    assert read_sequence(tmp_path / 'b.npy', own)['keypoint'].shape == (1, 5, 3, 3)
    with pytest.raises(BrokenFile, match='expects none: remove it'):
        np.savez(tmp_path / 'c.npz', keypoint=walk(5, 3, 3), keypoint_score=np.ones((5, 3)))
        read_sequence(tmp_path / 'c.npz', own)


def broken(folder, what):
    path = folder / 'a.npy'
    if what == 'cut off':
        path.write_bytes(path.read_bytes()[:-9])
    elif what == 'objects':
        np.save(path, np.array([print], dtype=object), allow_pickle=True)
    elif what == 'gone':
        path.unlink()
    elif what == 'joints':
        np.save(path, walk(5, 24, 3))
    elif what == 'NaN':
        array = walk(5, 25, 3)
        array[1, 2, 0] = np.nan
        np.save(path, array)
    elif what == 'zero':
        np.save(path, np.zeros((5, 25, 3)))
    elif what == 'text':
        np.save(path, np.full((5, 25, 3), 'x'))
    elif what == 'axes':
        np.save(path, walk(1, 1, 5, 25, 3))
    elif what == 'no frame':
        np.save(path, walk(0, 25, 3))


@pytest.mark.parametrize(
    'what, message',
    [
        ('cut off', 'a.npy cannot be read'),
        ('objects', 'a.npy cannot be read'),
        ('gone', 'a.npy does not exist; expected it'),
        ('joints', 'a.npy has 24 joints of 3 channels.*expected 25 joints'),
        ('NaN', 'a.npy'),
        ('zero', 'a.npy'),
        ('text', 'holds an array of type <U1'),
        ('axes', 'expected two to four axes'),
        ('no frame', 'a.npy'),
    ],
)
def test_a_broken_file_is_an_error_or_left_out(folder, what, message):
    folder, _ = folder
    broken(folder, what)
    with pytest.raises(BrokenFile, match=message):
        convert(folder)
    content, faults, _ = convert(folder, skip_bad=True)
    assert len(content['annotations']) == 3 and len(faults) == 1
    assert content['split']['xsub_train'] == ['b']


@pytest.mark.parametrize(
    'line, message',
    [
        ('0.1,' * 74 + 'nan', "c.csv, line 2, number 75 is 'nan'"),
        ('0.1,' * 73 + '0.2', 'c.csv has 74 numbers a frame; expected 75 a body'),
        ('', 'c.csv holds a header only'),
    ],
)
def test_broken_csv(folder, line, message):
    folder, _ = folder
    (folder / 'deep' / 'c.csv').write_text('x,y,z\n' + line + '\n')
    with pytest.raises(BrokenFile, match=message):
        convert(folder)


@pytest.mark.parametrize(
    'rows, header, message',
    [
        (['a.npy,1'], 'file,class', "lacks the column 'label'"),
        (['a.npy,1,1,1'], 'file,label,subject,label', 'names a column twice'),
        (['a.npy,1'], 'file,label,subject', 'line 2 has 2 fields; expected 3'),
        (['a.npy,,1'], 'file,label,subject', 'line 2 has no label'),
        (['a.npy,1,1', 'b.npz,bow,2'], 'file,label,subject', 'both numbers .* and names'),
        (['a.npy,-1,1', 'b.npz,2,2'], 'file,label,subject', 'label -1; expected a whole'),
        (['a.npy,1,1', 'a.npz,1,2'], 'file,label,subject', "both make sample 'a'"),
        (['../a.npy,1,1'], 'file,label,subject', 'expected a file inside the folder'),
        ([], 'file,label,subject', 'no line but the header'),
        (['a.npy,1,2', 'b.npz,1,3'], 'file,label,subject', "train subject '1' is not in"),
        (['a.npy,1,1', 'b.npz,1,1'], 'file,label,subject', 'all subjects .* are train subjects'),
    ],
)
def test_a_wrong_list_is_an_error(folder, rows, header, message):
    folder, _ = folder
    write_list(folder, rows, header)
    with pytest.raises(BrokenFile, match=message):
        convert(folder, skip_bad=True)


def test_millimetres_are_doubted(folder):
    folder, _ = folder
    np.save(folder / 'a.npy', walk(5, 25, 3) * 1000)
    write_list(folder, ['a.npy,0,1', 'd.npy,0,2'])
    np.save(folder / 'd.npy', walk(5, 25, 3) * 1000)
    assert any('--scale 0.001' in doubt for doubt in convert(folder)[2])


def test_damaged_files_give_the_documented_error_only(tmp_path):
    """DEEPRANK_FUZZ=100000 tries as many."""
    rng = random.Random(1)
    whole = {}
    for ending, write in (('.npy', np.save), ('.npz', np.savez)):
        buffer = io.BytesIO()
        write(buffer, walk(2, 25, 3))
        whole[ending] = buffer.getvalue()
    whole['.csv'] = '\n'.join(','.join('0.5' for _ in range(75)) for _ in range(3)).encode()
    refused = 0
    for _ in range(int(os.environ.get('DEEPRANK_FUZZ', 600))):
        ending = rng.choice(list(whole))
        data = bytearray(whole[ending])
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(data))
            if rng.random() < 0.7:
                data[place] = rng.randrange(256)
            else:
                del data[place:]
            if not data:
                break
        path = tmp_path / f'a{ending}'
        path.write_bytes(data)
        try:
            sample = read_sequence(path, NTU)
        except BrokenFile:
            refused += 1
        else:
            assert np.isfinite(sample['keypoint']).all()
    assert refused
