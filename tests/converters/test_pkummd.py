"""PKU-MMD's raw files: what comes out, and what is said of every kind of broken file."""

import os
import random
import re

import numpy as np
import pytest

from deeprank_plugin.converters import pkummd
from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle

VIDEOS = {'0001-L': 30, '0001-M': 30, '0002-L': 40, '0002-R': 25}
LABELS = {
    '0001-L': '1,1,10,1\n51,11,30,2\n',
    '0001-M': '1,2,10,1\n',
    '0002-L': '14,5,40,1\r\n3,1,1,1\r\n',
    '0002-R': '3,25,25,2\n',
}


def write_video(path, frames, seed, absent=(), ending='\n'):
    """A row a frame, 150 numbers; bodies in ``absent`` are zeros. Returns what was written."""
    table = np.random.default_rng(seed).normal(size=(frames, 150)).round(4)
    for body in absent:
        table[:, 75 * body : 75 * body + 75] = 0
    rows = [' '.join(f'{value:.4f}' for value in row) for row in table]
    path.write_bytes((ending.join(rows) + ending).encode())
    return table


@pytest.fixture
def raw(tmp_path):
    """Folders of skeletons and labels and two split lists, and the tables as written."""
    for folder in ('skeletons', 'labels'):
        (tmp_path / folder).mkdir()
    tables = {}
    for seed, (name, frames) in enumerate(VIDEOS.items()):
        absent = {'0001-M': (1,), '0002-R': (0,)}.get(name, ())
        ending = '\r\n' if name == '0002-L' else '\n'
        path = tmp_path / 'skeletons' / f'{name}.txt'
        tables[name] = write_video(path, frames, seed, absent, ending)
        (tmp_path / 'labels' / f'{name}.txt').write_bytes(LABELS[name].encode())
    (tmp_path / 'xsub.txt').write_text(
        'Training videos:\n0001-L, 0001-M, \nValidation videos:\n0002-L, 0002-R, \n'
    )
    (tmp_path / 'xview.txt').write_text(
        'Training videos:\n0001-M, 0002-R\nValidation videos:\n0001-L, 0002-L\n'
    )
    return tmp_path, tables


def convert(folder, lists=('xsub',), **kwargs):
    lists = {name: folder / f'{name}.txt' for name in lists}
    kwargs = dict(dict(part=1, workers=1), **kwargs)
    return pkummd.convert_videos(folder / 'skeletons', folder / 'labels', lists, **kwargs)


def test_equals_a_plain_loop(raw):
    folder, tables = raw
    content, faults, doubts = convert(folder, ('xsub', 'xview'))
    assert faults == []
    expected = {}
    for name, text in LABELS.items():
        for number, line in enumerate(text.split(), 1):
            action, start, end, _ = map(int, line.split(','))
            bodies = np.zeros((2, end - start + 1, 25, 3), np.float32)
            for frame in range(start, end + 1):  # from 1, both ends
                row = tables[name][frame - 1]
                for body in range(2):
                    for joint in range(25):
                        for axis in range(3):
                            bodies[body, frame - start, joint, axis] = row[
                                75 * body + 3 * joint + axis
                            ]
            if name == '0002-R':  # its first body is absent
                bodies = bodies[::-1]
            expected[f'{name}_{number:03d}'] = (action - 1, bodies)
    assert [a['frame_dir'] for a in content['annotations']] == sorted(expected)
    for annotation in content['annotations']:
        label, bodies = expected[annotation['frame_dir']]
        assert annotation['label'] == label and annotation['total_frames'] == bodies.shape[1]
        assert annotation['keypoint'].dtype == np.float32
        np.testing.assert_array_equal(annotation['keypoint'], bodies)
    assert content['split'] == dict(
        xsub_train=['0001-L_001', '0001-L_002', '0001-M_001'],
        xsub_val=['0002-L_001', '0002-L_002', '0002-R_001'],
        xview_train=['0001-M_001', '0002-R_001'],
        xview_val=['0001-L_001', '0001-L_002', '0002-L_001', '0002-L_002'],
    )
    assert content['label_names'][:2] == ['bow', 'brushing hair']
    assert len(content['label_names']) == 51 and content['label_names'][50] == 'writing'
    assert any('47 of 51 classes have no instance' in doubt for doubt in doubts)


