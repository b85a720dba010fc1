"""A sound raw file."""

import pytest

from tests.converters.ntu.raw_files import FIRST, SECOND, body, write_raw


@pytest.fixture
def raw(tmp_path):
    """A sound file of two bodies, the second in frames 3 to 17 of 20."""
    bodies = {FIRST: body(1, 20), SECOND: body(2, 15, 0.05, start=3)}
    return write_raw(tmp_path / 'S001C002P003R002A013.skeleton', bodies, 20)
