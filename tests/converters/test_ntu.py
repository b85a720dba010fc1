"""Raw NTU files come out as a plain loop reads them; broken ones are errors that say where."""

import json
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.apis import read_sequences
from deeprank_plugin.converters import ntu
from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_pickle
from deeprank_plugin.datasets.npz_annotations import require_same

FUZZ = int(os.environ.get('DEEPRANK_FUZZ', 1500))
# Two that differ in the last digit only, which float64 does not tell apart.
FIRST, SECOND, THIRD = 72057594037931101, 72057594037931102, 72057594037931200


def body(seed, frames, scale=0.01, start=0, wide=()):
    """Coordinates of a body that stands, by frame; it lies down in the frames of ``wide``."""
    rng = np.random.default_rng(seed)
    stand = np.stack([np.linspace(0, 0.4, 25), np.linspace(0, 1.7, 25), np.full(25, 3.0)], 1)
    moves = stand + seed + scale * rng.normal(size=(frames, 25, 3)).cumsum(axis=0)
    for frame in wide:
        moves[frame] = moves[frame][:, [1, 0, 2]]
    return {start + frame: np.round(moves[frame], 7) for frame in range(frames)}


def write_raw(path, bodies, frames, end='\n'):
    """A .skeleton file; ``bodies`` is a dict of id to a dict of frame to (25, 3)."""
    lines = [str(frames)]
    for frame in range(frames):
        there = [(key, spots[frame]) for key, spots in bodies.items() if frame in spots]
        lines.append(str(len(there)))
        for key, joints in there:
            lines.append(f'{key} 0 1 1 1 1 0 0.02764709 0.05745083 2')
            lines.append('25')
            for x, y, z in joints:
                lines.append(f'{x} {y} {z} 277.1 191.8 1036.2 519.8 -0.2 0.05 0.97 -0.04 2')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((end.join(lines) + end).encode())
    return path


def reference(path):
    """Bodies of a sound file, by a plain loop: number of frames, and id to frame to (25, 3)."""
    rows = iter(Path(path).read_text().split('\n'))
    frames, bodies = int(next(rows)), {}
    for frame in range(frames):
        for _ in range(int(next(rows))):
            key = next(rows).split(' ')[0]
            joints = []
            for _ in range(int(next(rows))):
                joints.append([np.float32(number) for number in next(rows).split(' ')[:3]])
            bodies.setdefault(key, {})[frame] = np.array(joints)
    return frames, bodies


def sheet(spots, frames):
    """A body's coordinates with zeros where it is absent."""
    joints = np.zeros((frames, 25, 3), np.float32)
    for frame, values in spots.items():
        joints[frame] = values
    return joints


def clean(path, join=False):
    lines = Path(path).read_text().split('\n')[:-1]
    return ntu.clean_bodies(*ntu.read_bodies(lines, str(path)), join)


def kinds(notes):
    return sorted(kind for kind, _ in notes)


@pytest.fixture
def raw(tmp_path):
    """A sound file of two bodies, the second in frames 3 to 17 of 20."""
    bodies = {FIRST: body(1, 20), SECOND: body(2, 15, 0.05, start=3)}
    return write_raw(tmp_path / 'S001C002P003R002A013.skeleton', bodies, 20)


def test_reads_as_a_plain_loop_does(raw):
    frames, expected = reference(raw)
    assert (frames, list(expected)) == (20, [str(FIRST), str(SECOND)])
    found, number = ntu.read_bodies(raw.read_text().split('\n')[:-1], 'x')
    assert number == 20
    for part, (key, spots) in zip(found, expected.items(), strict=True):
        assert part.number == key
        assert part.frames.tolist() == list(spots)
        assert part.joints.dtype == np.float32
        np.testing.assert_array_equal(part.joints, np.array(list(spots.values())))
    keypoint = ntu.read_sequence(raw)
    assert keypoint.dtype == np.float32
    order = [expected[str(SECOND)], expected[str(FIRST)]]  # the one that moves more comes first
    np.testing.assert_array_equal(keypoint, [sheet(spots, 20) for spots in order])
    (sequence,) = read_sequences(raw)
    assert sequence['frame_dir'] == 'S001C002P003R002A013'
    np.testing.assert_array_equal(sequence['keypoint'], keypoint)


