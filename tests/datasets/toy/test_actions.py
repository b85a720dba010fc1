"""The toy data set: what it promises, and how hard it is."""

import numpy as np
import pytest

from deeprank_plugin.datasets.annotations import check_annotations
from deeprank_plugin.datasets.toy.actions import CLASS_NAMES, make_toy_actions
from deeprank_plugin.datasets.transforms.crop_resize import resize_frames


@pytest.fixture(scope='module')
def toy():
    return make_toy_actions()


def test_format_and_counts(toy):
    annotations = toy['annotations']
    check_annotations(annotations, 'toy', num_classes=12, layout='nturgb+d')
    assert len(annotations) == 1152 and len(CLASS_NAMES) == 12
    names = {a['frame_dir'] for a in annotations}
    assert len(names) == 1152
    for train, val in (('xsub_train', 'xsub_val'), ('xview_train', 'xview_val')):
        assert set(toy['split'][train]) | set(toy['split'][val]) == names
        assert not set(toy['split'][train]) & set(toy['split'][val])
    two_people = {a['label'] for a in annotations if len(a['keypoint']) == 2}
    assert {CLASS_NAMES[label] for label in two_people} == {'handshake', 'push'}
    frames = [a['total_frames'] for a in annotations]
    assert min(frames) >= 20 and max(frames) <= 150 and np.std(frames) > 20
    assert all(a['keypoint'].dtype == np.float32 for a in annotations)


def test_subjects_have_their_own_limbs_and_keep_them(toy):
    lengths = {}
    for annotation in toy['annotations']:
        if len(annotation['keypoint']) == 1:
            shin = annotation['keypoint'][0][:, [13, 14]]
            seen = shin.any(axis=-1).all(axis=-1)
            length = np.median(np.linalg.norm(shin[seen, 0] - shin[seen, 1], axis=-1))
            lengths.setdefault(annotation['subject'], []).append(length)
    means = [np.mean(values) for values in lengths.values()]
    assert len(means) == 16
    assert max(np.std(values) for values in lengths.values()) < 0.01 < np.std(means)


def test_some_joints_are_lost_and_the_spine_is_not(toy):
    lost = [(~a['keypoint'].any(axis=-1)).mean(axis=(0, 1)) for a in toy['annotations']]
    share = np.mean(lost, axis=0)
    assert (share[[0, 1, 20]] == 0).all()
    assert (share[[3, 7, 11, 15, 19]] > 0).all()
    assert share.mean() < 0.05


def test_same_seed_same_data_and_other_seed_other():
    small = dict(subjects=2, repetitions=1)
    first, second = make_toy_actions(**small), make_toy_actions(**small)
    for one, two in zip(first['annotations'], second['annotations']):
        np.testing.assert_array_equal(one['keypoint'], two['keypoint'])
    other = make_toy_actions(seed=1, **small)
    assert first['annotations'][0]['keypoint'].shape != other['annotations'][0]['keypoint'].shape


def nearest_neighbour(toy, describe):
    """Cross-subject accuracy of 1-NN on a description of each sequence."""
    train = set(toy['split']['xsub_train'])
    rows = np.stack([describe(a['keypoint']) for a in toy['annotations']]).astype(np.float32)
    labels = np.array([a['label'] for a in toy['annotations']])
    in_train = np.array([a['frame_dir'] in train for a in toy['annotations']])
    bank, queries = rows[in_train], rows[~in_train]
    distances = (bank**2).sum(axis=1) - 2 * queries @ bank.T
    return (labels[in_train][distances.argmin(axis=1)] == labels[~in_train]).mean()


def centred(keypoint):
    absent = ~keypoint.any(axis=-1, keepdims=True)
    body = np.where(absent, 0, keypoint - keypoint[0, 0, 1])
    return np.concatenate([body, np.zeros_like(body)])[:2]


def test_movement_tells_the_classes_apart_and_a_pose_hardly_does(toy):
    def pose(keypoint):
        return centred(keypoint).mean(axis=1).ravel()

    def movement(keypoint):
        clip = resize_frames(centred(keypoint), 32)
        return (clip - clip.mean(axis=1, keepdims=True)).ravel()

    of_pose, of_movement = nearest_neighbour(toy, pose), nearest_neighbour(toy, movement)
    assert of_pose < 0.45
    assert 0.55 < of_movement < 0.85
    assert of_movement > 1.5 * of_pose


@pytest.mark.parametrize('arguments', [dict(subjects=1), dict(repetitions=0), dict(seed=-1)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match='integer from'):
        make_toy_actions(**arguments)
