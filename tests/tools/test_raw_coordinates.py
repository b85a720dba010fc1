"""The training-free row: raw coordinates through the tools that test an encoder."""

import importlib.util
import json
import pickle
import re
import sys

import numpy as np
import pytest
from helpers import ROOT, output_of

from deeprank_plugin.datasets import CenterSkeleton
from deeprank_plugin.datasets.transforms.crop_resize import resize_frames

KNN = ROOT / 'configs/finetune/raw_knn.py'


@pytest.fixture
def walks(tmp_path, write_random_walks):
    path = tmp_path / 'walks.pkl'
    write_random_walks(path, 48, 36)
    return path


def accuracy_by_hand(path):
    """1-NN by the cosine of centred coordinates, resized to clips of 48 and then to 24 frames."""
    content = pickle.loads(path.read_bytes())
    features, labels = {}, {}
    for annotation in content['annotations']:
        keypoint = CenterSkeleton()(dict(keypoint=annotation['keypoint']))['keypoint']
        clip = resize_frames(resize_frames(keypoint, 48), 24).ravel()  # of 20: the crop cuts none
        features[annotation['frame_dir']] = clip / np.linalg.norm(clip)
        labels[annotation['frame_dir']] = annotation['label']
    bank = content['split']['xsub_train']
    hits = []
    for name in content['split']['xsub_val']:
        nearest = max(bank, key=lambda other: features[name] @ features[other])
        hits.append(labels[nearest] == labels[name])
    return np.mean(hits)


@pytest.mark.slow
def test_every_tool_takes_raw_coordinates_without_a_checkpoint(walks):
    folder = walks.parent
    options = ['test_evaluator.k=1', 'test_dataloader.num_workers=0']
    options += ['test_dataloader.persistent_workers=False']
    expected = accuracy_by_hand(walks)
    printed = output_of('test.py', KNN, '--data', walks, '--cfg-options', *options, cwd=folder)
    assert f'knn/top1: {expected:.4f}' in printed
    printed = output_of(
        *('analysis/extract_features.py', KNN, 'raw.npz', '--data', walks),
        *('--cfg-options', *options),
        cwd=folder,
    )
    assert f'1-NN top-1: {expected:.4f}' in printed
    assert np.load(folder / 'raw.npz')['features'].shape == (48, 24 * 25 * 3)
    output_of(
        *('run_protocol.py', KNN, 'out', '--checkpoint', 'none', '--data', walks),
        *('--cfg-options', *options),
        cwd=folder,
    )
    results = json.loads((folder / 'out/results.json').read_text())['results']
    assert results['joint']['summary']['knn/top1']['mean'] == pytest.approx(expected)


def load_tool(name):
    spec = importlib.util.spec_from_file_location(f'tool_{name}', ROOT / f'tools/{name}.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.mark.parametrize(
    ('config', 'checkpoint', 'sentence'),
    [
        ('raw_knn', 'walks.pkl', "SkeletonRecognizer has no weights here; .* leave '.*' out"),
        ('raw_linear', None, 'SkeletonRecognizer has weights; expected a checkpoint of them'),
    ],
)
def test_a_checkpoint_is_named_where_there_are_weights(
    walks, monkeypatch, capsys, config, checkpoint, sentence
):
    monkeypatch.chdir(walks.parent)
    arguments = [str(ROOT / f'configs/finetune/{config}.py'), '--data', str(walks)]
    arguments += [checkpoint] if checkpoint else []
    monkeypatch.setattr(sys, 'argv', ['test.py', *arguments])
    with pytest.raises(SystemExit) as ended:
        load_tool('test').main()
    assert ended.value.code == 2 and re.search(sentence, capsys.readouterr().err)


def test_a_model_without_weights_is_not_distributed(walks, monkeypatch, capsys):
    arguments = [str(ROOT / 'configs/finetune/raw_knn.py'), '--data', str(walks)]
    monkeypatch.setattr(sys, 'argv', ['test.py', *arguments, '--launcher', 'pytorch'])
    with pytest.raises(SystemExit) as ended:
        load_tool('test').main()
    assert ended.value.code == 2 and 'test it in one process' in capsys.readouterr().err
