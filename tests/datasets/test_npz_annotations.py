"""Annotations in .npz: the same samples as from the pickle, shared, and rejected where damaged."""

import copy
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.datasets.npz_annotations import load_npz


def build(path, split='xsub_train', **kwargs):
    return SkeletonDataset(str(path), pipeline=[], split=split, **kwargs)


@pytest.fixture
def pair(make_annotations, tmp_path):
    """A function that writes the same annotations as pickle and as .npz."""

    def write(**kwargs):
        path = make_annotations(**kwargs)
        write_npz(pickle.load(open(path, 'rb')), tmp_path / 'annotations.npz')
        return path, str(tmp_path / 'annotations.npz')

    return write


def add_extras(content):
    for index, annotation in enumerate(content['annotations']):
        annotation.update(subject=index % 4, actor='ab'[index % 2], img_shape=(1080, 1920))
        annotation['keypoint_score'] = annotation['keypoint'][..., 0].copy()


def assert_same_samples(first, second):
    assert len(first) == len(second)
    for index in range(len(first)):
        ours, theirs = first.get_data_info(index), second.get_data_info(index)
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == theirs[key].dtype
                np.testing.assert_array_equal(value, theirs[key])
            else:
                assert value == theirs[key] and type(value) is type(theirs[key]), key


@pytest.mark.parametrize('serialize', [True, False])
@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        dict(bodies=2, change=add_extras),
        dict(shape=(17, 2), change=add_extras),
    ],
)
def test_the_same_samples_as_from_the_pickle(pair, kwargs, serialize):
    paths = pair(**kwargs)
    for options in (
        dict(split=None),
        dict(split='xsub_val'),
        dict(split=['xsub_val', 'xsub_train']),
        dict(holdout=dict(share=0.3, seed=1, part='holdout')),
        dict(indices=4),
    ):
        assert_same_samples(*(build(p, serialize_data=serialize, **options) for p in paths))


@pytest.mark.parametrize('dtype', [np.float16, np.float64, np.int32])
def test_types_of_coordinates(pair, dtype):
    def convert(content):
        for annotation in content['annotations']:
            annotation['keypoint'] = (9 * annotation['keypoint']).astype(dtype)

    paths = pair(change=convert)
    assert_same_samples(*map(build, paths))
    assert load_annotations(paths[1])['annotations'][0]['keypoint'].dtype == dtype
    assert build(paths[1])[0]['keypoint'].dtype == np.float32


def test_a_subset_and_a_copy(pair):
    pickled, npz = map(build, pair())
    assert_same_samples(pickled.get_subset([5, 2, 7]), npz.get_subset([5, 2, 7]))
    assert_same_samples(pickled, copy.deepcopy(npz))
    assert_same_samples(pickled, pickle.loads(pickle.dumps(npz)))


def test_coordinates_lie_in_the_file_and_not_in_the_data_set(make_annotations, tmp_path):
    def lengthen(content):
        for annotation in content['annotations']:
            annotation['total_frames'] = 1000
            annotation['keypoint'] = np.ones((1, 1000, 25, 3), np.float32)  # 300 kB each

    path = make_annotations(change=lengthen)
    write_npz(load_annotations(path), tmp_path / 'a.npz')
    whole, mapped = (pickle.dumps(build(p)) for p in (path, tmp_path / 'a.npz'))
    assert len(whole) > 15 * 300_000 and len(mapped) < 20_000

    dataset = build(tmp_path / 'a.npz')
    view = dataset.sequences.view(3)['keypoint']
    assert not view.flags.owndata and not view.flags.writeable
    maps = open('/proc/self/maps').read() if os.path.exists('/proc/self/maps') else 'a.npz'
    assert 'a.npz' in maps


def test_transforms_cannot_spoil_the_data(pair):
    def spoil(results):
        results['keypoint'] *= 0
        return results

    _, npz = pair()
    before = open(npz, 'rb').read()
    dataset = SkeletonDataset(npz, pipeline=[spoil], split='xsub_train')
    assert not dataset[3]['keypoint'].any()
    assert dataset.get_data_info(3)['keypoint'].any()
    assert open(npz, 'rb').read() == before


@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_workers_read_the_same(pair, start):
    pickled, npz = map(build, pair())
    loader = DataLoader(
        npz,
        batch_size=4,
        num_workers=1,
        multiprocessing_context=start,
        collate_fn=pseudo_collate,
    )
    found = [keypoint for batch in loader for keypoint in batch['keypoint']]
    assert len(found) == len(pickled) == 15
    for index, keypoint in enumerate(found):
        np.testing.assert_array_equal(keypoint, pickled[index]['keypoint'])


