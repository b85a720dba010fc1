"""Sequences that a model cannot take are errors that name them."""

import numpy as np
import pytest

from deeprank_plugin.apis import extract_features, inference_skeleton_sequence, init_model


@pytest.fixture(scope='module')
def model(tiny):
    return init_model(tiny.config, tiny.checkpoint)


def broken(change, shape=(1, 6, 25, 3)):
    keypoint = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return change(keypoint)


def with_nan(keypoint):
    keypoint[0, 2, 3, 1] = np.nan
    return keypoint


@pytest.mark.parametrize(
    ('keypoint', 'message'),
    [
        (
            broken(lambda k: k[0]),
            r'sequence 0 has shape \(6, 25, 3\).*\(M, T, V, C\).*array\[None\]',
        ),
        (broken(lambda k: k[None]), r'shape \(1, 1, 6, 25, 3\).*list\(array\)'),
        (broken(lambda k: k[:, :, :, :1]), r'shape \(1, 6, 25, 1\); expected \(M, T, V, C\)'),
        (broken(lambda k: k[:, :, :17]), "17 joints and layout 'nturgb[+]d' has 25"),
        (broken(lambda k: k[..., :2]), '2D'),
        (broken(lambda k: k[:, :0]), 'at least one body and one frame'),
        (broken(lambda k: k[:0]), 'at least one body and one frame'),
        (broken(with_nan), r'NaN or infinite.*\[0, 2, 3, 1\]'),
        (broken(lambda k: k * 0), 'zero throughout'),
        (broken(lambda k: k.astype(str)), 'NumPy array of numbers'),
        (dict(keypoints=1), r"keys \['keypoints'\]; expected keypoint"),
        (dict(frame_dir='x', keypoint=[[1.0]]), "sequence 'x'.*type list"),
        ([], 'no sequences'),
    ],
)
def test_bad_input_is_an_error(model, keypoint, message):
    for function in (inference_skeleton_sequence, extract_features):
        with pytest.raises(ValueError, match=message):
            function(model, keypoint)


def test_the_faulty_sequence_of_a_list_is_named(tiny, model):
    good = tiny.test[0]['keypoint']
    with pytest.raises(ValueError, match='sequence 2 is zero'):
        inference_skeleton_sequence(model, [good, good, good * 0])
    with pytest.raises(ValueError, match='batch_size=0'):
        inference_skeleton_sequence(model, good, batch_size=0)


def test_bodies_that_the_pipeline_drops_are_told(model):
    three = np.random.default_rng(0).normal(size=(3, 8, 25, 3)).astype(np.float32)
    with pytest.warns(UserWarning, match="1 sequences, such as '0', have more than 2 bodies"):
        found = inference_skeleton_sequence(model, three)
    expected = inference_skeleton_sequence(model, three[:2])
    np.testing.assert_array_equal(found.scores, expected.scores)
