"""Statistics of annotations against hand-made examples; faults counted by kind."""

import re

import numpy as np
import pytest

from deeprank_plugin.converters.statistics import (
    body_size,
    bone_variation,
    collect_faults,
    compare_pair,
    content_hash,
    describe_bodies,
    examine,
    find_pairs,
    subject_of,
)
from deeprank_plugin.datasets.annotations import load_annotations

CHAIN = [(0, 0), (1, 0), (2, 1)]


def person(seed, frames=8, bodies=1, scale=1.0):
    """A body of 25 joints about 1.7 m high that trembles, a stick from foot to head."""
    rng = np.random.default_rng(seed)
    stick = np.zeros((25, 3))
    stick[:, 1] = np.linspace(-1, 0.7, 25)
    moving = stick + rng.normal(scale=1e-3, size=(bodies, frames, 25, 3)) + [0.1, 0.0, 3.0]
    return (scale * moving).astype(np.float32)


def make(number=12, **changes):
    """Content of a file without a fault: two classes, subjects by split."""
    annotations = []
    for index in range(number):
        keypoint = person(index, frames=5 + index)
        annotations.append(
            dict(
                frame_dir=f's{index:02d}',
                label=index % 2,
                total_frames=5 + index,
                keypoint=keypoint,
                subject=1 if index < number // 2 else 2,
            )
        )
    names = [annotation['frame_dir'] for annotation in annotations]
    half = number // 2
    content = dict(split=dict(xsub_train=names[:half], xsub_val=names[half:]))
    return dict(content, annotations=annotations, **changes)


def test_bone_variation_of_a_chain_by_hand():
    keypoint = np.zeros((1, 4, 3, 3))
    keypoint[0, :, 0] = [0, 0, 1]
    keypoint[0, :, 1, 2] = [2, 4, 2, 4]  # 1, 3, 1, 3 from joint 0: mean 2, deviation 1
    keypoint[0, :, 1, 1] = 0
    keypoint[0, :, 2] = keypoint[0, :, 1] + [0, 5, 0]  # rigid
    assert bone_variation(keypoint, CHAIN) == pytest.approx((0.5 + 0) / 2)
    keypoint[0, 3, 1] = 0  # absent in the last frame: 1, 3, 1 and 5, 5, 5
    lengths = np.array([1, 3, 1])
    assert bone_variation(keypoint, CHAIN) == pytest.approx(lengths.std() / lengths.mean() / 2)
    assert bone_variation(keypoint[:, :1], CHAIN) is None  # one frame has no variation


def test_bone_variation_of_two_bodies_against_a_loop():
    rng = np.random.default_rng(0)
    keypoint = rng.normal(size=(2, 9, 3, 3))
    keypoint[1, 4:] = 0
    found = []
    for body in keypoint:
        for joint, parent in CHAIN[1:]:
            lengths = [
                np.linalg.norm(frame[joint] - frame[parent]) for frame in body if frame.any()
            ]
            found.append(np.std(lengths) / np.mean(lengths))
    assert bone_variation(keypoint, CHAIN) == pytest.approx(np.mean(found))


def test_body_size_leaves_out_what_is_absent():
    keypoint = np.zeros((2, 3, 4, 3))
    keypoint[0, 0] = [[10, 10, 10], [11, 10, 10], [10, 13, 10], [0, 0, 0]]  # 3
    keypoint[0, 1] = [[10, 10, 10], [17, 10, 10], [10, 13, 10], [0, 0, 0]]  # 7
    keypoint[1, 0] = [[5, 5, 5], [5, 5, 6], [0, 0, 0], [0, 0, 0]]  # 1
    keypoint[1, 1, 0] = [5, 5, 5]  # one joint has no size
    assert body_size(keypoint) == 3
    assert body_size(np.zeros((1, 2, 4, 3))) == 0


def test_bodies_by_hand():
    keypoint = np.zeros((2, 4, 25, 3))
    keypoint[1, 1:3] = 1  # the first body is absent, and no body is there in half of the frames
    full = np.ones((2, 4, 25, 3))
    found = describe_bodies(
        [dict(frame_dir='a', keypoint=keypoint), dict(frame_dir='b', keypoint=full)]
    )
    assert found == dict(bodies=4, empty_bodies=0.25, empty_frames=0.25, first_empty=['a'])


def test_pairs_of_splits():
    splits = ['xsub_train', 'xsub_val', 'xview_train', 'a_train', 'a_test', 'b_val']
    assert find_pairs(splits) == [('xsub_train', 'xsub_val'), ('a_train', 'a_test')]


def test_subjects():
    assert subject_of(dict(frame_dir='x', subject='mm')) == 'mm'
    assert subject_of(dict(frame_dir='S001C002P013R001A060')) == '13'
    assert subject_of(dict(frame_dir='x')) is None


def test_hash_tells_contents_apart():
    first = np.arange(24, dtype=np.float32).reshape(1, 4, 2, 3)
    hashes = {
        content_hash(dict(keypoint=keypoint))
        for keypoint in (
            first,
            first.copy(),
            np.asfortranarray(first),  # the same content
            first.reshape(1, 2, 4, 3),
            first.view(np.int32),
            first + 1,
        )
    }
    assert len(hashes) == 4


