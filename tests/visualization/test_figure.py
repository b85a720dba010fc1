"""What all pictures share."""

import matplotlib.image
import matplotlib.pyplot
import pytest
from matplotlib.colors import to_rgb

from deeprank_plugin.visualization.figure import (
    COLORS,
    as_clock,
    file_names,
    new_figure,
    truncate,
    write_whole,
)


def test_a_figure_draws_without_a_display_and_without_pyplot(tmp_path):
    figure = new_figure(3, 2)
    figure.savefig(tmp_path / 'a.png')
    assert matplotlib.image.imread(tmp_path / 'a.png').shape[:2] == (260, 390)  # 130 dots an inch
    assert not matplotlib.pyplot.get_fignums()


def test_colors_are_twenty_and_differ():
    found = {to_rgb(color) for color in COLORS}
    assert len(found) == len(COLORS) == 20


def test_texts():
    assert truncate('walking', 7) == 'walking' and truncate('walking on', 9) == 'walking…'
    seconds = 0, 61, 2.5, 600, 59.96, 3661
    assert [as_clock(s) for s in seconds] == '0:00 1:01 0:02.5 10:00 1:00 1:01:01'.split()
    assert [as_clock(s, tenths=True) for s in seconds[:3]] == '0:00.0 1:01.0 0:02.5'.split()


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'a.png'
    with write_whole(path) as temporary:
        temporary.write_text('one')
        assert temporary.suffix == '.png' and not path.exists()
    with pytest.raises(ValueError, match='stop'):
        with write_whole(path) as temporary:
            temporary.write_text('two')
            raise ValueError('stop')
    assert path.read_text() == 'one' and list(path.parent.iterdir()) == [path]


def test_file_names_are_safe_and_different():
    names = ['a b', 'a/b', '../../etc/x', 'A_B', '', '...', 'x' * 300]
    found = file_names(names)
    assert found[:4] == ['a_b', 'a_b_2', '_.._etc_x', 'A_B_3']
    assert found[4:6] == ['sequence', 'sequence_2'] and len(found[6]) == 150
    assert len({name.lower() for name in found}) == len(names)
