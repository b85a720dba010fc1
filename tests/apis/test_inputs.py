"""Sequences that a model cannot take are errors that name them."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.config import Config

from deeprank_plugin.apis import extract_features, inference_skeleton_sequence, init_model
from deeprank_plugin.apis.inputs import model_layout


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