def test_line_ends_blank_ends_and_spaces_do_not_matter(raw, tmp_path):
    expected = ntu.read_sequence(raw)
    text = raw.read_text()
    for index, other in enumerate(
        [text.replace('\n', '\r\n'), text.rstrip('\n'), text + '\n \n', '\ufeff' + text]
        + [text.replace(' ', '  ').replace('\n25\n', '\n 25 \n'), text.replace(' ', '\t')]
    ):
        path = tmp_path / f'{index}.skeleton'
        path.write_bytes(other.encode())
        np.testing.assert_array_equal(ntu.read_sequence(path), expected)


def test_motion_and_noise_by_hand():
    joints = np.zeros((2, 25, 3), np.float32)
    joints[1, :, 0], joints[1, :, 1] = 2, 4
    # halves at 0 and 2, 0 and 4: variances 1 and 4
    assert ntu.Body('1', np.arange(2), joints).motion == 5
    square = np.zeros((10, 25, 3), np.float32)
    square[:, 0, 1] = 1  # height 1
    square[:6, 0, 0] = 0.75  # not wider than 0.8
    square[6:, 0, 0] = 0.875
    assert ntu.Body('1', np.arange(10), square).noisy == 0.4


@pytest.mark.parametrize(('length', 'stays'), [(11, False), (12, True)])
def test_short_bodies(tmp_path, length, stays):
    bodies = {FIRST: body(1, 20), SECOND: body(2, length, 0.5)}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    assert len(keypoint) == 1 + stays
    assert kinds(notes) == [] if stays else ['short body']
    if not stays:
        assert notes[0][1] == f'body {SECOND}: 11 frames'
        np.testing.assert_array_equal(keypoint[0], sheet(body(1, 20), 20))


@pytest.mark.parametrize(('lies', 'stays'), [(697, True), (698, False)])
def test_noisy_bodies(tmp_path, lies, stays):
    """0.69754 lies between 697 and 698 of 1000 frames."""
    still = body(1, 1000, 0)
    bodies = {FIRST: still, SECOND: body(2, 1000, 0, wide=range(lies))}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 1000))
    assert len(keypoint) == 1 + stays
    assert kinds(notes) == [] if stays else ['noisy body']


def test_the_last_body_is_never_dropped(tmp_path):
    alone = {FIRST: body(1, 30, wide=range(30))}  # somebody lies on the floor
    keypoint, notes = clean(write_raw(tmp_path / '1.skeleton', alone, 30))
    np.testing.assert_array_equal(keypoint, [sheet(alone[FIRST], 30)])
    assert kinds(notes) == ['kept noisy body']

    short = {FIRST: body(1, 8, 0.5), SECOND: body(2, 11)}
    keypoint, notes = clean(write_raw(tmp_path / '2.skeleton', short, 11))
    np.testing.assert_array_equal(keypoint, [sheet(short[SECOND], 11)])  # the longest
    assert kinds(notes) == ['kept short body', 'short body']

    both = {FIRST: body(1, 20, wide=range(20)), SECOND: body(2, 20, wide=range(18))}
    keypoint, notes = clean(write_raw(tmp_path / '3.skeleton', both, 20))
    np.testing.assert_array_equal(keypoint, [sheet(both[SECOND], 20)])  # the least noisy
    assert kinds(notes) == ['kept noisy body', 'noisy body']

    # the short one is no way out for the noisy one: it went first
    mixed = {FIRST: body(1, 5), SECOND: body(2, 20, wide=range(20))}
    keypoint, notes = clean(write_raw(tmp_path / '4.skeleton', mixed, 20))
    np.testing.assert_array_equal(keypoint, [sheet(mixed[SECOND], 20)])
    assert kinds(notes) == ['kept noisy body', 'short body']


