"""The tables of docs/layouts.md are those that the package makes."""

import runpy

import pytest
from helpers import ROOT


@pytest.fixture(scope='module')
def tables():
    return runpy.run_path(str(ROOT / 'docs' / 'layout_tables.py'), run_name='layout_tables')


def test_the_page_is_up_to_date(tables):
    page = (ROOT / 'docs' / 'layouts.md').read_text(encoding='utf-8')
    assert tables['replace_tables'](page) == page, 'run: python docs/layout_tables.py'


def test_how_a_map_is_told(tables):
    assert tables['tell']({}) == 'missing'
    assert tables['tell']({'a': 0.5, 'b': 0.5}) == 'a + b'
    assert tables['tell']({'a': 0.65, 'b': 0.35}) == '0.65 a + 0.35 b'
