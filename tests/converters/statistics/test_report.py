"""The verdict on a file, and warnings that say what looks suspicious."""

import re

import numpy as np
import pytest

from deeprank_plugin.converters.statistics import examine
from deeprank_plugin.converters.statistics.report import guess_layouts
from deeprank_plugin.layouts import LAYOUTS, Layout
from tests.converters.statistics.samples import make, person


def test_a_file_without_faults():
    report, annotations = examine(make(), 'a.pkl', num_classes=2, layout='nturgb+d')
    assert report['verdict'] == 'ok' and not report['warnings'] and not report['faults']
    assert len(annotations) == report['samples'] == report['sound'] == 12
    assert report['all']['lengths'] == dict(min=5, median=10.5, max=16)
    assert report['splits']['xsub_val'] == dict(
        samples=6, lengths=dict(min=11, median=13.5, max=16), classes={0: 3, 1: 3}
    )
    assert report['sizes']['unit'] == 'metres' and report['layout'] == 'nturgb+d'
    assert report['sizes']['size']['median'] == pytest.approx(1.7, abs=0.01)
    assert report['pairs']['xsub_train, xsub_val']['subjects'] == []


@pytest.mark.parametrize(
    'content, kind',
    [
        ('text', 'no annotations'),
        (dict(annotations=[]), 'no annotations'),
        (dict(split=[], annotations=[]), 'no splits'),
        (dict(split=dict(a=3), annotations=[]), 'no splits'),
        (dict(split={}, annotations={}), 'no annotations'),
        ([], 'no sample'),
    ],
)
def test_other_content(content, kind):
    report, annotations = examine(content, 'a.pkl')
    assert report['verdict'] == 'faults' and kind in report['faults'] and annotations == []


def warn(content, **kwargs):
    report, _ = examine(content, 'a.pkl', **kwargs)
    assert report['verdict'] == ('warnings' if report['warnings'] else 'ok')
    return '\n'.join(report['warnings'])


@pytest.mark.parametrize(
    'scale, unit',
    [
        (1000, 'measures 17[0-9]{2} .*millimetres or pixels'),
        (100, 'measures 17[0-9.]+ .*centimetres or pixels'),
        (0.05, 'normalised'),
        (6, 'no known unit'),
    ],
)
def test_other_units_are_a_warning(scale, unit):
    content = make()
    for annotation in content['annotations']:
        annotation['keypoint'] = annotation['keypoint'] * np.float32(scale)
    assert re.search(unit, warn(content))


def test_pixels_and_single_samples_in_another_unit():
    content = make()
    for annotation in content['annotations']:
        annotation['keypoint'] = np.round(200 * annotation['keypoint'])
    assert 'pixels (all numbers are integers)' in warn(content)
    content = make()
    content['annotations'][7]['keypoint'] *= 1000
    assert '1 samples (s07) in another unit' in warn(content)


def test_pixels_are_no_warning_in_2d():
    content = make()
    for annotation in content['annotations']:
        keypoint = np.round(200 * annotation['keypoint'][:, :, :17])
        keypoint[..., 2] = 0.9  # the score
        annotation['keypoint'] = keypoint
    assert warn(content, layout='coco') == ''
    assert warn(content) == ''  # their numbers are coco's
    for annotation in content['annotations']:
        annotation['keypoint'] = annotation['keypoint'][..., :2]
    assert warn(content) == ''


def test_joints_in_another_order():
    content = make()
    rng = np.random.default_rng(0)
    for annotation in content['annotations']:
        order = rng.permuted(np.tile(np.arange(25), (annotation['total_frames'], 1)), axis=1)
        keypoint = annotation['keypoint']
        annotation['keypoint'] = np.take_along_axis(keypoint, order[None, :, :, None], axis=2)
    assert 'bones change in length by' in warn(content)


