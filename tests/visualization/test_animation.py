"""Animations show the joints that are there, frame by frame."""

import numpy as np
import pytest
from matplotlib.animation import FFMpegWriter
from mmaction.datasets.transforms import JointToBone
from PIL import Image

from deeprank_plugin.visualization.animation import SkeletonFigure, animate_skeleton, truncate
from deeprank_plugin.visualization.figure import COLORS
from deeprank_plugin.visualization.skeletons import LINE_COLORS

TOP = [('wave', 0.7), ('clap', 0.2), ('throw', 0.1)]


def walk(bodies=1, frames=5, joints=25, channels=3):
    return np.random.default_rng(0).normal(size=(bodies, frames, joints, channels))


def segments(lines):
    """Bones as sorted rows (x, y, x, y)."""
    return sorted(np.asarray(segment).ravel().tolist() for segment in lines.get_segments())


def test_each_frame_has_the_bones_whose_joints_are_present():
    keypoint = walk(2)
    keypoint[1, 3:] = 0  # the second body leaves
    keypoint[0, 2, 7] = 0  # a hand: the bones on both of its sides
    drawing = SkeletonFigure(keypoint)
    pairs = [pair for pair in JointToBone(dataset='nturgb+d').pairs if pair[0] != pair[1]]
    for frame, counts in enumerate([(24, 24), (24, 24), (22, 24), (24, 0), (24, 0)]):
        drawing.show_frame(frame)
        assert tuple(len(lines.get_segments()) for lines in drawing.lines) == counts
        expected = sorted(
            [*keypoint[0, frame, a, :2], *keypoint[0, frame, b, :2]]
            for a, b in pairs
            if keypoint[0, frame, a].any() and keypoint[0, frame, b].any()
        )
        np.testing.assert_allclose(segments(drawing.lines[0]), expected)
        present = keypoint[0, frame].any(axis=-1)
        np.testing.assert_allclose(
            drawing.dots[0].get_offsets(), keypoint[0, frame][present][:, :2]
        )
    assert drawing.clock.get_text() == 'frame 5 of 5'


def test_sides_have_their_colours():
    drawing = SkeletonFigure(walk())
    color_of = {bone: color for bone, color in zip(drawing.bones, drawing.colors)}
    by_joint = {bone[0]: color for bone, color in color_of.items()}
    assert by_joint[5] == by_joint[13] == LINE_COLORS['left']  # left elbow, left knee
    assert by_joint[9] == by_joint[17] == LINE_COLORS['right']
    assert by_joint[3] == LINE_COLORS['trunk']  # head


def test_limits_hold_every_present_joint_of_every_frame():
    keypoint = walk(frames=9) + 40
    keypoint[0, 4, 3] = 0  # absent: it would stretch the picture to the origin
    drawing = SkeletonFigure(keypoint)
    axis = drawing.figure.axes[0]
    seen = keypoint[keypoint.any(axis=-1)]
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    assert left <= seen[:, 0].min() and right >= seen[:, 0].max() and left > 30
    assert bottom <= seen[:, 1].min() and top >= seen[:, 1].max() and bottom > 30


@pytest.mark.parametrize('layout', ['nturgb+d', 'coco'])
def test_labels_stand_above_their_bodies(layout):
    keypoint = walk(2, joints=25 if layout == 'nturgb+d' else 17)
    keypoint[1, 3:] = 0
    labels = [[f'{body}{frame}' for frame in range(5)] for body in 'ab']
    drawing = SkeletonFigure(keypoint, layout=layout, labels=labels)
    for frame in range(5):
        drawing.show_frame(frame)
        expected = [f'a{frame}', f'b{frame}' if frame < 3 else '']
        assert [text.get_text() for text in drawing.texts] == expected
        ys = keypoint[0, frame, :, 1]
        assert drawing.texts[0].xy[1] == (ys.max() if layout == 'nturgb+d' else ys.min())
    with pytest.raises(ValueError, match=r'labels of lengths \[5, 4\]; expected one text for each'):
        SkeletonFigure(keypoint, layout=layout, labels=[labels[0], labels[1][:4]])
    assert not SkeletonFigure(keypoint, layout=layout).texts


@pytest.mark.parametrize(('layout', 'joints', 'down'), [('coco', 17, True), ('openpose', 18, True),
                                                        ('nturgb+d', 25, False)])  # yapf: disable
def test_pixels_point_down(layout, joints, down):
    drawing = SkeletonFigure(walk(joints=joints), layout=layout)
    assert drawing.figure.axes[0].yaxis_inverted() == down
    drawing.show_frame(0)
    assert len(drawing.lines[0].get_segments()) == joints - 1


def test_a_layout_of_ones_own():
    layout = dict(num_joints=3, pairs=[(0, 0), (1, 0), (2, 1)])
    drawing = SkeletonFigure(walk(joints=3), layout=layout)
    drawing.show_frame(1)
    assert len(drawing.lines[0].get_segments()) == 2
    assert not drawing.figure.axes[0].yaxis_inverted()
    drawing = SkeletonFigure(walk(joints=3), layout=dict(layout, left=[1], right=[2], dims=2))
    assert drawing.colors == [LINE_COLORS['left'], LINE_COLORS['right']]
    assert drawing.figure.axes[0].yaxis_inverted()


