"""Timelines become a picture and an animation, whole or not at all."""

import matplotlib.figure
import numpy as np
import pytest
from PIL import Image

from deeprank_plugin.apis import name_actions, timeline_pictures
from deeprank_plugin.apis.timeline_pictures import animate_timeline, draw_timeline, to_rows


@pytest.fixture
def named(Counter, standing):
    """A model, a recording whose first body is absent, and its timelines."""
    recording = np.stack([standing([None] * 6), standing([0] * 6), standing([1] * 6)])
    info = dict(frame_dir='hall', keypoint=recording)
    model = Counter()
    return model, info, name_actions(model, info, window=4, stride=2, fps=1)


def test_rows(named):
    first, second = to_rows(named[2])
    assert (first.title, first.body, first.seen) == ('person 1', 1, [(0, 6)])
    assert second.intervals == [(0, 6, 'stand', 1.0)]


def test_picture_is_written_whole_or_not_at_all(named, tmp_path, monkeypatch):
    path = tmp_path / 'out' / 'hall.png'

    def fail(self, path):
        path.write_bytes(b'half')
        raise OSError('disk full')

    with monkeypatch.context() as patch:
        patch.setattr(matplotlib.figure.Figure, 'savefig', fail)
        with pytest.raises(OSError, match='disk full'):
            draw_timeline(*named, path)
    assert not list(path.parent.iterdir())
    draw_timeline(*named, path)
    with Image.open(path) as picture:
        assert picture.format == 'PNG' and picture.width > 1000
    assert [p.name for p in path.parent.iterdir()] == ['hall.png']


def test_animation_has_the_labels_of_the_persons(named, tmp_path, monkeypatch):
    given = {}

    def animate(keypoint, path, **options):
        given.update(options, keypoint=keypoint)
        return path

    monkeypatch.setattr(timeline_pictures, 'animate_skeleton', animate)
    animate_timeline(*named, tmp_path / 'hall.gif')
    np.testing.assert_array_equal(given['keypoint'], named[1]['keypoint'][1:])
    assert given['labels'] == [['sit\n100%'] * 6, ['stand\n100%'] * 6]
    assert given['fps'] == 1 and given['title'] == 'hall' and given['layout'].num_joints == 25
