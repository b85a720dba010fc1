"""Predictions are those of tools/test.py, bit by bit, and bad input is an error."""

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.runner import Runner

from deeprank_plugin.apis import (
    extract_features,
    fuse_streams,
    inference_skeleton_sequence,
    init_model,
)
from deeprank_plugin.command_line import load_config
from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.datasets.npz_annotations import write_npz
from deeprank_plugin.evaluation.functional import fuse_scores

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
TOY = CLASS_NAMES['toy']


def dump_by_runner(cfg, checkpoint, path, batch_size):
    """What tools/test.py --dump writes, by the same runner."""
    cfg = copy.deepcopy(cfg)
    cfg.test_dataloader.batch_size = batch_size
    cfg.experiment_name = f'{path.parent.name}_{path.stem}'
    cfg.work_dir = str(path.parent)
    cfg.load_from = checkpoint
    cfg.train_cfg = cfg.train_dataloader = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.test_evaluator = [cfg.test_evaluator, dict(type='DumpResults', out_file_path=str(path))]
    Runner.from_cfg(cfg).test()
    return pickle.loads(path.read_bytes())


@pytest.fixture(scope='module')
def model(tiny):
    return init_model(tiny.config, tiny.checkpoint)


@pytest.mark.parametrize('batch_size', [1, 3])
def test_bit_by_bit_as_the_test_tool(tiny, model, tmp_path, batch_size):
    dumped = dump_by_runner(tiny.config, tiny.checkpoint, tmp_path / 'dump.pkl', batch_size)
    keypoints = [annotation['keypoint'] for annotation in tiny.test]
    assert len({k.shape for k in keypoints}) == 8 and {len(k) for k in keypoints} == {1, 2}
    found = inference_skeleton_sequence(model, keypoints, batch_size=batch_size)
    assert len(dumped) == len(found) == 8
    assert [sample['frame_dir'] for sample in dumped] == [a['frame_dir'] for a in tiny.test]
    for sample, prediction in zip(dumped, found):
        np.testing.assert_array_equal(sample['pred_score'].numpy(), prediction.scores)
        assert int(sample['pred_label']) == prediction.label
    assert len({prediction.scores.tobytes() for prediction in found}) == 8
    if batch_size == 1:
        one = inference_skeleton_sequence(model, keypoints[5])
        np.testing.assert_array_equal(one.scores, found[5].scores)


def test_the_batch_size_is_that_of_the_config_and_inputs_stay_as_they_are(tiny, model):
    keypoints = [annotation['keypoint'] for annotation in tiny.test]
    before = [keypoint.copy() for keypoint in keypoints]
    state = torch.get_rng_state()
    found = inference_skeleton_sequence(model, keypoints)
    assert torch.equal(state, torch.get_rng_state())
    for one, other in zip(keypoints, before):
        np.testing.assert_array_equal(one, other)
    for a, b in zip(found, inference_skeleton_sequence(model, keypoints, batch_size=3)):
        np.testing.assert_array_equal(a.scores, b.scores)


def test_other_types_of_the_same_sequence(tiny, model):
    keypoint = tiny.test[1]['keypoint']
    expected = inference_skeleton_sequence(model, keypoint).scores
    for other in (
        keypoint.astype(np.float64),
        torch.from_numpy(keypoint),
        dict(keypoint=keypoint),
        tiny.test[1],
    ):
        np.testing.assert_array_equal(inference_skeleton_sequence(model, other).scores, expected)
    half = inference_skeleton_sequence(model, keypoint.astype(np.float16)).scores
    assert np.abs(half - expected).max() < 0.01


def test_prediction_by_hand(tiny, model):
    prediction = inference_skeleton_sequence(model, tiny.test[0]['keypoint'])
    ranked = sorted(range(12), key=lambda i: -prediction.scores[i])
    assert prediction.label == ranked[0] and prediction.name == TOY[ranked[0]]
    expected = [(i, TOY[i], float(prediction.scores[i])) for i in ranked[:3]]
    assert prediction.top(3) == expected
    assert len(prediction.top(99)) == 12
    assert prediction.scores.sum() == pytest.approx(1)


@pytest.fixture(scope='module')
def pretrainers(tiny, tiny_config):
    """DeepRank and MVDeepRank with random weights and running statistics, saved."""

    found = {}
    for name, pattern in (
        ('deeprank', 'deeprank/deeprank_stgcn-w16.py'),
        ('mv', 'mv_deeprank/mv-deeprank_stgcn-w16.py'),
    ):
        cfg = tiny_config(pattern, tiny.data, tiny.folder / name)
        torch.manual_seed(1)
        network = MODELS.build(cfg.model)
        randomize_statistics(network)
        path = str(tiny.folder / f'{name}.pth')
        torch.save(dict(state_dict=network.state_dict(), meta={}), path)
        found[name] = (cfg, path)
    return found