def test_two_of_three_by_motion(tmp_path):
    bodies = {FIRST: body(1, 20, 0.02), SECOND: body(2, 20, 0.005), THIRD: body(3, 20, 0.08)}
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    np.testing.assert_array_equal(keypoint, [sheet(bodies[key], 20) for key in (THIRD, FIRST)])
    assert notes == [('further body', f'body {SECOND}: two others have more motion')]


def test_frames_without_a_body_are_dropped(tmp_path):
    spots = body(1, 20)
    for frame in (0, 7, 8):
        del spots[frame]
    spots[19] = np.zeros((25, 3))  # zero throughout is absent
    bodies = {FIRST: spots, SECOND: {7: body(2, 1)[0]}}  # and the short one's frame goes with it
    keypoint, notes = clean(write_raw(tmp_path / 'x.skeleton', bodies, 20))
    left = [frame for frame in range(20) if frame not in (0, 7, 8, 19)]
    np.testing.assert_array_equal(keypoint, [sheet(spots, 20)[left]])
    assert kinds(notes) == ['empty frames', 'short body']
    assert notes[-1] == ('empty frames', '4 of 20 frames without a body')


def test_joined_tracks(tmp_path):
    bodies = {
        FIRST: body(1, 20, 0.08),
        SECOND: body(2, 15, 0.04, start=20),
        THIRD: body(3, 12, 0.001, start=15),
    }
    path = write_raw(tmp_path / 'x.skeleton', bodies, 35)
    sheets = {key: sheet(spots, 35) for key, spots in bodies.items()}
    keypoint, notes = clean(path)
    np.testing.assert_array_equal(keypoint, [sheets[FIRST], sheets[SECOND]])
    assert kinds(notes) == ['further body']
    keypoint, notes = clean(path, join=True)
    np.testing.assert_array_equal(keypoint, [sheets[FIRST] + sheets[SECOND], sheets[THIRD]])
    assert notes == [('joined body', f'body {SECOND} goes on for {FIRST}')]


def change_line(number, text):
    def change(lines):
        lines[number - 1] = text
        return lines

    return change


