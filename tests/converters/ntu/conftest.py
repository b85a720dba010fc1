"""Raw files: a sound one, and a folder of them."""

import pytest

from tests.converters.ntu.raw_files import FIRST, NAMES, SECOND, body, write_raw


@pytest.fixture
def raw(tmp_path):
    """A sound file of two bodies, the second in frames 3 to 17 of 20."""
    bodies = {FIRST: body(1, 20), SECOND: body(2, 15, 0.05, start=3)}
    return write_raw(tmp_path / 'S001C002P003R002A013.skeleton', bodies, 20)


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