def test_a_file_that_changes_meanwhile(pair):
    _, npz = pair()
    dataset = build(npz)
    copied = pickle.dumps(dataset)  # as for a spawned worker
    os.utime(npz, (1, 1))
    assert dataset[0]['keypoint'].any()  # its map stays
    with pytest.raises(ValueError, match='has changed since it was read'):
        pickle.loads(copied)[0]


def test_a_list_without_splits(make_annotations, tmp_path):
    content = load_annotations(make_annotations())['annotations']
    write_npz(content, tmp_path / 'a.npz')
    loaded = load_annotations(tmp_path / 'a.npz')
    assert isinstance(loaded, list) and len(loaded) == 20
    assert len(build(tmp_path / 'a.npz', split=None)) == 20
    with pytest.raises(ValueError, match='holds list; expected dict'):
        build(tmp_path / 'a.npz')


def test_plain_numpy_reads_the_file(pair):
    """The layout that the module's docstring gives, read without any of our code."""
    path, npz = pair(bodies=2, change=add_extras)
    content = pickle.load(open(path, 'rb'))
    with np.load(npz, allow_pickle=False) as file:
        start = 0
        for index, annotation in enumerate(content['annotations']):
            assert file['sample/frame_dir'][index] == annotation['frame_dir']
            assert file['sample/label'][index] == annotation['label']
            bodies, frames = file['bodies'][index], file['frames'][index]
            rows = file['keypoint'][start : start + bodies * frames]
            np.testing.assert_array_equal(rows.reshape(annotation['keypoint'].shape), rows.reshape(
                bodies, frames, 25, 3))  # fmt: skip
            np.testing.assert_array_equal(rows, annotation['keypoint'].reshape(-1, 25, 3))
            start += bodies * frames
        assert file['split_names'].tolist() == ['xsub_train', 'xsub_val']
        assert file['split_sizes'].tolist() == [15, 5]
        names = file['sample/frame_dir'][file['split_samples'][15:]]
        assert names.tolist() == content['split']['xsub_val']


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Write the file again after changing its dict of arrays, by NumPy and zipfile alone."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    change(arrays)
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=True)
            archive.writestr(f'{name}.npy', buffer.getvalue())


def test_what_numpy_writes_is_taken_too(pair):
    path, npz = pair()
    rewrite(npz, lambda arrays: None)
    assert_same_samples(build(path), build(npz))


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize('name', ['keypoint', 'bodies', 'sample/label', 'sample/extra'])
def test_object_arrays_are_rejected_before_they_run(pair, tmp_path, name):
    _, npz = pair()
    mark = str(tmp_path / 'ran')
    number = 20
    hostile = np.array([Hostile(mark)] * number, dtype=object)
    rewrite(npz, lambda arrays: arrays.update({name: hostile}))
    with pytest.raises(
        ValueError, match=f"annotations.npz is rejected: its array '{name}' holds Py"
    ):
        build(npz)
    assert not os.path.exists(mark)


@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(pair, share):
    _, npz = pair()
    whole = open(npz, 'rb').read()
    with open(npz, 'wb') as file:
        file.write(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match='annotations.npz ends too early or is damaged.*convert_a'):
        build(npz)


def test_flipped_bytes_are_an_error_or_other_coordinates(pair):
    """One byte after another is damaged: an error of value, or the file reads in full."""
    _, npz = pair(number=4)
    whole = open(npz, 'rb').read()
    errors = 0
    for position in range(0, len(whole), 23):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        with open(npz, 'wb') as file:
            file.write(damaged)
        try:
            content = load_annotations(npz)
            assert len(content['annotations']) == 4
        except ValueError as error:
            errors += 1
            assert 'annotations.npz' in str(error) and 'convert_annotations' in str(error)
    assert errors > 50


def test_not_a_zip(tmp_path):
    (tmp_path / 'a.npz').write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match='a.npz ends too early or is damaged'):
        build(tmp_path / 'a.npz')
    with pytest.raises(FileNotFoundError, match='none.npz does not exist'):
        build(tmp_path / 'none.npz')


def set_to(name, value):
    return lambda arrays: arrays.update({name: np.asarray(value)})


def first_of(name, value):
    def change(arrays):
        arrays[name] = arrays[name].copy()
        arrays[name][0] = value

    return change


