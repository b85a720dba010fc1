"""A wrong list is an error that names the line."""

import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.generic.sequence_list import UNKNOWN, read_list
from tests.converters.generic.sequences import convert, write_list


@pytest.mark.parametrize(
    'rows, header, message',
    [
        (['a.npy,1'], 'file,class', "lacks the column 'label'"),
        (['a.npy,1,1,1'], 'file,label,subject,label', 'names a column twice'),
        (['a.npy,1'], 'file,label,subject', 'line 2 has 2 fields; expected 3'),
        (['a.npy,,1'], 'file,label,subject', 'line 2 has no label'),
        (['a.npy,1,1', 'b.npz,bow,2'], 'file,label,subject', 'both numbers .* and names'),
        (['a.npy,-1,1', 'b.npz,2,2'], 'file,label,subject', 'label -1; expected an integer'),
        (['a.npy,1,1', 'a.npz,1,2'], 'file,label,subject', "both make sample 'a'"),
        (['../a.npy,1,1'], 'file,label,subject', 'expected a file inside the folder'),
        ([], 'file,label,subject', 'has only a header'),
        (['a.npy,1,2', 'b.npz,1,3'], 'file,label,subject', "train subject '1' is not in"),
        (['a.npy,1,1', 'b.npz,1,1'], 'file,label,subject', 'all subjects .* are train subjects'),
    ],
)
def test_a_wrong_list_is_an_error(folder, rows, header, message):
    folder, _ = folder
    write_list(folder, rows, header)
    with pytest.raises(BrokenFile, match=message):
        convert(folder, skip_bad=True)


def test_parts_of_recordings(tmp_path):
    rows = ['a.json,sit,,', 'b.json,sit,0,1.5', 'a.json,run,2,3', 'b.json,run,1.5,2']
    write_list(tmp_path, rows, 'file,label,start,end')
    found, unused = read_list(tmp_path / 'list.csv', parts=True)
    assert [row.name for row in found] == ['a', 'b_001', 'a_001', 'b_002'] and unused == []
    assert [(row.start, row.end) for row in found[:2]] == [(None, None), (0, 1.5)]
    # a list of sequences has no parts: both lines are whole files
    with pytest.raises(BrokenFile, match="lines 2 and 4 both make sample 'a'"):
        read_list(tmp_path / 'list.csv')


def test_recordings_without_labels(tmp_path):
    write_list(tmp_path, ['a.json,1'], 'file,subject')
    (row,), _ = read_list(tmp_path / 'list.csv', parts=True)
    assert row.label == UNKNOWN and row.subject == '1'
    with pytest.raises(BrokenFile, match="lacks the column 'label'"):
        read_list(tmp_path / 'list.csv')
