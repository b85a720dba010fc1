"""Faults are counted by kind, each with the first samples that have it."""

import numpy as np
import pytest

from deeprank_plugin.converters.statistics import examine
from deeprank_plugin.converters.statistics.faults import collect_faults
from deeprank_plugin.datasets.annotations import load_annotations
from tests.converters.statistics.samples import make

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


@pytest.mark.parametrize('names', [np.array(['a', 'b']), ['a']])
def test_names_of_classes_that_the_data_set_rejects(names):
    faults = examine(make(label_names=names), 'a.pkl')[0]['faults']
    assert list(faults) == ['label names'] and 'expected' in faults['label names']['examples'][0]
    assert examine(make(label_names=['a', 'b']), 'a.pkl')[0]['faults'] == {}


def test_what_the_data_set_takes_has_no_fault(make_annotations):
    content = load_annotations(make_annotations())
    assert collect_faults(content, 'a.pkl', 3, 'nturgb+d')[0] == {}
    assert set(collect_faults(content, 'a.pkl', 2, 'coco')[0]) == {'label', 'layout'}
    with pytest.raises(ValueError, match="'kinect' is not known"):
        collect_faults(content, 'a.pkl', 3, 'kinect')