def test_whole_videos_hold_what_the_samples_are_cut_from(raw):
    folder, tables = raw
    samples, (content, faults, doubts) = convert(folder)[0], convert(folder, untrimmed=True)
    assert faults == [] and [a['frame_dir'] for a in content['annotations']] == sorted(VIDEOS)
    assert content['split'] == dict(xsub_train=['0001-L', '0001-M'], xsub_val=['0002-L', '0002-R'])
    assert content['label_names'] == samples['label_names']
    assert any('47 of 51 classes have no instance' in doubt for doubt in doubts)
    whole = {a['frame_dir']: a for a in content['annotations']}
    assert whole['0001-L']['segments'] == [(0, 10, 0), (10, 30, 50)]
    assert whole['0002-L']['segments'] == [(0, 1, 2), (4, 40, 13)]  # by time
    for name, annotation in whole.items():
        assert annotation['keypoint'].shape == (2, VIDEOS[name], 25, 3)
        assert annotation['total_frames'] == VIDEOS[name] and 'label' not in annotation
        assert annotation['fps'] == 30
        cuts = {
            (label, annotation['keypoint'][:, start:end].tobytes())
            for start, end, label in annotation['segments']
        }
        own = [a for a in samples['annotations'] if a['frame_dir'].startswith(name)]
        assert cuts == {(a['label'], a['keypoint'].tobytes()) for a in own}


def test_a_whole_video_lacks_its_broken_instances(raw):
    folder, _ = raw
    (folder / 'labels' / '0001-L.txt').write_text('1,1,10,1\n51,11,31,2\n')
    (folder / 'labels' / '0001-M.txt').write_text('52,1,10,1\n')
    content, faults, _ = convert(folder, skip_bad=True, untrimmed=True)
    assert len(faults) == 2 and content['split']['xsub_train'] == ['0001-L']
    assert content['annotations'][0]['segments'] == [(0, 10, 0)]


def test_several_processes_give_the_same(raw):
    folder, _ = raw
    one, two = (convert(folder, workers=workers)[0] for workers in (1, 2))
    assert one['split'] == two['split']
    for a, b in zip(one['annotations'], two['annotations']):
        assert a['frame_dir'] == b['frame_dir']
        np.testing.assert_array_equal(a['keypoint'], b['keypoint'])


def test_is_read_by_the_data_set(raw):
    folder, _ = raw
    write_pickle(convert(folder)[0], folder / 'pku.pkl')
    dataset = SkeletonDataset(str(folder / 'pku.pkl'), pipeline=[], split='xsub_train')
    assert len(dataset) == 3 and dataset.metainfo['classes'][0] == 'bow'


def test_numbers_of_part_two_are_closed_up():
    numbers = pkummd.class_numbers(2)
    assert len(numbers) == 41 and sorted(numbers.values()) == list(range(41))
    assert numbers[1] == 0 and numbers[13] == 11 and numbers[51] == 40 and 14 not in numbers
    assert pkummd.class_numbers(2, 51) == pkummd.class_numbers(1)
    with pytest.raises(ValueError, match='part=3 is unknown'):
        pkummd.class_numbers(3)
    with pytest.raises(ValueError, match='classes=41 is unknown for part 1'):
        pkummd.class_numbers(1, 41)


def damage(folder, what):
    """Break one thing of '0001-L'."""
    skeleton, label = folder / 'skeletons' / '0001-L.txt', folder / 'labels' / '0001-L.txt'
    text = skeleton.read_text()
    if what == 'truncated':
        skeleton.write_text(text[:-200])
    elif what == 'NaN':
        skeleton.write_text(text.replace(text.split()[160], 'NaN', 1))
    elif what == 'a column more':
        skeleton.write_text(text.replace('\n', ' 1.0\n', 1))
    elif what == 'no skeletons':
        skeleton.unlink()
    elif what == 'empty skeletons':
        skeleton.write_text('\n')
    elif what == 'no labels':
        label.unlink()
    elif what == 'empty labels':
        label.write_text('')
    elif what == 'beyond the end':
        label.write_text('1,1,10,1\n51,11,31,2\n')
    elif what == 'backwards':
        label.write_text('1,10,1,1\n')
    elif what == 'from 0':
        label.write_text('1,0,10,1\n')
    elif what == 'unknown action':
        label.write_text('52,1,10,1\n')
    elif what == 'text':
        label.write_text('bow,1,10,1\n')
    elif what == 'binary':
        label.write_bytes(b'\xff\xfe\x00')
    elif what == 'absent':
        skeleton.write_text(30 * (' '.join(150 * ['0']) + '\n'))