def randomize_statistics(network):
    for key, value in network.state_dict().items():
        if key.endswith('running_mean'):
            value.normal_(std=0.1)
        elif key.endswith('running_var'):
            value.uniform_(0.5, 2)


@pytest.mark.parametrize('name', ['deeprank', 'mv'])
@pytest.mark.parametrize('batch_size', [1, 4])
def test_features_bit_by_bit_as_the_test_loop(tiny, pretrainers, tmp_path, name, batch_size):
    cfg, path = pretrainers[name]
    cfg = copy.deepcopy(cfg)
    cfg.default_hooks.pop('relabel')
    dumped = dump_by_runner(cfg, path, tmp_path / f'{name}{batch_size}.pkl', batch_size)
    sequences = [annotation['keypoint'] for annotation in tiny.annotations]  # both splits
    network = init_model(cfg, path)
    found = extract_features(network, sequences, batch_size=batch_size)
    expected = [sample['feat'] for sample in dumped]
    if name == 'mv':
        assert list(expected[0]) == list(network.modalities) == ['joint', 'bone', 'motion']
        expected = [torch.stack(list(streams.values())) for streams in expected]
    np.testing.assert_array_equal(found, torch.stack(expected).numpy())
    assert found.shape == ((24, 3, 16) if name == 'mv' else (24, 16)) and found.dtype == np.float32
    if batch_size == 1:
        np.testing.assert_array_equal(extract_features(network, sequences[7]), found[7])


def test_features_of_a_recogniser_are_what_its_head_pools(tiny, model):
    keypoints = [annotation['keypoint'] for annotation in tiny.test]
    features = torch.from_numpy(extract_features(model, keypoints))
    with torch.no_grad():
        scores = model.cls_head.fc(features).softmax(dim=1).numpy()
    for row, prediction in zip(scores, inference_skeleton_sequence(model, keypoints)):
        np.testing.assert_allclose(row, prediction.scores, atol=1e-6)


def test_a_pretrainer_does_not_classify(tiny, pretrainers):
    network = init_model(*pretrainers['deeprank'])
    with pytest.raises(ValueError, match='DeepRank has no classes.*extract_features'):
        inference_skeleton_sequence(network, tiny.test[0]['keypoint'])


def streams(tiny):
    models = []
    for seed, modality in enumerate(['joint', 'bone', 'motion']):
        cfg = copy.deepcopy(tiny.config)
        cfg.model.data_preprocessor.modality = modality
        network = init_model(cfg, tiny.checkpoint)
        with torch.no_grad():
            network.cls_head.fc.bias += torch.randn(12, generator=torch.manual_seed(seed))
        models.append(network)
    return models


def test_fusion_is_the_mean_of_the_streams(tiny):
    models = streams(tiny)
    keypoints = [annotation['keypoint'] for annotation in tiny.test]
    each = [inference_skeleton_sequence(network, keypoints) for network in models]
    stacked = [np.stack([p.scores for p in stream]).astype(float) for stream in each]
    for weights in (None, [0.5, 0.3, 0.2]):
        found = fuse_streams(models, keypoints, weights)
        by_hand = np.stack(
            [
                sum((w * stream[row] for w, stream in zip(weights or [1, 1, 1], stacked)))
                / sum(weights or [1, 1, 1])
                for row in range(8)
            ]
        )
        np.testing.assert_allclose([p.scores for p in found], by_hand, atol=1e-12)
        np.testing.assert_array_equal([p.scores for p in found], fuse_scores(stacked, weights))
        assert [p.label for p in found] == by_hand.argmax(axis=1).tolist()
        assert [p.name for p in found] == [TOY[p.label] for p in found]
    one = fuse_streams(models, keypoints[2], batch_size=1)
    np.testing.assert_allclose(one.scores, fuse_streams(models, keypoints)[2].scores, atol=1e-6)


def test_streams_that_cannot_be_fused(tiny):
    first, second, _ = streams(tiny)
    keypoint = tiny.test[0]['keypoint']
    with pytest.raises(ValueError, match='at least one'):
        fuse_streams([], keypoint)
    second.dataset_meta = dict(classes=[f'other {i}' for i in range(12)])
    with pytest.raises(ValueError, match="different classes: 12 .'wave', ....*'other 0'"):
        fuse_streams([first, second], keypoint)
    first.cls_head.average_clips = 'score'
    with pytest.raises(ValueError, match='model 1 gives scores that sum to.*average_clips'):
        fuse_streams([first], keypoint)


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
    assert not network.training and network.dataset_meta['classes'] == list(TOY)
    assert network.data_preprocessor.modality == 'bone'
    assert tiny.config.model.data_preprocessor.modality == 'joint'  # the caller's stays


