"""Sequences that a model cannot take are errors that name them."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config

from deeprank_plugin.apis import (
    extract_features,
    fuse_streams,
    inference_skeleton_sequence,
    init_model,
)
from deeprank_plugin.apis.inputs import (
    find_test_data,
    make_info,
    model_layout,
    pack_recordings,
    require_layout,
)
from deeprank_plugin.layouts import find_layout


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


def test_the_size_of_an_image_is_that_of_2d_poses(tiny, model):
    pixels = dict(keypoint=np.ones((1, 6, 17, 2), np.float32), img_shape=(480, 0))
    scored = dict(pixels, keypoint=np.ones((1, 6, 17, 3), np.float32))
    for sequence, layout in ((pixels, None), (scored, find_layout('coco'))):
        with pytest.raises(ValueError, match=r'sequence 3 has img_shape \(480, 0\); expected'):
            make_info(sequence, 3, layout)
    assert inference_skeleton_sequence(model, dict(tiny.test[0], img_shape=None))


def test_a_sample_with_a_label_of_numpy(tiny, model):
    sample = dict(tiny.test[0], label=np.int64(2))
    found = inference_skeleton_sequence(model, sample)
    assert found.label == inference_skeleton_sequence(model, tiny.test[0]['keypoint']).label


@pytest.mark.parametrize('labelled', [dict(label=2), dict(segments=[(0, 2, 1)])])
@pytest.mark.parametrize('container', [list, np.array])
def test_predictions_need_no_labels(tiny, model, labelled, container):
    plain = tiny.test[0]['keypoint']
    other = dict(keypoint=plain, label_names=container([f'other {i}' for i in range(12)]))
    other.update(label=-1)
    other.update(labelled)
    if 'segments' in other:
        other['segments'] = container(other['segments'])
    found = inference_skeleton_sequence(model, other)
    np.testing.assert_array_equal(found.scores, inference_skeleton_sequence(model, plain).scores)
    assert found.names[0] != 'other 0'
    np.testing.assert_array_equal(extract_features(model, other), extract_features(model, plain))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        assert pack_recordings(model, other)[1]


def test_the_faulty_sequence_of_a_list_is_named(tiny, model):
    good = tiny.test[0]['keypoint']
    with pytest.raises(ValueError, match='sequence 2 is zero'):
        inference_skeleton_sequence(model, [good, good, good * 0])
    with pytest.raises(ValueError, match='batch_size=0'):
        inference_skeleton_sequence(model, good, batch_size=0)


def bodies(number, frames=8):
    """Bodies of plausible size that move, each more than the one before."""
    rng = np.random.default_rng(0)
    keypoint = np.zeros((number, frames, 25, 3)) + np.linspace(0.7, -1, 25)[:, None]
    noise = rng.normal(size=(number, 1, 25, 3)) + rng.normal(size=(number, frames, 1, 3))
    return (keypoint + 0.1 * noise * np.arange(1, number + 1)[:, None, None, None]).astype('f4')


def test_of_many_bodies_those_that_move_most_are_used(model):
    three = bodies(3)
    with pytest.warns(UserWarning, match=r"1 of 1 sequences, such as '0' \(3\), .* than 2 bodies"):
        found = inference_skeleton_sequence(model, three)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        expected = inference_skeleton_sequence(model, three[[2, 1]])
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_absent_bodies_and_empty_ends_do_not_count(model):
    padded = np.zeros((4, 12, 25, 3), np.float32)
    padded[2:, 3:11] = bodies(2)
    with pytest.warns(UserWarning) as caught:
        found = inference_skeleton_sequence(model, padded)
    texts = [str(one.message) for one in caught]
    assert any('absent bodies before present ones' in text for text in texts)
    assert any("'0' (4 of 12), have frames without a body at either end" in t for t in texts)
    expected = inference_skeleton_sequence(model, bodies(2))
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_another_unit_is_reported_and_scaled(tiny, model):
    with pytest.warns(UserWarning, match='scale=0.001 converts millimetres'):
        inference_skeleton_sequence(model, 1000 * bodies(1))
    other = init_model(tiny.config, tiny.checkpoint)
    find_test_data(other.cfg).scale = 0.001
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = inference_skeleton_sequence(other, 1000 * bodies(1))
        expected = inference_skeleton_sequence(model, bodies(1))
        given = inference_skeleton_sequence(model, 1000 * bodies(1), scale=0.001)
        fused = fuse_streams([model], 1000 * bodies(1), scale=0.001)
        features = extract_features(model, 1000 * bodies(1), scale=0.001)
        metres = extract_features(other, bodies(1), scale=1)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)
    np.testing.assert_array_equal(given.scores, found.scores)
    np.testing.assert_allclose(fused.scores, found.scores, rtol=1e-6)
    np.testing.assert_allclose(features, metres, rtol=1e-4)
    with pytest.raises(ValueError, match='scale=-1; expected a positive number'):
        extract_features(model, bodies(1), scale=-1)


def test_recordings_keep_all_bodies_and_frames(tiny, model):
    padded = np.zeros((4, 12, 25, 3), np.float32)
    padded[1:, 3:11] = bodies(3)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        (info,), single, rules = pack_recordings(model, 1000 * padded, scale=0.001)
    assert single and rules.num_person == 2 and rules.scale == 0.001
    assert info['total_frames'] == 12 and info['keypoint'].dtype == np.float32
    np.testing.assert_allclose(info['keypoint'], padded, rtol=1e-6)
    with pytest.warns(UserWarning, match='bodies of the recordings measure'):
        infos, single, _ = pack_recordings(model, [1000 * padded])
    assert not single and infos[0]['frame_dir'] == '0'
    with pytest.warns(UserWarning, match='of the recordings it is -.*: -y points up; expected y'):
        pack_recordings(model, [np.float32([1, -1, 1]) * padded])
    with pytest.raises(ValueError, match='recording 1 is zero'):
        pack_recordings(model, [padded, 0 * padded])


def test_drawing_needs_a_layout(model):
    assert require_layout(model).num_joints == 25
    with pytest.raises(ValueError, match='does not name the joint layout'):
        require_layout(model_with())


def model_with(layout=None, preprocessor=None, graph=None):
    """What is asked of a model: its config."""
    dataset = dict(type='SkeletonDataset', pipeline=[])
    if layout is not None:
        dataset['layout'] = layout
    cfg = dict(
        model=dict(backbone=dict(graph_cfg=dict(layout=graph))),
        test_dataloader=dict(dataset=dataset),
    )
    if preprocessor is not None:
        cfg['model']['data_preprocessor'] = dict(layout=preprocessor)
    return SimpleNamespace(cfg=Config(cfg))


def test_the_layout_is_the_first_that_the_config_names(tmp_path):
    path = tmp_path / 'arm.json'
    path.write_text('{"num_node": 3, "edges": [[0, 1], [1, 2]], "center": 1}')
    assert model_layout(model_with('coco', 'openpose', 'nturgb+d')).name == 'coco'
    assert model_layout(model_with(None, 'openpose', 'nturgb+d')).name == 'openpose'
    assert model_layout(model_with(graph='nturgb+d')).name == 'nturgb+d'
    assert model_layout(model_with(str(path))).bones == [(0, 1), (2, 1)]
    own = dict(num_joints=2, pairs=[(0, 0), (1, 0)])
    assert model_layout(model_with(None, own)).num_joints == 2
    graph = dict(num_node=3, inward=[(0, 1), (2, 1)], center=1)
    assert model_layout(model_with(graph=graph)) is None  # which says nothing of bones
    assert model_layout(model_with()) is None
