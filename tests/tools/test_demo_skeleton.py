"""The demo's command line: table, file of predictions, animations, one-line errors."""

import importlib.util
import json
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import ROOT, run_tool
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from PIL import Image

from deeprank_plugin.apis import (
    fuse_streams,
    inference_skeleton_sequence,
    init_model,
    name_actions,
)
from deeprank_plugin.apis.timeline import to_timeline_record
from deeprank_plugin.command_line import load_config
from deeprank_plugin.visualization.figure import as_clock


@pytest.fixture
def call(monkeypatch, capsys):
    """A function that runs the tool in this process: exit code, stdout, stderr."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    spec = importlib.util.spec_from_file_location('demo_skeleton', ROOT / 'tools/demo_skeleton.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['demo_skeleton.py', *map(str, arguments)])
        code = 0
        try:
            tool.main()
        except SystemExit as exit:
            code = exit.code
        return SimpleNamespace(returncode=code, **capsys.readouterr()._asdict())

    return run


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A tiny recogniser for joints and one for bones, and six sequences with labels."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('demo')
    cfg = load_config(str(ROOT / 'configs/finetune/stgcn-w16_scratch.py'), data='toy_xsub')
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.in_channels = 16
    for seed, modality in enumerate(['joint', 'bone']):
        cfg.model.data_preprocessor.modality = modality
        cfg.dump(str(folder / f'{modality}.py'))
        torch.manual_seed(seed)
        model = MODELS.build(cfg.model)
        with torch.no_grad():
            model.cls_head.fc.weight *= 20
        meta = dict(dataset_meta=dict(classes=[f'action {i}' for i in range(12)]))
        content = dict(state_dict=model.state_dict(), meta=meta)
        torch.save(content, folder / f'{modality}.pth')
    rng = np.random.default_rng(0)
    samples = [
        dict(
            frame_dir=f'take {i}',
            label=i,
            total_frames=3 + i,
            keypoint=rng.normal(scale=0.4, size=(1 + i % 2, 3 + i, 25, 3)).astype(np.float32),
        )
        for i in range(6)
    ]
    split = dict(some=['take 1', 'take 4'], others=['take 0'])
    (folder / 'data.pkl').write_bytes(pickle.dumps(dict(split=split, annotations=samples)))
    return folder


def models(folder, *modalities):
    return [init_model(folder / f'{m}.py', str(folder / f'{m}.pth')) for m in modalities]


def keypoints(folder, *indices):
    samples = pickle.loads((folder / 'data.pkl').read_bytes())['annotations']
    return [samples[index]['keypoint'] for index in indices]


def test_one_model(call, folder, tmp_path):
    result = call(
        *(folder / 'joint.py', folder / 'joint.pth', folder / 'data.pkl'),
        *('--split', 'some', '--out-dir', tmp_path / 'out', '--topk', '3'),
    )
    assert result.returncode == 0, result.err[-2000:]
    expected = inference_skeleton_sequence(*models(folder, 'joint'), keypoints(folder, 1, 4))
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert [entry['frame_dir'] for entry in written] == ['take 1', 'take 4']
    for entry, prediction, label in zip(written, expected, (1, 4)):
        assert entry['scores'] == prediction.scores.tolist()
        rows = [line.split() for line in result.out.splitlines()]
        first = [row for row in rows if row[:2] == ['take', str(label)]]
        true = ['(true:', 'action', f'{label})']
        assert [row[2:5] for row in first] == [true]
        for rank, (number, name, score) in enumerate(prediction.top(3), start=1):
            assert [str(rank), f'{score:.2%}', str(number), *name.split()] in [
                row[-5:] for row in rows
            ]
    for name, frames in (('take_1', 4), ('take_4', 7)):
        with Image.open(tmp_path / 'out' / f'{name}.gif') as picture:
            assert picture.n_frames == frames
    assert len(list((tmp_path / 'out').iterdir())) == 3


def test_the_work_dir_of_a_model(call, folder, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'last_checkpoint').write_text(str(folder / 'joint.pth'))
    given = (folder / 'data.pkl', '--format', 'none', '--out-dir', tmp_path / 'out')
    assert call(folder / 'joint.py', tmp_path / 'run', *given).returncode == 0
    result = call(folder / 'joint.py', tmp_path, *given)
    assert result.returncode == 2 and 'holds no checkpoint' in result.err


def test_sequences_are_chosen_by_name(call, folder, tmp_path):
    arguments = (folder / 'joint.py', folder / 'joint.pth', folder / 'data.pkl')
    options = ('--out-dir', tmp_path, '--format', 'none', '--names', 'take 5', 'take 2')
    result = call(*arguments, *options)
    assert result.returncode == 0, result.err[-2000:]
    written = json.loads((tmp_path / 'predictions.json').read_text())
    assert [entry['frame_dir'] for entry in written] == ['take 5', 'take 2']
    result = call(*arguments, *options, 'take 9')
    assert result.returncode != 0 and '--names take 9: there is no such sequence' in result.err


def test_two_streams_of_a_folder(call, folder, tmp_path):
    sequences = keypoints(folder, 0, 3, 5)
    (tmp_path / 'in').mkdir()
    for number, keypoint in enumerate(sequences):
        np.save(tmp_path / 'in' / f'{number}.npy', keypoint)
    result = call(
        *(folder / 'joint.py', folder / 'joint.pth', tmp_path / 'in'),
        *('--stream', folder / 'bone.py', folder / 'bone.pth'),
        *('--out-dir', tmp_path / 'out', '--format', 'none', '--limit', '2'),
    )
    assert result.returncode == 0, result.err[-2000:]
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    expected = fuse_streams(models(folder, 'joint', 'bone'), sequences[:2])
    assert [entry['scores'] for entry in written] == [p.scores.tolist() for p in expected]
    assert [entry['name'] for entry in written] == [f'action {p.label}' for p in expected]
    assert 'true' not in result.out
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['predictions.json']


def test_windows_name_actions_over_time(call, folder, tmp_path):
    recording = np.concatenate([keypoints(folder, 4)[0]] * 3, axis=1)  # 21 frames
    np.save(tmp_path / 'hall.npy', recording)
    result = call(
        *(folder / 'joint.py', folder / 'joint.pth', tmp_path / 'hall.npy', '--window', '1'),
        *('--stream', folder / 'bone.py', folder / 'bone.pth', '--fps', '10', '--format', 'none'),
        *('--out-dir', tmp_path / 'out'),
    )
    assert result.returncode == 0, result.err[-2000:]
    expected = name_actions(models(folder, 'joint', 'bone'), recording, 1, 0.5, 10)
    (written,) = json.loads((tmp_path / 'out' / 'timelines.json').read_text())
    assert written == dict(to_timeline_record(expected), frame_dir='hall')
    assert expected[0].intervals[0].name in result.out
    assert f'{as_clock(expected[0].intervals[0].end, tenths=True)}' in result.out
    files = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert files == ['hall.png', 'timelines.json']


def test_other_units_are_reported_once_and_scaled(call, folder, tmp_path):
    stick = np.random.default_rng(0).normal(scale=0.05, size=(1, 6, 25, 3))
    stick[..., 1] += np.linspace(-1, 0.7, 25)
    np.save(tmp_path / 'mm.npy', (1000 * stick).astype(np.float32))
    arguments = (
        *(folder / 'joint.py', folder / 'joint.pth', tmp_path / 'mm.npy', '--format', 'none'),
        *('--stream', folder / 'bone.py', folder / 'bone.pth', '--out-dir', tmp_path / 'out'),
    )
    warnings = call(*arguments).err.splitlines()
    assert [line for line in warnings if 'scale=0.001 converts millimetres' in line] == warnings
    assert len(warnings) == 1
    scaled = call(*arguments, '--scale', '0.001')
    assert scaled.returncode == 0 and not scaled.err
    written = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    expected = fuse_streams(models(folder, 'joint', 'bone'), [stick.astype(np.float32)])
    np.testing.assert_allclose(written[0]['scores'], expected[0].scores, rtol=1e-4)


def test_frame_rates_that_the_file_does_not_know(call, folder, tmp_path):
    sample = dict(frame_dir='a', label=0, total_frames=4, keypoint=keypoints(folder, 1)[0])
    for rate, code in ((None, 0), ('30', 2)):
        (tmp_path / 'a.pkl').write_bytes(pickle.dumps([dict(sample, fps=rate)]))
        model = folder / 'joint.py', folder / 'joint.pth'
        result = call(*model, tmp_path / 'a.pkl', '--out-dir', tmp_path / 'out')
        assert result.returncode == code, result.err
    assert "recording 'a': fps='30'; expected a positive number" in result.err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'CHECKPOINT': 'no.pth'}, "checkpoint 'no.pth' does not exist"),
        ({'CONFIG': 'no.py'}, "config file 'no.py' does not exist"),
        ({'INPUT': 'no.npy'}, 'no.npy does not exist'),
        ({'--split': 'none'}, "split 'none' is not in"),
        ({'--cfg-options': 'model.cls_head.num_classes=7'}, 'another network'),
        ({'--device': 'abacus'}, "device='abacus' cannot be used"),
        ({'--window': '-1'}, 'window: expected more than 0'),
        ({'--window': '1', '--fps': '0.1'}, 'fps=0.1; expected 1 to 1000'),
        ({'--limit': '0'}, 'limit: expected more than 0'),
    ],
)
def test_errors_are_one_sentence(call, folder, tmp_path, change, message):
    names = dict(CONFIG=folder / 'joint.py', CHECKPOINT=folder / 'joint.pth')
    names.update({'INPUT': folder / 'data.pkl', **change})
    options = [part for key in names if key.startswith('--') for part in (key, names[key])]
    result = call(
        *(names['CONFIG'], names['CHECKPOINT'], names['INPUT'], '--out-dir', tmp_path, *options)
    )
    assert result.returncode == 2
    assert message in result.err.splitlines()[-1] and 'Traceback' not in result.err


@pytest.mark.slow
def test_the_command_line_itself(folder, tmp_path):
    files = [folder / name for name in ('joint.py', 'joint.pth', 'data.pkl')]
    options = ['--split', 'others', '--out-dir', tmp_path, '--format', 'none']
    result = run_tool('demo_skeleton.py', *files, *options)
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'take 0 (true: action 0)' in result.stdout and result.stderr == ''