BROKEN = [
    (lambda arrays: arrays.pop('bodies') is None, r"lacks the arrays \['bodies'\] and has"),
    (lambda arrays: arrays.pop('keypoint') is None, r"lacks the arrays \['keypoint'\]"),
    (lambda arrays: arrays.pop('split_sizes') is None, r"lacks the arrays \['split_sizes'\] of"),
    (set_to('more', [1]), r"arrays \['more'\] are unknown"),
    (set_to('keypoint', np.zeros((4, 25))), r"'keypoint' has the shape \(4, 25\)"),
    (set_to('keypoint_score', np.zeros((4, 25))), r"'keypoint_score' has the shape \(4, 25\)"),
    (set_to('frames', [1, 2]), "'frames' is int64 of shape"),
    (set_to('frames', [1.5] * 20), "'frames' is float64"),
    (set_to('bodies', 1), "'bodies' is int64 of shape"),
    (first_of('frames', 99), "imply [0-9]+ rows of 'keypoint', which has"),
    (first_of('frames', 2**62), "imply [0-9]+ rows of 'keypoint', which has"),
    (first_of('frames', -1), 'negative'),
    (set_to('sample/label', [0, 1]), r"'sample/label' has the shape \(2,\); expected 20"),
    (set_to('format', 'x'), "'format' is 'x'; expected JSON"),
    (
        set_to('format', json.dumps(dict(version=9, kinds={}))),
        'version 9 of the format; expected 1',
    ),
    (set_to('format', json.dumps(dict(version=1, kinds={'a': 'b'}))), 'names the kinds'),
    (set_to('split_sizes', [15, 6]), "'split_sizes' add up to 21, not to 20"),
    (set_to('split_sizes', [21, -1]), "'split_sizes' add up to 20"),
    (set_to('split_sizes', [15.0, 5.0]), 'the last two integers'),
    (first_of('split_samples', 20), "'split_samples' exceed the 20 samples"),
    (first_of('split_samples', -1), "'split_samples' exceed the 20 samples"),
    (set_to('split_names', ['a', 'a']), 'not all different'),
    (set_to('sample/time', np.zeros(20, 'datetime64[s]')), 'expected numbers or strings'),
]


@pytest.mark.parametrize('change, message', BROKEN)
def test_wrong_arrays_are_named(pair, change, message):
    _, npz = pair()
    rewrite(npz, change)
    with pytest.raises(ValueError, match=f'annotations.npz is rejected: its? .*{message}'):
        build(npz)


def test_a_header_that_lies(pair):
    """A huge shape is rejected before anything of that size is made."""
    _, npz = pair()
    with zipfile.ZipFile(npz) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    for name in ('keypoint.npy', 'frames.npy'):
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            head, dict(descr='<f4', fortran_order=False, shape=(2**40, 2**40, 3))
        )
        with zipfile.ZipFile(npz, 'w') as archive:
            for other, content in members.items():
                archive.writestr(other, head.getvalue() + b'1234' if other == name else content)
        with pytest.raises(ValueError, match=f'{name[:-4]}. says float32 .* bytes, and has 4'):
            build(npz)


def test_compressed(pair):
    _, npz = pair()
    rewrite(npz, lambda arrays: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match='compressed or encrypted, and cannot be mapped'):
        build(npz)


@pytest.mark.parametrize(
    'change, message',
    [
        (first_of('sample/label', -1), "sample 's00' of .*annotations.npz has label -1"),
        (first_of('sample/label', 7), 'label 7; expected from 0 to 2'),
        (first_of('sample/total_frames', 7), 'says total_frames=7 and holds 4 frames'),
        (first_of('sample/frame_dir', 's07'), "sample 's07' occurs 2 times"),
        (first_of('keypoint', np.nan), 'NaN or infinite'),
        (lambda a: a.update(keypoint=a['keypoint'] * 0), 'zero throughout'),
        (lambda a: a.update(keypoint=a['keypoint'][:, :17]), "17 joints and layout 'nturgb.d'"),
        (lambda a: a.pop('sample/label') is None, r"lacks \['label'\]"),
        (lambda a: a.pop('sample/frame_dir') is None, 'annotation number 0 of'),
        (lambda a: a.update({'sample/label': a['sample/label'] * 1.0}), 'expected an integer'),
    ],
)
def test_the_checks_of_pickles_apply(pair, change, message):
    _, npz = pair()
    rewrite(npz, change)
    with pytest.raises(ValueError, match=message):
        build(npz, num_classes=3, layout='nturgb+d')
    with pytest.raises(ValueError, match="'train' is not in"):
        build(pair()[1], split='train')


def test_views_have_the_order_of_the_file(pair):
    _, npz = pair(bodies=2)
    content, sequences = load_npz(npz)
    assert len(sequences) == 20
    for index, annotation in enumerate(content['annotations']):
        np.testing.assert_array_equal(annotation['keypoint'], sequences.read(index)['keypoint'])
