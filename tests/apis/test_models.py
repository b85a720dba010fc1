"""Models come with their own weights and the names of their classes, or with an error."""

import copy
import pickle
import sys

import numpy as np
import pytest
import torch

from deeprank_plugin.apis import inference_skeleton_sequence, init_model
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.datasets.class_names import CLASS_NAMES


@pytest.fixture(scope='module')
def model(tiny):
    return init_model(tiny.config, tiny.checkpoint)


def save(tiny, tmp_path, change):
    checkpoint = torch.load(tiny.checkpoint, weights_only=True)
    change(checkpoint)
    path = str(tmp_path / 'changed.pth')
    torch.save(checkpoint, path)
    return path


def drop(key):
    return lambda checkpoint: checkpoint['state_dict'].pop(key)


def reshape(checkpoint):
    weight = checkpoint['state_dict']['cls_head.fc.weight']
    checkpoint['state_dict']['cls_head.fc.weight'] = weight[:5].clone()


def add(checkpoint):
    checkpoint['state_dict']['backbone.extra'] = torch.ones(1)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (drop('cls_head.fc.bias'), 'another network.*missing: cls_head.fc.bias'),
        (add, 'another network.*unexpected: backbone.extra'),
        (reshape, r'another network.*cls_head.fc.weight \(found \(5, 16\), expected \(12, 16\)\)'),
        (lambda c: c.pop('state_dict'), 'no state_dict among'),
    ],
)
def test_the_checkpoint_of_another_network_is_an_error(tiny, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        init_model(tiny.config, save(tiny, tmp_path, change))


class Runs:
    def __reduce__(self):
        return sys.exit, ('it ran',)


def test_files_that_cannot_be_opened(tiny, tmp_path):
    hostile = save(tiny, tmp_path, lambda checkpoint: checkpoint.update(meta=Runs()))
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'):
        init_model(tiny.config, hostile)
    with pytest.raises(FileNotFoundError, match="'no.pth' is no file"):
        init_model(tiny.config, 'no.pth')
    with pytest.raises(FileNotFoundError, match="'no.py' does not exist"):
        init_model('no.py')
    with pytest.raises(TypeError, match='config is a int'):
        init_model(3)
    with pytest.raises(ValueError, match="device='abacus' cannot be used"):
        init_model(tiny.config, tiny.checkpoint, 'abacus')


def test_a_parallel_checkpoint_and_a_config_file(tiny, model, tmp_path):
    def wrap(checkpoint):
        weights = checkpoint['state_dict']
        checkpoint['state_dict'] = {f'module.{key}': weights[key] for key in weights}

    tiny.config.dump(str(tmp_path / 'config.py'))
    other = init_model(str(tmp_path / 'config.py'), save(tiny, tmp_path, wrap))
    keypoint = tiny.test[0]['keypoint']
    np.testing.assert_array_equal(
        inference_skeleton_sequence(other, keypoint).scores,
        inference_skeleton_sequence(model, keypoint).scores,
    )


def test_without_checkpoint_there_is_a_warning(tiny):
    with pytest.warns(UserWarning, match='no checkpoint'):
        network = init_model(tiny.config, cfg_options={'model.data_preprocessor.modality': 'bone'})
    assert not network.training and network.dataset_meta['classes'] == list(CLASS_NAMES['toy'])
    assert network.data_preprocessor.modality == 'bone'
    assert tiny.config.model.data_preprocessor.modality == 'joint'  # the caller's stays


def test_names_travel_from_the_data_through_the_checkpoint(tiny):
    """The runner saved them; the config's are not asked."""
    saved = torch.load(tiny.checkpoint, weights_only=True)['meta']['dataset_meta']
    assert saved == dict(classes=list(CLASS_NAMES['toy']))
    cfg = copy.deepcopy(tiny.config)
    cfg.label_names = [f'config {i}' for i in range(12)]
    assert init_model(cfg, tiny.checkpoint).dataset_meta['classes'] == list(CLASS_NAMES['toy'])


def dataset_of(tmp_path, tiny, kind, **changes):
    content = dict(pickle.loads(tiny.data.read_bytes()), **changes)
    path = tmp_path / f'named{kind}'
    path.write_bytes(pickle.dumps(content)) if kind == '.pkl' else write_npz(content, path)
    return SkeletonDataset(str(path), [], metainfo=dict(classes=list(CLASS_NAMES['toy'])))


@pytest.mark.parametrize('kind', ['.pkl', '.npz'])
def test_names_in_the_annotation_file_win(tiny, tmp_path, kind):
    names = [f'file {i}' for i in range(12)]
    dataset = dataset_of(tmp_path, tiny, kind, label_names=names)
    assert dataset.metainfo['classes'] == names
    assert dataset_of(tmp_path, tiny, kind).metainfo['classes'] == list(CLASS_NAMES['toy'])
    with pytest.raises(ValueError, match='label_names of annotation file.*list of strings'):
        dataset_of(tmp_path, tiny, kind, label_names=[1, 2])


def test_names_from_the_config_or_numbers(tiny, tmp_path):
    path = save(tiny, tmp_path, lambda checkpoint: checkpoint['meta'].pop('dataset_meta'))
    cfg = copy.deepcopy(tiny.config)
    cfg.label_names = [f'config {i}' for i in range(12)]
    keypoint = tiny.test[0]['keypoint']
    found = inference_skeleton_sequence(init_model(cfg, path), keypoint)
    assert found.name == f'config {found.label}'
    cfg.pop('label_names')
    found = inference_skeleton_sequence(init_model(cfg, path), keypoint)
    assert found.name == CLASS_NAMES['toy'][found.label]  # by the key class_names of the config
    cfg.class_names = None
    found = inference_skeleton_sequence(init_model(cfg, path), keypoint)
    assert found.name == str(found.label)


def test_names_listed_in_the_config(tiny, tmp_path):
    path = save(tiny, tmp_path, lambda checkpoint: checkpoint['meta'].pop('dataset_meta'))
    cfg = copy.deepcopy(tiny.config)
    cfg.class_names = [f'own {i}' for i in range(12)]
    assert init_model(cfg, path).dataset_meta['classes'] == cfg.class_names
    cfg.class_names = 7
    with pytest.raises(ValueError, match='class_names of the config holds 7; expected a list'):
        init_model(cfg, path)


@pytest.mark.parametrize('classes', [['a', 'b'], [f'c{i}' for i in range(13)]])
def test_names_of_another_number_of_classes_are_not_used(tiny, tmp_path, classes):
    def change(checkpoint):
        checkpoint['meta']['dataset_meta'] = dict(classes=classes)

    with pytest.warns(UserWarning, match=f'names {len(classes)} classes and the model has 12'):
        network = init_model(tiny.config, save(tiny, tmp_path, change))
    found = inference_skeleton_sequence(network, tiny.test[0]['keypoint'])
    assert found.name == str(found.label)


def test_names_that_are_no_texts(tiny, tmp_path):
    def change(checkpoint):
        checkpoint['meta']['dataset_meta'] = dict(classes=list(range(12)))

    with pytest.raises(ValueError, match='expected a list of the names'):
        init_model(tiny.config, save(tiny, tmp_path, change))
