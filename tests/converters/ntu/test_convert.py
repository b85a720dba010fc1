"""Folders and zip files become annotations, also after an interruption."""

import json

import numpy as np
import pytest

from deeprank_plugin.converters import ntu
from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.ntu import convert as convert_module
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle
from tests.converters.ntu.raw_files import (
    FIRST,
    NAMES,
    SECOND,
    body,
    convert,
    pack,
    same,
    sheet,
    write_raw,
)


def test_convert(folder, tmp_path):
    names = [str(number) for number in range(60)]
    content, faults, notes, doubts = convert(
        folder, tmp_path / 'p', label_names=names, missing=[NAMES[2], 'S001C002P005R002A008']
    )
    left = sorted(name for name in NAMES if name != NAMES[2])
    assert [a['frame_dir'] for a in content['annotations']] == left
    assert content['split'] == dict(
        xsub_train=[name for name in left if 'P001' in name],
        xsub_val=[name for name in left if 'P001' not in name],
        xview_train=[name for name in left if 'C002' in name],
        xview_val=[name for name in left if 'C001' in name],
    )
    assert content['label_names'] == names
    for annotation in content['annotations']:
        name = annotation['frame_dir']
        (path,) = folder.rglob(name + '.skeleton')
        np.testing.assert_array_equal(annotation['keypoint'], ntu.read_sequence(path))
        assert annotation['total_frames'] == annotation['keypoint'].shape[1]
        assert annotation['label'] == int(name[-3:]) - 1
        assert (annotation['setup'], annotation['subject']) == (int(name[1:4]), int(name[9:12]))
        assert annotation['camera'] == int(name[5:8])
    assert faults == []
    assert ('listed sample', f'{NAMES[2]}, listed as having missing skeletons') in notes
    assert [note for note in notes if NAMES[0] in note[1]] == [
        ('short body', f'{NAMES[0]}, body {SECOND}: 5 frames')
    ]
    assert doubts == [
        '6 of the 56,880 files of ntu60 were found',
        '2 samples of ntu60 are listed as having missing skeletons, expected 302: is this the '
        'list of the other data set?',
    ]
    path = tmp_path / 'out.pkl'
    write_pickle(content, path)
    dataset = SkeletonDataset(
        str(path), [], split='xsub_val', layout='nturgb+d', num_classes=60, test_mode=True
    )
    assert len(dataset) == 3 and dataset.metainfo['classes'] == names
    np.testing.assert_array_equal(
        dataset.get_data_info(0)['keypoint'], content['annotations'][2]['keypoint']
    )


def count_reads(monkeypatch, ending_at=None):
    """Names that are read from now on; at one the process is interrupted."""
    read, names = convert_module.read_file, []

    def spy(file, *args):
        if file.name == ending_at:
            raise KeyboardInterrupt
        names.append(file.name)
        return read(file, *args)

    monkeypatch.setattr(convert_module, 'read_file', spy)
    return names


def test_interrupted_goes_on(folder, tmp_path, monkeypatch):
    expected = convert(folder, tmp_path / 'whole')
    ordered = sorted(NAMES)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        count_reads(patch, ordered[3])
        convert(folder, tmp_path / 'p')
    with monkeypatch.context() as patch:
        names = count_reads(patch)
        found = convert(folder, tmp_path / 'p')
        assert names == ordered[3:]
    assert same(found[0], expected[0]) and found[1:] == expected[1:]
    names = count_reads(monkeypatch)
    # a file that changes, one that goes, one that comes, another way to read
    (changed,) = folder.rglob(ordered[0] + '.skeleton')
    write_raw(changed, {FIRST: body(7, 30)}, 30)
    content = convert(folder, tmp_path / 'p')[0]
    assert names == [ordered[0]]
    np.testing.assert_array_equal(content['annotations'][0]['keypoint'], [sheet(body(7, 30), 30)])
    changed.rename(changed.with_name('S003C001P001R001A002.skeleton'))
    names.clear()
    content = convert(folder, tmp_path / 'p')[0]
    assert names == ['S003C001P001R001A002']
    assert [a['frame_dir'] for a in content['annotations']] == sorted([*ordered[1:], *names])
    names.clear()
    convert(folder, tmp_path / 'p', join=True)
    assert len(names) == 6
    convert(folder, tmp_path / 'p', join=True)
    assert len(names) == 6
    ntu.remove_parts(tmp_path / 'p')
    assert not (tmp_path / 'p').exists()