# In the file of ``raw`` frame 1 has lines 2 to 29, and frame 4 (the first of two bodies) begins at
# line 86.
BROKEN = {
    'empty': (lambda lines: [], 'is empty; expected the text of a .skeleton file'),
    'truncated in a line': (
        lambda lines: lines[:40] + [lines[40][:20]],
        'ends after line 41; expected 25 lines of joints, body 1 of 1 in frame 2 of 20',
    ),
    'truncated between frames': (
        lambda lines: lines[:29],
        'ends after line 29; expected the number of bodies in frame 2 of 20',
    ),
    'truncated between bodies': (
        lambda lines: lines[: 86 + 27],
        'ends after line 113; expected 10 fields, body 2 of 2 in frame 4 of 20',
    ),
    'too few bodies announced': (
        change_line(86, '1'),
        "line 114 is '72057594037931102 0 1 .*expected the number of bodies in frame 5 of 20",
    ),
    'too many bodies announced': (
        change_line(86, '3'),
        "line 141 is '2'; expected 10 fields, the first an id, body 3 of 3 in frame 4 of 20",
    ),
    'no body announced': (change_line(2, '0'), 'line 3 is .*expected the number of bodies in fra'),
    'negative': (change_line(2, '-1'), "line 2 is '-1'; expected the number of bodies in frame 1"),
    'huge': (change_line(1, '999999999'), 'expected the number of bodies in frame 21 of 999999999'),
    'no frame': (change_line(1, '0'), 'line 2 is .*expected the end of the file after 0 frames'),
    'frame count a text': (change_line(1, 'x'), "line 1 is 'x'; expected the number of frames"),
    'fewer frames announced': (
        change_line(1, '19'),
        'line .* is .*; expected the end of the file after 19 frames, as line 1 says',
    ),
    'more frames announced': (change_line(1, '21'), 'expected the number of bodies in frame 21 of'),
    'text at the end': (lambda lines: [*lines, 'end'], "is 'end'; expected the end of the file"),
    'id a text': (change_line(3, 'a 0 1 1 1 1 0 0 0 2'), 'line 3 is .*the first an id'),
    'a field less': (change_line(3, '1 0 1 1 1 1 0 0 0'), 'line 3 is .*expected 10 fields'),
    '24 joints': (change_line(4, '24'), 'line 4 says 24 joints; expected 25, body 1 of 1 in fr'),
    'twice': (
        change_line(114, f'{FIRST} 0 1 1 1 1 0 0 0 2'),
        f'line 114: body {FIRST} is twice in frame 4 of 20',
    ),
    'NaN': (change_line(7, '1 NaN 3 4 5 6 7 8 9 10 11 2'), "line 7: y is 'NaN'; expected a dec"),
    'inf': (change_line(8, '1 2 -inf 4 5 6 7 8 9 10 11 2'), "line 8: z is '-inf'; expected a dec"),
    'large': (change_line(8, '1e39 2 3 4 5 6 7 8 9 10 11 2'), "line 8: x is '1e39'.*float32"),
    'larger': (change_line(8, '1e999 2 3 4 5 6 7 8 9 10 11 2'), "line 8: x is '1e999'.*float32"),
    'underscore': (change_line(9, '1_0 2 3 4 5 6 7 8 9 10 11 2'), "line 9: x is '1_0'; expected"),
    'other digits': (change_line(9, '\u0661 2 3 4 5 6 7 8 9 10 11 2'), 'line 9: x is .*expected a'),
    '11 numbers': (change_line(9, '1 2 3 4 5 6 7 8 9 10 11'), 'line 9 has 11 fields; expected 12'),
    '13 numbers': (change_line(9, '1 ' * 13), 'line 9 has 13 fields; expected 12'),
    'blank': (change_line(9, ''), 'line 9 has 0 fields; expected 12 numbers of a joint'),
    'in the second body': (
        change_line(120, '1 2 x 4 5 6 7 8 9 10 11 2'),
        "line 120: z is 'x'; expected a decimal number",
    ),
}


@pytest.mark.parametrize('kind', BROKEN)
def test_broken_files(raw, kind):
    change, message = BROKEN[kind]
    lines = change(raw.read_text().split('\n')[:-1])
    raw.write_text(''.join(line + '\n' for line in lines), encoding='utf-8')
    with pytest.raises(BrokenFile, match=message) as caught:
        ntu.read_sequence(raw)
    assert str(raw) in str(caught.value)


def test_the_first_fault_is_named(raw):
    lines = raw.read_text().split('\n')
    for row in (200, 130, 150):  # the second body's line 130 is read after the first body's 150
        lines[row] = lines[row].replace(' ', ' q', 1)
    raw.write_text('\n'.join(lines))
    with pytest.raises(BrokenFile, match='line 131: y'):
        ntu.read_sequence(raw)


def test_files_that_are_no_text_or_hold_nobody(raw, tmp_path):
    raw.write_bytes(b'20\n\xff\xfe')
    with pytest.raises(BrokenFile, match='is no UTF-8 text'):
        ntu.read_sequence(raw)
    with pytest.raises(BrokenFile, match='cannot be read'):
        ntu.read_sequence(tmp_path)
    for bodies in ({}, {FIRST: {2: np.zeros((25, 3))}}):
        with pytest.raises(BrokenFile, match='no body in any of its 4 frames'):
            ntu.read_sequence(write_raw(tmp_path / 'x.skeleton', bodies, 4))


def test_what_is_not_used_may_be_anything(raw):
    """The camera's images may end before a joint, which makes its places in them infinite."""
    expected = ntu.read_sequence(raw)
    raw.write_text(raw.read_text().replace('277.1 191.8 1036.2', 'NaN -inf 1_0'))
    np.testing.assert_array_equal(ntu.read_sequence(raw), expected)