@pytest.mark.parametrize(
    'what, message, kept',
    [
        ('truncated', r'0001-L.txt, line 30 has \d+ numbers; expected 150 numbers per line', 4),
        ('NaN', "0001-L.txt, line 2, number 11 is 'NaN'", 4),
        ('a column more', 'line 1 has 151 numbers', 4),
        ('no skeletons', '0001-L.txt cannot be read', 4),
        ('empty skeletons', '0001-L.txt is empty', 4),
        ('no labels', '0001-L.txt cannot be read', 4),
        ('empty labels', '0001-L.txt is empty', 4),
        ('beyond the end', 'beyond the end of the video; expected at most frame 30', 5),
        ('backwards', 'frames 10 to 1; expected 1 <= start <= end', 4),
        ('from 0', 'frames 0 to 10; expected 1 <= start', 4),
        ('unknown action', 'action 52; expected 1 to 51', 4),
        ('text', "is 'bow,1,10,1'; expected four integers", 4),
        ('binary', 'is not UTF-8 text', 4),
        ('absent', 'both bodies are absent from frame 1 to 10', 4),
    ],
)
def test_what_is_broken_is_an_error_or_left_out(raw, what, message, kept):
    folder, _ = raw
    damage(folder, what)
    with pytest.raises(BrokenFile, match=message):
        convert(folder)
    content, faults, _ = convert(folder, skip_bad=True)
    assert len(content['annotations']) == kept
    assert any(re.search(message, fault) for fault in faults)


@pytest.mark.parametrize(
    'text, message',
    [
        ('Training videos:\n0001-L\n', 'has 2 lines; expected a split list'),
        ('a\n0001-L, 0001-L\nb\n0002-L\n', 'names video 0001-L twice'),
        ('a\n0001-L\nb\n0001-L\n', 'names video 0001-L twice'),
        ('a\n0001/L\nb\n0002-L\n', "line 2 names '0001/L'"),
        ('a\n ,\nb\n0002-L\n', 'line 2 names no video'),
        ('a\nA01N01-L\nb\n0002-L\n', 'A01N01-L .* is named like those of part 2'),
    ],
)
def test_a_wrong_split_list_is_an_error(raw, text, message):
    folder, _ = raw
    (folder / 'xsub.txt').write_text(text)
    for skip_bad in (False, True):
        with pytest.raises(BrokenFile, match=message):
            convert(folder, skip_bad=skip_bad)


def test_doubts_are_told(raw):
    folder, _ = raw
    (folder / 'xsub.txt').write_text((folder / 'xview.txt').read_text())
    write_video(folder / 'skeletons' / '0009-L.txt', 3, 0)
    doubts = convert(folder)[2]
    assert any('is this the list of the other protocol' in doubt for doubt in doubts)
    assert any('1 videos' in doubt and '0009-L' in doubt for doubt in doubts)


def test_names_without_a_view_are_no_doubt():
    assert pkummd.suspect_split('xsub', ['0002', '0003'], ['0004']) is None
    assert pkummd.suspect_split('xview', ['0002', '0003'], ['0004']) is None
    assert '1 recordings (0002)' in pkummd.suspect_split('xsub', ['0002-L', '1'], ['0002-M', '2'])
    assert '1 views (L)' in pkummd.suspect_split('xview', ['0002-L', '1'], ['0003-L', '2'])


def test_a_split_without_samples_is_an_error(raw):
    folder, _ = raw
    for name in ('0001-L', '0001-M'):
        (folder / 'labels' / f'{name}.txt').write_text('')
    with pytest.raises(BrokenFile, match="split 'xsub_train' has no sample left"):
        convert(folder, skip_bad=True)


def test_counts_beside_the_published_ones():
    assert pkummd.compare_published(1, 21545).endswith('the same')
    assert pkummd.compare_published(1, 21500).endswith('differs by -45')
    assert pkummd.compare_published(2, 6945).endswith('agrees')
    assert pkummd.compare_published(2, 6000).endswith('differs by -1,000')


def test_damaged_files_give_the_documented_error_only(raw):
    """DEEPRANK_FUZZ=100000 tries as many."""
    folder, _ = raw
    rng = random.Random(0)
    files = [folder / 'skeletons' / '0002-R.txt', folder / 'labels' / '0002-R.txt']
    whole = [file.read_bytes() for file in files]
    numbers, rejected = pkummd.class_numbers(1), 0
    for _ in range(int(os.environ.get('DEEPRANK_FUZZ', 300))):
        which = rng.randrange(2)
        data = bytearray(whole[which])
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            change = rng.randrange(3)
            if change == 0:
                data[place] = rng.randrange(256)
            elif change == 1:
                del data[place : place + rng.randint(1, 50)]
            else:
                data[place:place] = rng.choice([b'nan', b',', b'\n', b'-', b'1e99', b'\x1c'])
            if not data:
                break
        files[which].write_bytes(data)
        annotations, faults = pkummd.convert_video(
            '0002-R', folder / 'skeletons', folder / 'labels', numbers
        )
        rejected += bool(faults)
        assert annotations or faults
        assert all(np.isfinite(annotation['keypoint']).all() for annotation in annotations)
        files[which].write_bytes(whole[which])
    assert rejected