@pytest.mark.parametrize('damage', ['cut', 'text', 'gone', 'record', 'other'])
def test_damaged_parts_are_made_again(folder, tmp_path, monkeypatch, damage):
    expected = convert(folder, tmp_path / 'p')[0]
    expected['annotations'] = [
        dict(a, keypoint=np.array(a['keypoint'])) for a in expected['annotations']
    ]
    array, record = tmp_path / 'p/S001C001.npy', tmp_path / 'p/S001C001.json'
    if damage == 'cut':
        array.write_bytes(array.read_bytes()[:-4])
    elif damage == 'text':
        array.write_text('x')
    elif damage == 'gone':
        array.unlink()
    elif damage == 'record':
        record.write_text(record.read_text()[:-9])
    else:
        content = json.loads(record.read_text())
        record.write_text(json.dumps(dict(content, version='0')))
    names = count_reads(monkeypatch)
    assert same(convert(folder, tmp_path / 'p')[0], expected)
    assert names == [NAMES[0]]


def test_parts_are_removed_and_nothing_else(folder, tmp_path):
    convert(folder, tmp_path / 'p')
    (tmp_path / 'p/S001C001.npy.123').write_text('of a process that was killed')
    (tmp_path / 'p/mine.npy').write_text('x')
    ntu.remove_parts(tmp_path / 'p')
    assert [path.name for path in (tmp_path / 'p').iterdir()] == ['mine.npy']
    ntu.remove_parts(tmp_path / 'never')


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('workers', [1, 2])
def test_broken_files_are_skipped_if_asked(folder, tmp_path, zipped, workers):
    (cut,) = folder.rglob(NAMES[1] + '.skeleton')
    sound = cut.read_bytes()
    cut.write_bytes(sound[:300])
    odd = folder / 'S001C001P001R001A121.skeleton'
    odd.write_bytes(sound)
    sources = [pack(folder, tmp_path / 'raw.zip')] if zipped else [folder]
    kwargs = dict(sources=sources, workers=workers)
    with pytest.raises(BrokenFile, match='A121.skeleton has a name .*--skip-bad leaves'):
        convert(folder, tmp_path / 'p', **kwargs)
    content, faults, _, _ = convert(folder, tmp_path / 'p', **kwargs, skip_bad=True)
    assert [a['frame_dir'] for a in content['annotations']] == [NAMES[0], *NAMES[2:]]
    assert len(faults) == 2 and NAMES[1] in faults[1] and 'ends after line' in faults[1]
    odd.unlink()
    if not zipped:
        with pytest.raises(BrokenFile, match=f'{NAMES[1]}.*ends after line'):
            convert(folder, tmp_path / 'p', **kwargs)
        cut.write_bytes(sound)
        content, faults, _, _ = convert(folder, tmp_path / 'p', **kwargs)
        assert [a['frame_dir'] for a in content['annotations']] == NAMES and not faults


def test_wrong_arguments(folder, tmp_path):
    with pytest.raises(ValueError, match="dataset='ntu' is unknown"):
        convert(folder, tmp_path / 'p', dataset='ntu')
    with pytest.raises(ValueError, match='59 label_names; expected 60'):
        convert(folder, tmp_path / 'p', label_names=['x'] * 59)
    with pytest.raises(ValueError, match="missing names 'x'"):
        convert(folder, tmp_path / 'p', missing=['x'])
    with pytest.raises(ValueError, match='none is neither a folder nor a zip file'):
        convert(folder, tmp_path / 'p', sources=[tmp_path / 'none'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BrokenFile, match='empty holds no .skeleton file'):
        convert(folder, tmp_path / 'p', sources=[tmp_path / 'empty'])
    with pytest.raises(BrokenFile, match="no file belongs to split 'xsub_train'"):
        convert(folder, tmp_path / 'p', missing=NAMES)


def test_a_split_may_be_empty(folder, tmp_path):
    listed = [name for name in NAMES if 'P001' in name]
    content, _, _, doubts = convert(folder, tmp_path / 'p', missing=listed)
    assert content['split']['xsub_train'] == [] and len(content['annotations']) > 0
    assert 'no file belongs to xsub_train: training and test need samples' in doubts


def test_files_of_the_other_data_set_are_passed_over(folder, tmp_path):
    write_raw(folder / 'S018C001P045R001A061.skeleton', {FIRST: body(1, 20)}, 20)
    content, _, _, doubts = convert(folder, tmp_path / 'p')
    assert len(content['annotations']) == 6
    assert '1 files do not belong to ntu60 and were skipped' in doubts
    content = convert(folder, tmp_path / 'q', dataset='ntu120')[0]
    assert content['split']['xset_train'] == sorted(NAMES[2:4]) + ['S018C001P045R001A061']
    assert content['split']['xsub_train'] == NAMES[:2] + ['S018C001P045R001A061']