def test_damaged_bytes(tmp_path):
    """Whatever happens to a file, it is read, or refused by the one error."""
    rng = random.Random(0)
    bodies = {FIRST: body(1, 3), SECOND: body(2, 2, start=1)}
    sound = write_raw(tmp_path / 'x.skeleton', bodies, 3).read_bytes()
    refused = 0
    for _ in range(FUZZ):
        data = bytearray(sound)
        for _ in range(rng.choice((1, 1, 2, 20))):
            place = rng.randrange(len(data))
            if rng.random() < 0.3:
                place = rng.randrange(min(len(data), 100))  # where the counts are
            kind = rng.randrange(5)
            if kind == 0:
                data[place] = rng.randrange(256)
            elif kind == 1:
                data[place] = rng.choice(b'0123456789 \n\r\t.-+eE_xn')
            elif kind == 2:
                del data[place : place + rng.choice((1, 2, 50, 5000))]
            elif kind == 3:
                data[place:place] = rng.choice((b'9' * 30, b'\n', b' ', b'nan', b'25\n', b'1e99'))
            else:
                data[place:place] = data[place : place + rng.choice((1, 20, 2000))]
            data = data or bytearray(b' ')
        try:
            lines = ntu.split_lines(bytes(data), 'x', 'text')
            keypoint, _ = ntu.clean_bodies(*ntu.read_bodies(lines, 'x'))
        except BrokenFile:
            refused += 1
        else:
            assert keypoint.shape[0] in (1, 2) and keypoint.shape[2:] == (25, 3)
            assert np.isfinite(keypoint).all() and keypoint.any(axis=(0, 2, 3)).all()
    assert 0.2 * FUZZ < refused < FUZZ


def test_names():
    assert ntu.parse_name('S018C003P106R002A120') == (18, 3, 106, 2, 120)
    for name in ('S033C001P001R001A001', 'S001C004P001R001A001', 'S001C001P107R001A001'):
        assert ntu.parse_name(name) is None
    for name in ('S001C001P001R003A001', 'S001C001P001R001A121', 'S001C001P001R001A000'):
        assert ntu.parse_name(name) is None
    for name in ('S001C001P001R001A001_', 's001C001P001R001A001', 'S001C001P001R001A01', ''):
        assert ntu.parse_name(name) is None
    assert ntu.is_in('ntu60', ntu.Sample(17, 3, 40, 2, 60))
    assert not ntu.is_in('ntu60', ntu.Sample(18, 1, 1, 1, 1))
    assert not ntu.is_in('ntu60', ntu.Sample(1, 1, 1, 1, 61))
    assert ntu.is_in('ntu120', ntu.Sample(18, 1, 1, 1, 1))


def test_splits():
    """The lists of the papers, as they are printed there."""
    of_60 = '1 2 4 5 8 9 13 14 15 16 17 18 19 25 27 28 31 34 35 38'
    of_120 = of_60 + (
        ' 45 46 47 49 50 52 53 54 55 56 57 58 59 70 74 78 80 81 82 83 84 85 86 89 91 92 93 94 95 97'
        ' 98 100 103'
    )
    assert ntu.TRAIN_SUBJECTS['ntu60'] == set(map(int, of_60.split()))
    assert ntu.TRAIN_SUBJECTS['ntu120'] == set(map(int, of_120.split()))
    assert len(ntu.TRAIN_SUBJECTS['ntu60']) == 20 and len(ntu.TRAIN_SUBJECTS['ntu120']) == 53
    assert ntu.split_of('ntu60', ntu.Sample(2, 1, 38, 1, 1)) == ('xsub_train', 'xview_val')
    assert ntu.split_of('ntu60', ntu.Sample(2, 2, 40, 1, 1)) == ('xsub_val', 'xview_train')
    assert ntu.split_of('ntu120', ntu.Sample(32, 1, 45, 1, 1)) == ('xsub_train', 'xset_train')
    assert ntu.split_of('ntu120', ntu.Sample(31, 2, 44, 1, 1)) == ('xsub_val', 'xset_val')
    for dataset, sizes in ntu.PUBLISHED.items():  # each protocol holds all but the listed samples
        left = ntu.FILES[dataset] - ntu.MISSING[dataset]
        first, second, third, fourth = sizes.values()
        assert first + second == third + fourth == left