@pytest.mark.parametrize(('truth', 'color'), [('wave', COLORS[2]), ('clap', COLORS[3])])
def test_the_likeliest_classes_are_listed(truth, color):
    drawing = SkeletonFigure(walk(), 'a name', TOP, truth)
    side = drawing.figure.axes[1]
    texts = {text.get_text(): text for text in side.texts}
    assert list(texts) == [
        'wave',
        '70.0%',
        'clap',
        '20.0%',
        'throw',
        '10.0%',
        f'true class: {truth}',
    ]
    assert texts['wave'].get_fontweight() == 'bold' and texts['clap'].get_fontweight() == 'normal'
    assert texts[f'true class: {truth}'].get_color() == color
    assert [bar.get_width() for bar in side.patches] == [1, 0.7, 1, 0.2, 1, 0.1]
    assert drawing.figure.get_suptitle() == 'a name'
    assert len(SkeletonFigure(walk()).figure.axes) == 1


def test_cut():
    assert truncate('short') == 'short'
    assert truncate('finger-guessing game', 10) == 'finger-gu…'


@pytest.mark.parametrize(
    ('frames', 'most', 'shown', 'duration'), [(4, 120, 4, 40), (9, 4, 4, 90), (70, 35, 35, 80)]
)
def test_gif_has_a_picture_a_frame_and_keeps_the_duration(tmp_path, frames, most, shown, duration):
    path = tmp_path / 'new' / 'walk.gif'
    keypoint = walk(frames=frames)
    assert animate_skeleton(keypoint, path, top=TOP, fps=25, max_frames=most) == path
    assert [p.name for p in path.parent.iterdir()] == ['walk.gif']
    with Image.open(path) as picture:
        assert picture.n_frames == shown
        assert picture.info['duration'] == duration  # milliseconds a picture
        pictures = []
        for index in range(shown):
            picture.seek(index)
            pictures.append(np.asarray(picture.convert('RGB')).astype(int))
    body = pictures[0][:, : pictures[0].shape[1] // 2]
    blue = np.abs(body - [0x00, 0x72, 0xB2]).max(axis=-1) < 40
    assert blue.sum() > 200  # the left limbs
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize(
    ('frames', 'fps', 'most', 'shown'),
    [
        *((100, 25, 120, 100), (100, 50, 120, 100), (100, 100, 120, 50), (100, 120, 120, 41)),
        *((60, 30, 120, 60), (60, 120, 120, 25), (60, 29.97, 120, 60), (61, 30, 20, 20)),
    ],
)
def test_gifs_keep_the_duration(tmp_path, frames, fps, most, shown):
    path = animate_skeleton(walk(frames=frames), tmp_path / 'a.gif', fps=fps, max_frames=most)
    durations = []
    with Image.open(path) as picture:
        for index in range(picture.n_frames):
            picture.seek(index)
            durations.append(picture.info['duration'])
    assert len(durations) == shown and min(durations) >= 20  # viewers slow down shorter ones
    assert sum(durations) == pytest.approx(1000 * frames / fps, abs=10)
    assert max(durations) - min(durations) <= 10


def test_the_frames_of_a_long_sequence_are_spread_evenly(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(SkeletonFigure, 'show_frame', lambda self, frame: drawn.append(frame))
    animate_skeleton(walk(frames=10), tmp_path / 'a.gif', max_frames=4)
    assert drawn == [9, 0, 2, 5, 7]  # the last one is for the layout


def test_a_single_picture(tmp_path):
    with Image.open(animate_skeleton(walk(frames=1), tmp_path / 'a.gif', fps=120)) as picture:
        assert getattr(picture, 'n_frames', 1) == 1


def test_what_cannot_be_drawn(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r'shape \(1, 5, 17, 3\); expected \(M, T, 25, 2 or 3\)'):
        animate_skeleton(walk(joints=17), tmp_path / 'a.gif')
    with pytest.raises(ValueError, match='zero throughout'):
        animate_skeleton(walk() * 0, tmp_path / 'a.gif')
    with pytest.raises(ValueError, match="cannot end in '.png'"):
        animate_skeleton(walk(), tmp_path / 'a.png')
    for fps in (0, float('inf')):
        with pytest.raises(ValueError, match=f'fps={fps}'):
            animate_skeleton(walk(), tmp_path / 'a.gif', fps=fps)
    monkeypatch.setattr(FFMpegWriter, 'isAvailable', classmethod(lambda cls: False))
    with pytest.raises(ValueError, match='MP4 needs the program ffmpeg'):
        animate_skeleton(walk(), tmp_path / 'a.mp4')
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    show = SkeletonFigure.show_frame

    def fail(self, frame):
        if frame == 2:
            raise RuntimeError('stop')
        show(self, frame)

    monkeypatch.setattr(SkeletonFigure, 'show_frame', fail)
    with pytest.raises(RuntimeError, match='stop'):
        animate_skeleton(walk(), tmp_path / 'a.gif')
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not FFMpegWriter.isAvailable(), reason='ffmpeg is not installed')
def test_mp4(tmp_path):
    path = animate_skeleton(walk(), tmp_path / 'walk.mp4', top=TOP)
    assert path.read_bytes()[4:8] == b'ftyp'