def test_names_travel_from_the_data_through_the_checkpoint(tiny):
    """The runner saved them; the config's are not asked."""
    saved = torch.load(tiny.checkpoint, weights_only=True)['meta']['dataset_meta']
    assert saved == dict(classes=list(TOY))
    cfg = copy.deepcopy(tiny.config)
    cfg.label_names = [f'config {i}' for i in range(12)]
    assert init_model(cfg, tiny.checkpoint).dataset_meta['classes'] == list(TOY)


def dataset_of(tmp_path, tiny, kind, **changes):
    content = dict(pickle.loads(tiny.data.read_bytes()), **changes)
    path = tmp_path / f'named{kind}'
    path.write_bytes(pickle.dumps(content)) if kind == '.pkl' else write_npz(content, path)
    return SkeletonDataset(str(path), [], metainfo=dict(classes=list(TOY)))


@pytest.mark.parametrize('kind', ['.pkl', '.npz'])
def test_names_in_the_annotation_file_win(tiny, tmp_path, kind):
    names = [f'file {i}' for i in range(12)]
    dataset = dataset_of(tmp_path, tiny, kind, label_names=names)
    assert dataset.metainfo['classes'] == names
    assert dataset_of(tmp_path, tiny, kind).metainfo['classes'] == list(TOY)
    with pytest.raises(ValueError, match='label_names of annotation file.*list of texts'):
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
    assert found.name == TOY[found.label]  # by the key class_names of the config
    cfg.class_names = None
    found = inference_skeleton_sequence(init_model(cfg, path), keypoint)
    assert found.name == str(found.label)


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


@pytest.mark.parametrize(
    ('data', 'number', 'known'),
    [
        ('ntu60_xsub', 60, {0: 'drink water', 42: 'falling', 57: 'handshaking'}),
        ('ntu60_xview', 60, {9: 'clapping', 59: 'walking apart from each other'}),
        ('ntu120_xsub', 120, {60: 'put on headphone', 111: 'high-five'}),
        ('ntu120_xset', 120, {49: 'punching/slapping other person', 79: 'squat down'}),
        ('pkummd1_xsub', 51, {0: 'bow', 7: 'drink water', 50: 'writing'}),
        ('pkummd1_xview', 51, {33: 'standing up', 13: 'handshaking'}),
        ('uiprmd_xsub', 20, {0: 'deep squat', 10: 'deep squat, done wrong'}),
        ('hdm05_xsub', 11, {0: 'depositFloorR', 10: 'throwBasketball'}),
        ('toy_xsub', 12, {0: 'wave', 11: 'push'}),
    ],
)
def test_names_in_the_configs(data, number, known):
    cfg = load_config(str(CONFIGS / 'finetune/stgcn_pretrained.py'), data=data)
    names = CLASS_NAMES[cfg.train_dataloader.dataset.metainfo.classes]
    assert len(names) == len(set(names)) == cfg.model.cls_head.num_classes == number
    assert {label: names[label] for label in known} == known
    pretraining = load_config(str(CONFIGS / 'deeprank/deeprank_stgcn.py'), data=data)
    assert CLASS_NAMES[pretraining.train_dataloader.dataset.metainfo.classes] == names


def test_ntu120_begins_with_ntu60():
    assert CLASS_NAMES['ntu120'][:60] == CLASS_NAMES['ntu60']


def test_part_ii_of_pkummd_has_no_names_of_part_i():
    cfg = load_config(str(CONFIGS / 'finetune/stgcn_pretrained.py'), data='pkummd2_xsub')
    assert cfg.train_dataloader.dataset.metainfo.classes is None


def test_names_of_real_data_are_those_in_its_files(shared_data):
    names = CLASS_NAMES['hdm05']
    for annotation in load_annotations(shared_data / 'hdm05_ntu25.pkl')['annotations']:
        assert names[annotation['label']] == annotation['frame_dir'].split('_')[2]
    names = CLASS_NAMES['uiprmd']
    for annotation in load_annotations(shared_data / 'uiprmd_ntu25.pkl')['annotations']:
        name = names[annotation['label']]
        assert name.endswith(', done wrong') == (not annotation['correct'])
        exercise = int(annotation['frame_dir'][1:3]) - 1
        assert name.removesuffix(', done wrong') == names[exercise]