def test_lists_of_missing_skeletons(tmp_path, monkeypatch):
    path = tmp_path / ntu.MISSING_LISTS['ntu60'][0]
    path.write_text(
        '2 of the samples have missing data.\r\nPlease ignore them.\r\n\r\n'
        'S001C002P005R002A008\r\nS001C002P006R001A008.skeleton\r\n\r\n'
    )
    assert ntu.read_missing(path) == ['S001C002P005R002A008', 'S001C002P006R001A008']
    path.write_text('S001C002P005R002A008\nS001C002P006R001A00\n')
    with pytest.raises(BrokenFile, match="line 2 is 'S001C002P006R001A00'; expected names"):
        ntu.read_missing(path)
    path.write_text('no name\n')
    with pytest.raises(BrokenFile, match='holds no name of a sample'):
        ntu.read_missing(path)

    class Spec:
        submodule_search_locations = [str(tmp_path / 'mmaction')]

    monkeypatch.setattr(ntu, 'find_spec', lambda name: Spec)
    with pytest.raises(ValueError, match='NTU_RGBD120_samples.*--missing FILE.*--no-missing-list'):
        ntu.find_missing('ntu120')
    folder = tmp_path / 'mmaction/.mim/tools/data/skeleton'
    folder.mkdir(parents=True)
    (folder / ntu.MISSING_LISTS['ntu120'][0]).write_text('x')
    assert ntu.find_missing('ntu120') == folder / ntu.MISSING_LISTS['ntu120'][0]
    assert ntu.find_missing('ntu60') == folder / ntu.MISSING_LISTS['ntu120'][0]
    (folder / ntu.MISSING_LISTS['ntu60'][0]).write_text('x')
    assert ntu.find_missing('ntu60').name == ntu.MISSING_LISTS['ntu60'][0]


NAMES = [
    f'S{setup:03d}C{camera:03d}P{subject:03d}R001A{action:03d}'
    for setup, subject, action in ((1, 1, 5), (2, 3, 60), (17, 40, 1))
    for camera in (1, 2)
]


@pytest.fixture
def folder(tmp_path):
    """Six samples in two folders, and what is to be passed over."""
    for index, name in enumerate(NAMES):
        bodies = {FIRST: body(index, 14 + index), SECOND: body(index + 9, 5 + 4 * index)}
        inner = 'nturgb+d_skeletons' if index % 2 else 'more'
        write_raw(tmp_path / 'raw' / inner / f'{name}.skeleton', bodies, 14 + 5 * index)
    (tmp_path / 'raw' / 'notes.txt').write_text('x')
    (tmp_path / 'raw' / f'._{NAMES[0]}.skeleton').write_text('x')
    return tmp_path / 'raw'


def convert(folder, parts, **kwargs):
    kwargs = dict(dict(dataset='ntu60', missing=[], workers=1), **kwargs)
    sources = kwargs.pop('sources', [folder])
    return ntu.convert_files(sources, folder=parts, **kwargs)


def same(one, other):
    """Whether two contents are the same."""
    try:
        require_same(one, other)
    except ValueError:
        return False
    return True


def pack(folder, path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob('*')):
            if file.is_file():
                archive.write(file, Path('nturgb+d_skeletons') / file.name)
    return path


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
        '6 files of ntu60 were found, of 56,880',
        '2 samples of ntu60 are listed as having missing skeletons, of 302: is the list that of '
        'the other data set?',
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


