"""What all pictures share."""

import matplotlib.image
import matplotlib.pyplot
from matplotlib.colors import to_rgb

from deeprank_plugin.visualization.figure import COLORS, new_figure


def test_a_figure_draws_without_a_display_and_without_pyplot(tmp_path):
    figure = new_figure(3, 2)
    figure.savefig(tmp_path / 'a.png')
    assert matplotlib.image.imread(tmp_path / 'a.png').shape[:2] == (260, 390)  # 130 dots an inch
    assert not matplotlib.pyplot.get_fignums()


def test_colors_are_twenty_and_differ():
    found = {to_rgb(color) for color in COLORS}
    assert len(found) == len(COLORS) == 20
