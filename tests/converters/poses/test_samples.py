"""A recording becomes samples: coordinates, parts of time, persons."""

import re

import numpy as np
import pytest

from deeprank_plugin.converters.generic.sequence_list import Row
from deeprank_plugin.converters.poses.coordinates import resample
from deeprank_plugin.converters.poses.samples import Settings, convert_recording
from deeprank_plugin.layouts import find_layout, map_joints
from tests.converters.poses import files

COCO = files.walk(2, 40, 17, 2, size=100)
WHOLE = Row(0, 'a.json', 'x', None, None)


def part(start, end, number=1, line=2):
    return Row(line, 'a.json', 'x', None, None, start, end, number)


def convert(path, *rows, label=0, **settings):
    """Samples, faults and counts."""
    parts = [(row, label) for row in rows or (WHOLE,)]
    converted, faults = convert_recording(path, parts, Settings(**settings))
    if not converted:
        return [], faults, {}
    (made,) = converted
    return made.annotations, faults, made.counts


@pytest.fixture
def coco(tmp_path):
    return files.write(tmp_path / 'a.json', files.mmpose(COCO))


def test_a_whole_recording_in_2d(coco):
    (sample,), faults, _ = convert(coco, WHOLE._replace(subject='anna'), img_shape=(480, 640))
    assert faults == []
    np.testing.assert_array_equal(sample.pop('keypoint'), COCO.astype(np.float32))
    np.testing.assert_array_equal(sample.pop('keypoint_score'), np.full((2, 40, 17), 0.5))
    shape = dict(img_shape=(480, 640), original_shape=(480, 640))
    assert sample == dict(frame_dir='a', label=0, subject='anna', total_frames=40, row='a', **shape)


def test_without_a_label(coco):
    assert 'label' not in convert(coco, label=None)[0][0]


def test_azure_kinect_becomes_metres_and_y_up(tmp_path):
    poses = files.walk(1, 5, 32, 3, size=1500)
    path = files.write(tmp_path / 'a.json', files.azure(poses))
    (sample,), _, _ = convert(path)
    expected = poses * [-0.001, -0.001, 0.001]
    np.testing.assert_allclose(sample['keypoint'], expected, rtol=1e-6)
    assert 'keypoint_score' not in sample and 'img_shape' not in sample
    (sample,), _, _ = convert(path, up='z', scale=1.0)
    np.testing.assert_allclose(sample['keypoint'], poses[..., [0, 2, 1]] * [1, 1, -1], rtol=1e-6)


def test_image_landmarks_become_pixels(tmp_path):
    shares = files.walk(1, 5, 33, 2, size=0.2)
    path = files.write(tmp_path / 'a.json', files.mediapipe(shares, 'pose_landmarks'))
    (sample,), _, _ = convert(path, img_shape=(480, 640))
    np.testing.assert_allclose(sample['keypoint'], shares * [640, 480], rtol=1e-6)
    assert (sample['keypoint_score'] == np.float32(0.9)).all()
    assert 'expected --img-shape HEIGHT WIDTH' in convert(path)[1][0]


def test_parts_in_seconds(coco):
    rows = [part(0.2, 0.5), part(3, 4, 2)]
    samples, faults, _ = convert(coco, *rows, fps=10)
    assert all(sample['fps'] == 10 for sample in samples)
    assert faults == [] and [s['frame_dir'] for s in samples] == ['a_001', 'a_002']
    np.testing.assert_array_equal(samples[0]['keypoint'], COCO[:, 2:5].astype(np.float32))
    np.testing.assert_array_equal(samples[1]['keypoint'], COCO[:, 30:40].astype(np.float32))
    assert samples[1]['total_frames'] == 10 and samples[1]['keypoint_score'].shape == (2, 10, 17)


def test_parts_in_frame_numbers_of_the_file(tmp_path):
    path = files.write(tmp_path / 'a.json', files.mmpose(COCO, first=100))
    (sample,), _, _ = convert(path, part(102, 104), in_frames=True)
    np.testing.assert_array_equal(sample['keypoint'], COCO[:, 2:5].astype(np.float32))
    (sample,), _, _ = convert(path, part(10.2, 10.5), fps=10)  # seconds count from frame 0
    np.testing.assert_array_equal(sample['keypoint'], COCO[:, 2:5].astype(np.float32))


def test_every_second_frame(tmp_path):
    content = files.mmpose(COCO)
    path = files.write(tmp_path / 'a.json', content[::2])
    for row, settings in ((part(4, 9), dict(in_frames=True)), (part(0.4, 1.0), dict(fps=10))):
        (sample,), _, counts = convert(path, row, **settings)
        np.testing.assert_array_equal(sample['keypoint'], COCO[:, 4:10:2].astype(np.float32))
        assert counts['step'] == 1


def test_every_fifth_frame_from_the_fourth_on(tmp_path):
    content = files.mmpose(COCO)
    path = files.write(tmp_path / 'a.json', content[4:30:5])  # 4, 9, ..., 29
    for row, settings in ((part(9, 19), dict(in_frames=True)), (part(0.9, 1.95), dict(fps=10))):
        (sample,), _, _ = convert(path, row, **settings)
        np.testing.assert_array_equal(sample['keypoint'], COCO[:, 9:20:5].astype(np.float32))
    _, (fault,), _ = convert(path, part(40, 50), in_frames=True)
    assert 'which has 4 to 34 frames' in fault
    _, (fault,), _ = convert(path, part(4, 5), fps=10)
    assert 'which has 0.4 to 3.4 seconds' in fault