@pytest.mark.parametrize('up, order, sign', [('-y', [0, 1, 2], -1), ('z', [2, 0, 1], 1)])
def test_axes_that_point_elsewhere(up, order, sign):
    content = make()
    assert 'points up' not in warn(content)
    for annotation in content['annotations']:
        annotation['keypoint'] = sign * annotation['keypoint'][..., order]
    assert f'{up} points up; expected y' in warn(content)
    assert 'points up' not in warn(content, layout=Layout('own', (0,) * 25, center=0))


def test_warnings_on_splits_and_bodies():
    content = make()
    annotations = content['annotations']
    annotations[8]['keypoint'] = annotations[2]['keypoint']
    annotations[8]['total_frames'] = annotations[2]['total_frames']
    annotations[9]['subject'] = 1
    annotations[11]['label'] = 4
    two = person(3, frames=8, bodies=2)
    two[0] = 0
    annotations[3]['keypoint'] = two
    text = warn(content)
    assert '1 samples (s02 = s08) of xsub_val with the coordinates of one of xsub_train' in text
    assert '1 subjects (1) in both xsub_train and xsub_val' in text
    assert '2 classes (2, 3) below the largest label without a sample' in text
    assert '1 classes (4) of xsub_val without a sample in xsub_train' in text
    assert '1 samples (s03) with an absent body before a present one' in text
    assert len(text.splitlines()) == 5

    content['split'] = {k.replace('xsub', 'xview'): v for k, v in content['split'].items()}
    assert 'subjects' not in warn(content)  # which cross-view means to have


def test_padding_and_gaps():
    content = make()
    keypoint = content['annotations'][11]['keypoint']  # 16 of 126 frames
    keypoint[:, 6:] = 0
    assert '1 samples (s11) with frames without a body at either end, 7.9% of all' in warn(content)
    keypoint[:, -1] = keypoint[:, 0]
    assert warn(content).startswith('7.1% of all frames lie in gaps without a body')
    keypoint[:, 8:-1] = keypoint[:, :1]
    assert warn(content) == ''  # a small gap


def test_a_sample_in_both_splits_is_a_fault():
    content = make()
    content['split']['xsub_val'].append('s01')
    report, _ = examine(content, 'a.pkl')
    assert report['verdict'] == 'faults'
    assert report['faults']['in both splits']['count'] == 1
    assert "['s01']" in report['faults']['in both splits']['examples'][0]


def test_every_layout_is_guessed_by_its_joints_and_numbers():
    for layout in LAYOUTS.values():
        keypoint = np.full((1, 4, layout.num_joints, 3), -1.0)
        if layout.planar:
            keypoint[:] = (300, 200, 0.5)
        assert guess_layouts([dict(keypoint=keypoint)]) == [layout]
        if layout.planar:
            assert guess_layouts([dict(keypoint=keypoint[..., :2])]) == [layout]
    assert guess_layouts([dict(keypoint=np.ones((1, 4, 23, 3)))]) == []
    assert guess_layouts([dict(keypoint=np.ones((1, 4, 24, 2)))]) == []


def test_several_layouts_that_fit_are_a_warning():
    content = make()
    for annotation in content['annotations']:
        keypoint = annotation['keypoint'] - annotation['keypoint'].min()
        annotation['keypoint'] = keypoint / keypoint.max()
    report, _ = examine(content, 'a.pkl')
    assert report['layout'] == 'nturgb+d' and report['other_layouts'] == ['body25']
    assert 'fit layout nturgb+d, which is taken, and as well body25: name it' in warn(content)
    assert 'which is taken' not in warn(content, layout='nturgb+d')


def test_bones_of_a_layout_of_ones_own():
    """A stick in no order of NTU's has rigid bones in its own layout, and no unit is asked for."""
    content = make()
    stick = Layout('stick', tuple(max(joint - 1, 0) for joint in range(25)), center=0)
    for annotation in content['annotations']:
        annotation['keypoint'] = 100 * annotation['keypoint']
    report, _ = examine(content, 'a.pkl', layout=stick)
    assert report['layout'] == 'stick' and report['verdict'] == 'ok'
    assert report['bones']['variation']['median'] < 0.1
