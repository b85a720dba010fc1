"""A folder of sequences and a list become annotations."""

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic import Reading
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle
from deeprank_plugin.layouts import find_layout
from tests.converters.generic.sequences import convert, walk, write_list


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


def broken(folder, what):
    path = folder / 'a.npy'
    if what == 'truncated':
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
        ('truncated', 'a.npy cannot be read'),
        ('objects', 'a.npy cannot be read'),
        ('gone', 'a.npy does not exist, but the list names it'),
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


def test_millimetres_are_doubted(folder):
    folder, _ = folder
    np.save(folder / 'a.npy', walk(5, 25, 3) * 1000)
    write_list(folder, ['a.npy,0,1', 'd.npy,0,2'])
    np.save(folder / 'd.npy', walk(5, 25, 3) * 1000)
    assert any('--scale 0.001' in doubt for doubt in convert(folder)[2])


def test_the_size_of_the_images_of_2d_poses(tmp_path):
    coco = find_layout('coco')
    write_list(tmp_path, ['a.npy,0,1', 'b.npy,0,2'])
    for name in 'ab':
        np.save(tmp_path / f'{name}.npy', np.random.uniform(0, 1, size=(5, 17, 3)) * (640, 480, 1))
    content, _, doubts = convert(tmp_path, Reading(coco, img_shape=(480, 640)))
    assert doubts == []
    assert [a['img_shape'] for a in content['annotations']] == [(480, 640)] * 2
    assert [a['original_shape'] for a in content['annotations']] == [(480, 640)] * 2
    content, _, (doubt,) = convert(tmp_path, Reading(coco))
    assert 'img_shape' not in content['annotations'][0] and '--img-shape HEIGHT WIDTH' in doubt
    (doubt,) = convert(tmp_path, Reading(coco, img_shape=(640, 480)))[2]
    assert "2 sequences, such as 'a', have more than 5% of their joints beyond an image" in doubt
    for name in 'ab':
        np.save(tmp_path / f'{name}.npy', np.random.uniform(0, 1, size=(5, 17, 3)))
    (doubt,) = convert(tmp_path, Reading(coco, img_shape=(480, 640)))[2]
    assert 'these look like shares of the image: leave --img-shape out, or scale x' in doubt
    assert convert(tmp_path, Reading(coco, img_shape=(1, 1)))[2] == []
    for shape, layout in (((480, 640), 'nturgb+d'), ((0, 640), 'coco'), ((480,), 'coco')):
        with pytest.raises(ValueError, match='img_shape='):
            convert(tmp_path, Reading(find_layout(layout), img_shape=shape))
    free = find_layout(dict(num_joints=17, pairs=[(joint, 0) for joint in range(17)]))
    with pytest.raises(BrokenFile, match='three coordinates per joint.*leave img_shape out'):
        convert(tmp_path, Reading(free, img_shape=(480, 640)))
