"""Predictions are those of tools/test.py, bit by bit, and bad input is an error."""

import copy
import pickle

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmaction.apis import inference_skeleton, init_recognizer
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from deeprank_plugin.apis import (
    extract_features,
    fuse_streams,
    inference_skeleton_sequence,
    init_model,
)
from deeprank_plugin.command_line import load_config
from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.evaluation.functional import fuse_scores

CONFIGS = ROOT / 'configs'
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
        cfg.default_hooks.strict_load.allow_other = ['modality']  # there is one checkpoint
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


@pytest.fixture(scope='module')
def planar(tmp_path_factory):
    """Config and checkpoint of a 2D recogniser, and a sequence of two persons, one not always."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('planar')
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(4):
        keypoint = rng.integers(1, 480, size=(2, 12 + index, 17, 2)).astype(np.float32)
        score = rng.integers(1, 9, size=keypoint.shape[:3]).astype(np.float32) / 8
        keypoint[1, 5:], score[1, 5:] = 0, 0
        sample = dict(keypoint=keypoint, keypoint_score=score, img_shape=(480, 640))
        facts = dict(frame_dir=f's{index}', label=index % 2, total_frames=12 + index)
        annotations.append(dict(facts, **sample))
    content = dict(split=dict(train=['s0', 's1'], val=['s2', 's3']), annotations=annotations)
    (folder / 'poses.pkl').write_bytes(pickle.dumps(content))
    path = CONFIGS / 'finetune/stgcn-w16_scratch.py'
    cfg = load_config(str(path), data=str(folder / 'poses.pkl'), layout='coco')
    cfg.model.backbone.base_channels, cfg.model.cls_head.in_channels = 4, 16
    torch.manual_seed(0)
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=state, meta={}), folder / 'a.pth')
    return cfg, str(folder / 'a.pth'), annotations[0]


def test_pose_results_by_mmaction2s_own_inference(planar):
    cfg, checkpoint, annotation = planar
    seen = annotation['keypoint'].any(axis=(2, 3))  # (M, T)
    pose_results = [
        dict(
            keypoints=annotation['keypoint'][seen[:, t], t],
            keypoint_scores=annotation['keypoint_score'][seen[:, t], t],
            bboxes=np.zeros((seen[:, t].sum(), 4)),
        )
        for t in range(annotation['total_frames'])
    ]
    assert {len(result['keypoints']) for result in pose_results} == {1, 2}
    theirs = init_recognizer(cfg, checkpoint, device='cpu')
    result = inference_skeleton(theirs, pose_results, annotation['img_shape'])
    expected = inference_skeleton_sequence(init_model(cfg, checkpoint), annotation)
    np.testing.assert_array_equal(result.pred_score.numpy(), expected.scores)
    assert int(result.pred_label) == expected.label
    other = [dict(r, keypoints=r['keypoints'][..., ::-1]) for r in pose_results]
    changed = inference_skeleton(theirs, other, annotation['img_shape'])
    assert (changed.pred_score != result.pred_score).any()
