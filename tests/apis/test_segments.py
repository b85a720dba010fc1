"""Segments come from annotations and CSV files alike; each invalid one is a sentence."""

import warnings

import numpy as np
import pytest

from deeprank_plugin.apis.segments import check_classes, read_truths
from deeprank_plugin.evaluation.functional import Segment

NAMES = ['sit', 'stand', 'wave']


def recordings(*segments):
    keypoint = np.ones((1, 50, 25, 3), np.float32)
    return [
        dict(frame_dir=f'r{i}', keypoint=keypoint, segments=list(s)) for i, s in enumerate(segments)
    ]


EXPECTED = [Segment('r0', 0, 20, 1), Segment('r0', 20, 50, 2), Segment('r1', 5, 9, 0)]


def test_annotations():
    found = recordings([(0, 20, 1), (np.int64(20), 50, 'wave')], [[5, 9, np.int64(0)]], [])
    assert read_truths(found, 'a.pkl', NAMES) == EXPECTED
    assert all(type(value) is int for truth in EXPECTED for value in truth[1:])


@pytest.mark.parametrize(
    ('text', 'rates'),
    [
        ('file,start,end,label\nr0,0,19,1\nr0,20,49,wave\nr1.npy,5,8,sit\n', None),
        (
            '\ufefflabel, end ,start,file,note\r\nstand,2,0,r0,\r\n'
            '2,5.0,2,r0,x\r\n0,.45,0.25,r1,\r\n',
            [10, 20],
        ),
    ],
)
def test_csv_files(tmp_path, text, rates):
    (tmp_path / 'a.csv').write_text(text, encoding='utf-8')
    found = recordings([], [])
    assert read_truths(found, 'folder', NAMES, tmp_path / 'a.csv', rates) == EXPECTED


def test_recordings_of_one_name_are_not_merged(tmp_path):
    (tmp_path / 'a.csv').write_text('file,start,end,label\nr1,1,2,0\n')
    found = [dict(r, frame_dir=name) for r, name in zip(recordings([], [], []), ('r0', 'r0', 'r1'))]
    with pytest.raises(ValueError, match="folder holds 2 sequences of the name 'r0'"):
        read_truths(found, 'folder', NAMES, tmp_path / 'a.csv', [30, 30, 15])


def test_names_of_classes_may_be_their_numbers():
    names = [str(number) for number in range(3)]
    assert read_truths(recordings([(0, 2, '2')]), 'a', names)[0].label == 2
    assert read_truths(recordings([(0, 2, '17')]), 'a', ['3', '17'])[0].label == 1


def test_segments_that_overlap():
    found = recordings(
        [(0, 20, 1), (20, 30, 1), (10, 20, 2)], [(0, 20, 1), (19, 30, 1), (0, 20, 1)]
    )
    with pytest.warns(UserWarning, match=r"^3 pairs .* \(0, 20\) and \(19, 30\) of 'r1'") as caught:
        assert len(read_truths(found[1:], 'a.pkl', NAMES)) == 3
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_truths(found[:1], 'a.pkl', NAMES)


@pytest.mark.parametrize(
    ('segments', 'message'),
    [
        (None, "recording 'r0' of a.pkl has no segments; expected a list .* with --truth"),
        ([(0, 1)], r'has segments \[\(0, 1\)\]; expected a list of \(start, end, label\)'),
        ('abc', "has segments 'abc'; expected a list"),
        ([(0, 51, 1)], '0 <= start < end <= 50'),
        ([(-1, 5, 1)], 'from -1 to 5; expected frames'),
        ([(5, 5, 1)], 'from 5 to 5; expected frames'),
        ([(0.5, 5, 1)], 'from 0.5 to 5; expected frames'),
        (
            [(0, 5, 3)],
            "label 3; expected 0 to 2 or the name of a class of the model, such as 'sit'",
        ),
        ([(0, 5, 'run')], "label 'run'; expected 0 to 2"),
        ([(0, 5, -1)], 'label -1; expected 0 to 2'),
        ([(0, 5, 1.0)], 'label 1.0; expected 0 to 2'),
        ([(0, 5, True)], 'label True; expected 0 to 2'),
        ([], 'a.pkl has no segment; expected at least one'),
    ],
)
def test_invalid_segments(segments, message):
    found = recordings([])
    found[0]['segments'] = segments
    with pytest.raises(ValueError, match=message):
        read_truths(found, 'a.pkl', NAMES)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'a.csv is empty; expected a CSV list'),
        ('file,start,end\nr0,0,1\n', "line 1 lacks the column 'label'"),
        ('file,start,end,label\n', 'a.csv has only a header'),
        ('file,start,end,label\nr0,0,,1\n', 'line 2 has .*fill in what is missing'),
        ('file,start,end,label\nr0,0\n', 'line 2 has 2 fields; expected 4'),
        ('file,start,end,label\nr9,0,1,1\n', "names 'r9', and folder has no such recording"),
        (
            'file,start,end,label\nr0,0.5,1,1\n',
            "times '0.5' to '1'; expected numbers of frames",
        ),
        ('file,start,end,label\nr0,0,inf,1\n', "has the times '0' to 'inf'"),
        ('file,start,end,label\nr0,0,99,1\n', '0 <= start < end <= 50'),
        ('\xff', 'a.csv is not UTF-8 text'),
    ],
)
def test_invalid_csv_files(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text, encoding='latin-1')
    with pytest.raises(ValueError, match=message):
        read_truths(recordings([]), 'folder', NAMES, tmp_path / 'a.csv')


def test_seconds_that_are_none(tmp_path):
    (tmp_path / 'a.csv').write_text('file,start,end,label\nr0,0,inf,1\n')
    with pytest.raises(ValueError, match="has the times '0' to 'inf'; expected seconds"):
        read_truths(recordings([]), 'folder', NAMES, tmp_path / 'a.csv', [30])
    with pytest.raises(ValueError, match='none.csv cannot be read'):
        read_truths(recordings([]), 'folder', NAMES, tmp_path / 'none.csv')


def test_numbered_segments_have_the_classes_of_the_model(Counter):
    model = Counter()  # sit, stand, walk
    moved = ['stand', 'sit', 'walk']
    fitting, named, numbered = recordings(
        [(0, 9, 1)], [(0, 9, 'stand')], [(0, 9, 'sit'), (9, 12, 1)]
    )
    data = [dict(fitting, label_names=['sit', 'stand']), dict(named, label_names=moved), numbered]
    check_classes(model, data)
    for names in (moved, np.array(moved)):
        wrong = [*data, dict(numbered, label_names=names)]
        message = (
            "segments of 'r2' number .* class 0 is 'sit' in the checkpoint and 'stand' in the data "
            r'.*order.*or write the names of the classes in the segments.*allow_other=\[classes\]'
        )
        with pytest.raises(ValueError, match=message):
            check_classes(model, wrong)
    check_classes(model, [dict(numbered, label_names=np.array([], str))])
    model.cfg.default_hooks = dict(strict_load=dict(allow_other=['classes']))
    check_classes(model, wrong)
    model.cfg.pop('default_hooks')
    model.dataset_meta = dict(classes=None)
    check_classes(model, wrong)
