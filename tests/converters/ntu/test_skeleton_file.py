"""Raw files are read as a plain loop reads them; broken ones are errors that say where."""

import os
import random

import numpy as np
import pytest

from deeprank_plugin.apis import read_sequences
from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.ntu import read_sequence
from deeprank_plugin.converters.ntu.clean_up import clean_bodies
from deeprank_plugin.converters.ntu.skeleton_file import read_bodies
from deeprank_plugin.converters.text import split_lines
from tests.converters.ntu.raw_files import FIRST, SECOND, body, reference, sheet, write_raw

FUZZ = int(os.environ.get('DEEPRANK_FUZZ', 1500))


def test_reads_as_a_plain_loop_does(raw):
    frames, expected = reference(raw)
    assert (frames, list(expected)) == (20, [str(FIRST), str(SECOND)])
    found, number = read_bodies(raw.read_text().split('\n')[:-1], 'x')
    assert number == 20
    for part, (key, spots) in zip(found, expected.items(), strict=True):
        assert part.number == key
        assert part.frames.tolist() == list(spots)
        assert part.joints.dtype == np.float32
        np.testing.assert_array_equal(part.joints, np.array(list(spots.values())))
    keypoint = read_sequence(raw)
    assert keypoint.dtype == np.float32
    order = [expected[str(SECOND)], expected[str(FIRST)]]  # the one that moves more comes first
    np.testing.assert_array_equal(keypoint, [sheet(spots, 20) for spots in order])
    (sequence,) = read_sequences(raw)
    assert sequence['frame_dir'] == 'S001C002P003R002A013'
    np.testing.assert_array_equal(sequence['keypoint'], keypoint)


def test_line_ends_blank_ends_and_spaces_do_not_matter(raw, tmp_path):
    expected = read_sequence(raw)
    text = raw.read_text()
    for index, other in enumerate(
        [text.replace('\n', '\r\n'), text.rstrip('\n'), text + '\n \n', '\ufeff' + text]
        + [text.replace(' ', '  ').replace('\n25\n', '\n 25 \n'), text.replace(' ', '\t')]
    ):
        path = tmp_path / f'{index}.skeleton'
        path.write_bytes(other.encode())
        np.testing.assert_array_equal(read_sequence(path), expected)


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
        f'line 114: body {FIRST} occurs twice in frame 4 of 20',
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
        read_sequence(raw)
    assert str(raw) in str(caught.value)


def test_the_first_fault_is_named(raw):
    lines = raw.read_text().split('\n')
    for row in (200, 130, 150):  # the second body's line 130 is read after the first body's 150
        lines[row] = lines[row].replace(' ', ' q', 1)
    raw.write_text('\n'.join(lines))
    with pytest.raises(BrokenFile, match='line 131: y'):
        read_sequence(raw)


def test_files_that_are_no_text_or_hold_nobody(raw, tmp_path):
    raw.write_bytes(b'20\n\xff\xfe')
    with pytest.raises(BrokenFile, match='is not UTF-8 text'):
        read_sequence(raw)
    with pytest.raises(BrokenFile, match='cannot be read'):
        read_sequence(tmp_path)
    for bodies in ({}, {FIRST: {2: np.zeros((25, 3))}}):
        with pytest.raises(BrokenFile, match='no body in any of its 4 frames'):
            read_sequence(write_raw(tmp_path / 'x.skeleton', bodies, 4))


def test_what_is_not_used_may_be_anything(raw):
    """The camera's images may end before a joint, which makes its places in them infinite."""
    expected = read_sequence(raw)
    raw.write_text(raw.read_text().replace('277.1 191.8 1036.2', 'NaN -inf 1_0'))
    np.testing.assert_array_equal(read_sequence(raw), expected)


def test_damaged_bytes(tmp_path):
    """Whatever happens to a file, it is read, or rejected by the one error."""
    rng = random.Random(0)
    bodies = {FIRST: body(1, 3), SECOND: body(2, 2, start=1)}
    sound = write_raw(tmp_path / 'x.skeleton', bodies, 3).read_bytes()
    rejected = 0
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
            lines = split_lines(bytes(data), 'x', 'text')
            keypoint, _ = clean_bodies(*read_bodies(lines, 'x'))
        except BrokenFile:
            rejected += 1
        else:
            assert keypoint.shape[0] in (1, 2) and keypoint.shape[2:] == (25, 3)
            assert np.isfinite(keypoint).all() and keypoint.any(axis=(0, 2, 3)).all()
    assert 0.2 * FUZZ < rejected < FUZZ