def test_another_frame_rate(coco):
    whole, expected = convert(coco, fps=10, to_fps=25)[0][0], resample(COCO, None, 10, 25)[0]
    np.testing.assert_allclose(whole['keypoint'], expected, rtol=1e-6)
    (sample,), _, _ = convert(coco, part(1, 2), fps=10, to_fps=25)
    assert sample['fps'] == 25
    np.testing.assert_allclose(sample['keypoint'], expected[:, 25:50], rtol=1e-6)


@pytest.mark.parametrize(
    'row, settings, message',
    [
        (part(4, 9), dict(fps=10), 'line 2 of the list takes 4 to 9 of .* has 0 to 4 seconds'),
        (part(40, 50), dict(in_frames=True), 'takes 40 to 50 .* has 0 to 40 frames'),
        (part(1, 1), dict(fps=10), 'takes 1 to 1'),
        (part(1, 2), {}, 'does not state its frame rate, .* expected --fps'),
        (WHOLE, dict(to_fps=25), 'expected --fps'),
        (WHOLE, dict(cut=2.0), 'expected --fps'),
        (WHOLE, dict(up='z'), 'is 2D; expected 3D poses: leave --up out'),
        (WHOLE, dict(form='alphapose'), 'expected alphapose: set --format'),
    ],
)
def test_what_cannot_be_converted(coco, row, settings, message):
    samples, (fault,), _ = convert(coco, row, **settings)
    assert samples == [] and re.search(message, fault)


def test_pieces(coco):
    samples, _, _ = convert(coco, cut=1.5, fps=10)  # 15, 15, 10 frames
    assert [s['frame_dir'] for s in samples] == ['a_001', 'a_002', 'a_003']
    assert [s['total_frames'] for s in samples] == [15, 15, 10]
    samples, _, _ = convert(coco, cut=1.8, fps=10)  # the rest of 4 frames is dropped
    assert [s['total_frames'] for s in samples] == [18, 18]
    samples, _, _ = convert(coco, part(0, 3), cut=1.0, fps=10)  # parts stay whole
    assert [s['total_frames'] for s in samples] == [30]


def test_nobody(tmp_path):
    content = files.mmpose(COCO)
    for frame in content[10:20]:
        frame['instances'] = []
    path = files.write(tmp_path / 'a.json', content)
    samples, (fault,), counts = convert(path, part(1, 2), part(2, 3, 2), fps=10)
    assert len(samples) == 1 and "sample 'a_001' of" in fault and 'shows nobody' in fault
    assert counts['empty'] == 10
    samples, faults, counts = convert(path, cut=1.0, fps=10)
    assert [s['frame_dir'][-1] for s in samples] == ['1', '3', '4'] and faults == []
    assert counts['blank'] == 1


def test_parts_that_reach_far_beyond_the_recording(coco):
    rows = part(0, 4.2), part(1, 9, 2), part(0, 4000, 3)  # of 4 seconds
    samples, faults, counts = convert(coco, *rows, fps=10)
    assert [s['total_frames'] for s in samples] == [40, 30, 40] and faults == []
    assert counts['beyond'] == 2


def test_times_in_another_unit(tmp_path):
    path = files.write(tmp_path / 'a.json', files.azure(files.walk(1, 9, 32, 3), fps=30e-3))
    _, (fault,), _ = convert(path, cut=1.0)
    assert 'a.json says 0.03 frames a second; expected 1 to 1000' in fault
    (sample,), faults, _ = convert(path, fps=30)
    assert sample['fps'] == 30 and faults == []


def test_most_persons(coco):
    (sample,), _, counts = convert(coco, max_persons=1)
    np.testing.assert_array_equal(sample['keypoint'], COCO[:1].astype(np.float32))
    assert counts['persons'] == 1


def test_joints_of_another_layout(tmp_path):
    poses = files.walk(1, 5, 25, 2, size=100)
    poses[0, :, 16] = 0
    path = files.openpose(tmp_path / 'a', poses)
    (sample,), _, _ = convert(path, to_layout='coco')
    scores = np.where(poses.any(axis=-1), 0.5, 0)
    expected, score = map_joints(poses, 'body25', 'coco', scores)
    np.testing.assert_allclose(sample['keypoint'], expected, rtol=1e-6)
    np.testing.assert_allclose(sample['keypoint_score'], score)
    assert sample['keypoint'].shape[2] == find_layout('coco').num_joints


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(fps=0.0), 'fps=0.0; expected 1 to 1000 frames a second'),
        (dict(to_fps=1e9), 'to_fps=1000000000.0; expected 1 to 1000'),
        (dict(cut=0.0), 'cut=0.0; expected a positive number'),
        (dict(scale=float('nan')), 'scale=nan'),
        (dict(max_persons=0), 'max_persons=0'),
        (dict(max_gap=-1), 'max_gap=-1'),
        (dict(form='x'), "form='x'; expected one of"),
        (dict(up='w'), "up='w'"),
        (dict(link='x'), "link='x'"),
        (dict(dims=4), 'dims=4'),
        (dict(img_shape=(0, 3)), 'expected height and width'),
        (dict(to_layout='x'), "layout 'x' is not known"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings).validate()