def test_zip_folder_and_workers_give_the_same(folder, tmp_path):
    expected = convert(folder, tmp_path / 'a')
    archive = pack(folder, tmp_path / 'raw.zip')
    for index, kwargs in enumerate(
        [dict(sources=[archive]), dict(sources=[archive], workers=2), dict(workers=2)]
        + [dict(sources=[folder / 'more', folder / 'nturgb+d_skeletons'])]
    ):
        found = convert(folder, tmp_path / f'p{index}', **kwargs)
        assert same(found[0], expected[0]) and found[1:] == expected[1:]
    with pytest.raises(BrokenFile, match=f'sample {NAMES[0]} is there twice'):
        convert(folder, tmp_path / 'b', sources=[folder, archive])


def count_reads(monkeypatch, ending_at=None):
    """Names that are read from now on; at one the process is interrupted."""
    read, names = ntu.read_file, []

    def spy(file, *args):
        if file.name == ending_at:
            raise KeyboardInterrupt
        names.append(file.name)
        return read(file, *args)

    monkeypatch.setattr(ntu, 'read_file', spy)
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


def test_broken_zip_files(folder, tmp_path):
    path = pack(folder, tmp_path / 'raw.zip')
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f'nturgb+d_skeletons/{NAMES[3]}.skeleton')
    data = bytearray(path.read_bytes())
    data[info.header_offset + 200] ^= 255
    path.write_bytes(data)
    with pytest.raises(BrokenFile, match=f'{NAMES[3]}.skeleton cannot be unpacked'):
        convert(folder, tmp_path / 'p', sources=[path])
    content, faults, _, _ = convert(folder, tmp_path / 'p', sources=[path], skip_bad=True)
    assert len(content['annotations']) == 5 and len(faults) == 1
    path.write_bytes(data[:-100])
    with pytest.raises(BrokenFile, match='raw.zip cannot be read .*expected a zip file'):
        convert(folder, tmp_path / 'p', sources=[path])


def test_wrong_arguments(folder, tmp_path):
    with pytest.raises(ValueError, match="dataset='ntu' is not known"):
        convert(folder, tmp_path / 'p', dataset='ntu')
    with pytest.raises(ValueError, match='59 label_names; expected 60'):
        convert(folder, tmp_path / 'p', label_names=['x'] * 59)
    with pytest.raises(ValueError, match="missing names 'x'"):
        convert(folder, tmp_path / 'p', missing=['x'])
    with pytest.raises(ValueError, match='none is no folder and no zip file'):
        convert(folder, tmp_path / 'p', sources=[tmp_path / 'none'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BrokenFile, match='empty holds no .skeleton file'):
        convert(folder, tmp_path / 'p', sources=[tmp_path / 'empty'])
    with pytest.raises(BrokenFile, match="split 'xsub_train' is left without a sample"):
        convert(folder, tmp_path / 'p', missing=[name for name in NAMES if 'P001' in name])


def test_files_of_the_other_data_set_are_passed_over(folder, tmp_path):
    write_raw(folder / 'S018C001P045R001A061.skeleton', {FIRST: body(1, 20)}, 20)
    content, _, _, doubts = convert(folder, tmp_path / 'p')
    assert len(content['annotations']) == 6
    assert '1 files are not of ntu60 and were passed over' in doubts
    content = convert(folder, tmp_path / 'q', dataset='ntu120')[0]
    assert content['split']['xset_train'] == sorted(NAMES[2:4]) + ['S018C001P045R001A061']
    assert content['split']['xsub_train'] == NAMES[:2] + ['S018C001P045R001A061']


def test_counts_beside_the_published_ones():
    splits = {name: range(size) for name, size in ntu.PUBLISHED['ntu60'].items()}
    lines, all_same = ntu.compare_counts(splits, 'ntu60')
    assert all_same
    assert lines[0] == 'xsub_train: 40,091 samples, published 40,091: the same'
    lines, all_same = ntu.compare_counts(dict(splits, xview_val=range(18930)), 'ntu60')
    assert not all_same
    assert lines[3] == 'xview_val: 18,930 samples, published 18,932: differs by -2'