def test_compare_pair_by_hand():
    def sample(name, subject, label):
        return dict(frame_dir=name, subject=subject, label=label)

    hashes = dict(a='1', b='2', c='1', d='3', e='3')
    train = [sample('a', 1, 0), sample('b', 2, 1), sample('e', 2, 1)]
    test = [sample('c', 2, 0), sample('d', 3, 4), sample('e', 2, 1)]
    assert compare_pair(train, test, hashes) == dict(
        samples=['e'], subjects=['2'], duplicates=[('a', 'c'), ('e', 'd')], classes=[4]
    )


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


FAULTS = [
    (0, 'keypoint', lambda k: k[0], 'keypoint shape'),
    (1, 'keypoint', lambda k: k * np.float32(np.nan), 'NaN or infinite'),
    (2, 'keypoint', lambda k: k * 0, 'zero throughout'),
    (3, 'keypoint', lambda k: k[:, :, :20], 'mixed layouts'),
    (4, 'keypoint', lambda k: k.tolist(), 'keypoint type'),
    (5, 'label', lambda label: -1, 'label'),
    (6, 'label', lambda label: 'wave', 'label'),
    (7, 'total_frames', lambda frames: 3, 'total_frames'),
    (8, 'keypoint_score', lambda _: np.ones(3), 'keypoint_score'),
]


def test_every_fault_is_counted_and_named_by_kind():
    content = make(number=16)
    for index, key, change, _ in FAULTS:
        annotation = content['annotations'][index]
        annotation[key] = change(annotation.get(key))
    del content['annotations'][9]['label']
    del content['annotations'][10]['frame_dir']
    content['annotations'].append(dict(content['annotations'][11]))  # a name twice
    content['annotations'].append('text')
    content['split']['none'] = []
    content['split']['xsub_val'] += ['ghost', 'spirit']
    # the sample at index 0 has another layout too, as far as its shape goes
    faults, annotations, splits = collect_faults(content, 'a.pkl')
    assert {kind: entry['count'] for kind, entry in faults.items()} == {
        **{kind: 1 for *_, kind in FAULTS if kind != 'label'},
        'label': 2,
        'missing key': 1,
        'no name': 1,
        'no dict': 1,
        'name twice': 1,
        'empty split': 1,
        'no annotation': 3,  # the two, and the one whose name is gone
    }
    assert [a['frame_dir'] for a in annotations] == ['s11', 's12', 's13', 's14', 's15']
    assert splits == dict(xsub_train=[], xsub_val=['s11', 's12', 's13', 's14', 's15'], none=[])
    for index, *_, kind in FAULTS:
        if kind != 'label':
            assert f"'s{index:02d}' of a.pkl" in faults[kind]['examples'][0]
    assert "'ghost'" in faults['no annotation']['examples'][0]
    assert examine(content, 'a.pkl')[0]['verdict'] == 'faults'


def test_a_sample_with_several_faults_counts_in_each():
    content = make()
    content['annotations'][0].update(label=-1, total_frames=99)
    content['annotations'][1].update(label=5)
    faults, *_ = collect_faults(content, 'a.pkl', num_classes=2)
    assert {kind: entry['count'] for kind, entry in faults.items()} == dict(label=2, total_frames=1)


def test_what_the_data_set_takes_has_no_fault(make_annotations):
    content = load_annotations(make_annotations())
    assert collect_faults(content, 'a.pkl', 3, 'nturgb+d')[0] == {}
    assert set(collect_faults(content, 'a.pkl', 2, 'coco')[0]) == {'label', 'layout'}
    with pytest.raises(ValueError, match="'kinect' is not known"):
        collect_faults(content, 'a.pkl', 3, 'kinect')


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
        (6, 'none that we know'),
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
    assert 'pixels (all numbers are whole)' in warn(content)
    content = make()
    content['annotations'][7]['keypoint'] *= 1000
    assert '1 samples (s07) in another unit' in warn(content)


def test_pixels_are_no_warning_in_2d():
    content = make()
    for annotation in content['annotations']:
        keypoint = np.round(200 * annotation['keypoint'][:, :, :17])
        annotation['keypoint'] = keypoint
    assert warn(content, layout='coco') == ''
    assert warn(content) == ''  # 17 joints are guessed to be coco's
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
    assert '1 subjects (1) both in xsub_train and in xsub_val' in text
    assert '2 classes (2, 3) below the largest label without a sample' in text
    assert '1 classes (4) of xsub_val without a sample in xsub_train' in text
    assert '1 samples (s03) with an absent first body' in text
    assert len(text.splitlines()) == 5

    content['split'] = {k.replace('xsub', 'xview'): v for k, v in content['split'].items()}
    assert 'subjects' not in warn(content)  # which cross-view means to have


def test_a_sample_in_both_splits_is_a_fault():
    content = make()
    content['split']['xsub_val'].append('s01')
    report, _ = examine(content, 'a.pkl')
    assert report['verdict'] == 'faults'
    assert report['faults']['in both splits']['count'] == 1
    assert "['s01']" in report['faults']['in both splits']['examples'][0]
