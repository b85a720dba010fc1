"""Files of features are read, by stream and split, and never run."""

import numpy as np
import pytest
from feature_files import load_all, load_features, read_class_lines


def save(path, shape=(6, 3), **changes):
    parts = dict(
        features=np.random.normal(size=shape).astype(np.float32),
        labels=np.arange(6) % 2,
        names=[f's{i}' for i in range(6)],
        splits=['train'] * 4 + ['val'] * 2,
    )
    parts.update(changes)
    np.savez(path, **{key: value for key, value in parts.items() if value is not None})
    return str(path)


def test_files_of_one_stream_and_of_several(tmp_path):
    one = save(tmp_path / 'one.npz')
    three = save(tmp_path / 'three.npz', (6, 2, 3), streams=['joint', 'bone'])
    found = load_all([f'DeepRank={one}', three], 'train')
    assert [f.title for f in found] == ['DeepRank', 'three joint', 'three bone']
    assert all(f.features.shape == (4, 3) and len(f.names) == 4 for f in found)


def test_one_stream_of_several_and_paths_with_signs_in_them(tmp_path):
    folder = tmp_path / 'lr=0.1:x'
    folder.mkdir()
    one = save(folder / 'one.npz')
    three = save(folder / 'three.npz', (6, 2, 3), streams=['joint', 'bone'])
    assert [f.title for f in load_all([one, f'a=b={one}'])] == ['one', 'a=b']
    (found,) = load_all([f'A={three}:bone'])
    assert found.title == 'A'
    np.testing.assert_array_equal(found.features, load_all([three])[1].features)
    assert load_all([f'{three}:bone'])[0].title == 'three bone'
    with pytest.raises(ValueError, match="has no stream 'motion'; expected one of joint, bone"):
        load_all([f'{three}:motion'])
    with pytest.raises(ValueError, match="has no stream 'joint'; expected no stream"):
        load_all([f'{one}:joint'])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(labels=None), r"lacks \['labels'\]"),
        (dict(names=['a', 'b']), 'expected .N, D. or .N, streams, D., and N of each'),
        (dict(features=np.full((6, 3), np.nan)), 'not finite'),
        (dict(names=np.array([print] * 6, dtype=object)), 'cannot be read'),
    ],
)
def test_wrong_files(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_features(save(tmp_path / 'x.npz', **changes))


def test_an_array_is_no_file_of_features(tmp_path):
    np.save(tmp_path / 'x.npy', np.ones((6, 3)))
    with pytest.raises(ValueError, match=r'x.npy cannot be read \(it holds a single array\)'):
        load_features(tmp_path / 'x.npy')


def test_two_files_need_two_titles(tmp_path):
    files = []
    for seed in (0, 1):
        (tmp_path / f'seed{seed}').mkdir()
        files.append(save(tmp_path / f'seed{seed}' / 'features.npz'))
    message = "2 files have the title 'features'; expected one of each: name them TITLE=FILE"
    with pytest.raises(ValueError, match=message):
        load_all(files)
    assert [f.title for f in load_all([f'first={files[0]}', files[1]])] == ['first', 'features']


def test_names_of_classes(tmp_path):
    assert read_class_lines(None) is None
    (tmp_path / 'names.txt').write_text('sit\nstand up\n')
    assert read_class_lines(tmp_path / 'names.txt') == ['sit', 'stand up']
    (tmp_path / 'bytes').write_bytes(b'\xff\xfe')
    for name in ('none.txt', 'bytes', '.'):
        with pytest.raises(ValueError, match='--names .* cannot be read .*one class name per line'):
            read_class_lines(tmp_path / name)


def test_files_that_do_not_belong_together(tmp_path):
    one = save(tmp_path / 'one.npz')
    two = save(tmp_path / 'two.npz', names=[f's{5 - i}' for i in range(6)])
    with pytest.raises(ValueError, match='hold other samples, or in another order'):
        load_all([one, two])
    with pytest.raises(
        ValueError, match=r"no sample of split 'test'; expected one of \['train', 'val'\]"
    ):
        load_all([one], 'test')
    three = save(tmp_path / 'three.npz', labels=[0, 1, 0, 1, 1, 0])
    message = "sample 's4' is of class 0 in one and of class 1 in three .2 such samples"
    with pytest.raises(ValueError, match=message):
        load_all([one, three])
    (tmp_path / 'bad.npz').write_bytes(b'PK')
    with pytest.raises(ValueError, match='bad.npz cannot be read'):
        load_all([str(tmp_path / 'bad.npz')])
