"""Text of numbers is read strictly, and what is wrong is named by line and column."""

import numpy as np
import pytest

from deeprank_plugin.converters.batch import BrokenFile
from deeprank_plugin.converters.text import read_lines, read_table, shorten, split_lines


@pytest.mark.parametrize('data', [b'a\nb\n', b'a\r\nb', b'a\rb\r', b'\xef\xbb\xbfa\nb\n \n\n'])
def test_line_ends_do_not_matter(tmp_path, data):
    (tmp_path / 'a.txt').write_bytes(data)
    assert read_lines(tmp_path / 'a.txt', 'text') == ['a', 'b']


def test_what_is_no_text(tmp_path):
    with pytest.raises(BrokenFile, match='x is not UTF-8 text .byte 1.; expected a list'):
        split_lines(b'a\xff', 'x', 'a list')
    with pytest.raises(BrokenFile, match='x is empty; expected a list'):
        split_lines(b'\n \n', 'x', 'a list')
    with pytest.raises(BrokenFile, match='none.txt cannot be read .No such file'):
        read_lines(tmp_path / 'none.txt', 'a list')


def test_a_table():
    table = read_table(['1 2.5', ' -3e1\t.5 '], 'x')
    assert table.dtype == np.float32 and table.tolist() == [[1, 2.5], [-30, 0.5]]
    assert read_table(['1, 2'], 'x', columns=2, delimiter=',').tolist() == [[1, 2]]


@pytest.mark.parametrize(
    'lines, message',
    [
        (['1 2', ' '], 'line 8 is blank'),
        (['1 2', '1 x'], "line 8, number 2 is 'x'; expected 2 numbers"),
        (['1 2', 'nan 1'], "line 8, number 1 is 'nan'"),
        (['1 2', '1_0 1'], "line 8, number 1 is '1_0'"),
        (['1 2', '1 1e39'], "line 8, number 2 is '1e39'.*float32"),
        (['1 2', '1'], 'line 8 has 1 numbers; expected 2'),
        (['1 2', '1 2 3'], 'line 8 has 3 numbers; expected 2'),
    ],
)
def test_wrong_tables(lines, message):
    with pytest.raises(BrokenFile, match=f'x, {message}'):
        read_table(lines, 'x', first=7)


def test_shorten():
    assert shorten('abc') == "'abc'" and shorten('abcdef', 3) == "'abc...'"
