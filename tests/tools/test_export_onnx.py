"""export_onnx.py: tiny networks, compared with a forward pass written out here."""

import copy
import importlib.util
import logging
import pickle
import re
import runpy
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT
from mmaction.registry import MODELS
from mmengine.config import Config

TOOL = ROOT / 'tools' / 'deployment' / 'export_onnx.py'
FRAMES, CLASSES = 8, 5
BACKBONES = {
    'stgcn': dict(
        type='STGCN',
        base_channels=4,
        num_stages=2,
        inflate_stages=[2],
        down_stages=[2],
        graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'),
    ),
    'sttformer': dict(type='STTFormer', blocks=[(4, 4, 2), (4, 8, 2)], num_heads=2, tuple_length=2),
}
needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(n) for n in ('onnx', 'onnxscript', 'onnxruntime')),
    reason='onnx, onnxscript and onnxruntime (the extra deploy) are not installed.',
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """PyTorch traces its own exporter into pytest's log, at ten times the time."""
    monkeypatch.setattr(logging.getLogger('torch.__trace'), 'disabled', True)


@pytest.fixture
def tool(call_tool):
    """A function that runs the tool in this process: exit code, what it printed."""

    def run(*arguments):
        code, out, err = call_tool('deployment/export_onnx.py', *arguments)
        return code, out + err

    return run


@pytest.fixture(scope='module')
def functions():
    """What the tool defines."""
    path = list(sys.path)
    found = runpy.run_path(str(TOOL), run_name='export_onnx')
    sys.path[:] = path
    return found


def save(folder, backbone='stgcn', modality='joint', **changes):
    """Config, checkpoint and test data in a folder; returns the model.

    BatchNorm has seen sequences and the classifier is scaled to the features, so that predictions
    are neither alike nor certain.
    """
    rng = np.random.default_rng(0)
    annotations = [
        dict(
            frame_dir=f's{index}',
            label=index % CLASSES,
            total_frames=10 + index,
            keypoint=rng.normal(size=(1, 10 + index, 25, 3)).cumsum(axis=1).astype(np.float32),
        )
        for index in range(11)
    ]
    names = [annotation['frame_dir'] for annotation in annotations]
    content = dict(split=dict(xsub_val=names), annotations=annotations)
    (folder / 'a.pkl').write_bytes(pickle.dumps(content))
    model = dict(
        type='RecognizerGCN',
        data_preprocessor=dict(type='SkeletonPreprocessor', modality=modality),
        backbone=BACKBONES[backbone],
        cls_head=dict(type='GCNHead', num_classes=CLASSES, in_channels=8),
    )
    pipeline = [
        dict(type='CenterSkeleton'),
        dict(type='CropResize', p_interval=(0.95,), clip_len=FRAMES),
        dict(type='FormatGCNInput', num_person=2),
        dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split')),
    ]
    dataset = dict(
        type='SkeletonDataset',
        ann_file=str(folder / 'a.pkl'),
        split='xsub_val',
        pipeline=pipeline,
        test_mode=True,
    )
    config = Config(dict(model=model, test_dataloader=dict(dataset=dataset)))
    config.merge_from_dict(changes)
    config.dump(str(folder / 'config.py'))
    torch.manual_seed(0)
    built = MODELS.build(model)
    with torch.no_grad():
        built.train()
        for _ in range(20):
            steps = torch.randn(8, 2, FRAMES, 25, 3).cumsum(dim=2)
            built.backbone(built.data_preprocessor.derive(steps, modality))
        built.eval()
        features = built.backbone(built.data_preprocessor.derive(steps, modality)).mean((1, 3, 4))
        head = built.cls_head.fc  # scores of mean 0 and deviation of a few
        head.weight.copy_(torch.randn(CLASSES, 8) / features.std(dim=0))
        head.bias.copy_(-head.weight @ features.mean(dim=0))
    torch.save(dict(state_dict=built.state_dict(), meta={}), folder / 'epoch_1.pth')
    return built


def truth(model, joints, modality):
    """Probabilities of joint sequences (N, M, T, V, C), with the modality by plain loops."""
    from mmaction.datasets.transforms import JointToBone

    derived = torch.zeros_like(joints)
    if modality == 'joint':
        derived = joints
    elif modality == 'bone':
        for joint, parent in JointToBone(dataset='nturgb+d').pairs:
            derived[..., joint, :] = joints[..., joint, :] - joints[..., parent, :]
    else:
        for frame in range(joints.shape[2] - 1):
            derived[:, :, frame] = joints[:, :, frame + 1] - joints[:, :, frame]
    with torch.no_grad():
        features = model.backbone(derived).mean(dim=(1, 3, 4))
        scores = features @ model.cls_head.fc.weight.T + model.cls_head.fc.bias
    scores = scores.double().exp()
    return (scores / scores.sum(dim=1, keepdim=True)).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    'form, ending', [pytest.param('onnx', 'onnx', marks=needs_onnx), ('torch-export', 'pt2')]
)
@pytest.mark.parametrize('backbone, modality', [('stgcn', 'motion'), ('sttformer', 'bone')])
def test_exported_networks(tool, functions, tmp_path, backbone, modality, form, ending):
    model = save(tmp_path, backbone, modality)
    out = tmp_path / 'new' / f'model.{ending}'
    code, printed = tool(
        tmp_path / 'config.py', tmp_path / 'epoch_1.pth', out, '--format', form, '--number', 9
    )
    assert code == 0, printed
    assert 'compared on 9 of 11 sequences' in printed and f'{modality} modality' in printed
    assert 'largest difference from PyTorch: in probability' in printed
    assert [path.name for path in out.parent.iterdir()] == [out.name]  # no file beside it

    run = functions['open_exported'](out, form)
    for number in (1, 2, 7):
        joints = torch.randn(number, 2, FRAMES, 25, 3).cumsum(dim=2)
        expected = truth(model, joints, modality)
        found = run(joints.numpy())
        assert found.shape == (number, CLASSES)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    # else anything would agree
    assert np.ptp(expected, axis=0).max() > 0.2
    assert np.abs(truth(model, joints, 'joint') - expected).max() > 0.05


@pytest.mark.slow
@needs_onnx
def test_plain_onnxruntime_reads_the_file(tool, tmp_path):
    import onnxruntime

    save(tmp_path)
    assert tool(tmp_path / 'config.py', tmp_path / 'epoch_1.pth', tmp_path / 'm.onnx')[0] == 0
    session = onnxruntime.InferenceSession(str(tmp_path / 'm.onnx'))
    (given,), (taken,) = session.get_outputs(), session.get_inputs()
    assert taken.name == 'keypoint' and given.name == 'probability'
    assert isinstance(taken.shape[0], str) and taken.shape[1:] == [2, FRAMES, 25, 3]
    assert given.shape[1:] == [CLASSES]
    notes = session.get_modelmeta().custom_metadata_map
    assert notes['modality'] == 'joint' and notes['num_classes'] == '5'
    assert str(tmp_path) not in str(notes)


@pytest.mark.slow
def test_random_sequences_where_there_are_no_data(tool, tmp_path):
    save(tmp_path)
    (tmp_path / 'a.pkl').unlink()
    code, printed = tool(
        *(tmp_path / 'config.py', tmp_path / 'epoch_1.pth', tmp_path / 'm.pt2'),
        *('--format', 'torch-export', '--number', 4),
    )
    assert code == 0 and '4 RANDOM sequences' in printed and 'a.pkl' in printed


def test_comparison_can_fail(functions):
    compare = functions['compare']
    rng = np.random.default_rng(0)
    expected = rng.dirichlet(np.ones(5), size=20)
    assert 'in probability 0.00e+00' in compare(expected, expected, 1e-4)
    with pytest.raises(ValueError, match='up to 1.00e-03 in probability.*nothing was kept'):
        compare(expected + 1e-3, expected, 1e-4)
    with pytest.raises(ValueError, match='up to nan'):
        compare(expected * np.nan, expected, 1e-4)
    # a constant that is near everywhere: only the logarithms show that it follows no sequence
    nearly = np.full((20, 5), 0.2) + rng.normal(scale=1e-6, size=(20, 5))
    with pytest.raises(ValueError, match='untrained or the sequences all alike'):
        compare(np.full((20, 5), 0.2), nearly, 1e-4)
    certain = np.full((20, 5), 1e-9)
    certain[:, 0] = 1
    certain[::2, 1] = 1e-7
    with pytest.raises(ValueError, match='in its logarithm 4.61e.00, which varies by 4.61e.00'):
        compare(np.repeat(certain[1:2], 20, axis=0), certain, 1e-4)


@pytest.mark.slow
def test_a_graph_that_differs_is_not_kept(tool, tmp_path, monkeypatch):
    """The file is compared as it was written: another network in it is found out."""
    save(tmp_path)
    save_program = torch.export.save

    def tamper(program, path, **kwargs):
        program.state_dict['cls_head.fc.bias'].data[0] += 0.01
        save_program(program, path, **kwargs)

    def copied(module, *args, **kwargs):
        return export(copy.deepcopy(module), *args, **kwargs)

    export = torch.export.export
    monkeypatch.setattr(torch.export, 'export', copied)
    monkeypatch.setattr(torch.export, 'save', tamper)
    (tmp_path / 'out').mkdir()
    code, printed = tool(
        *(tmp_path / 'config.py', tmp_path / 'epoch_1.pth', tmp_path / 'out' / 'm.pt2'),
        *('--format', 'torch-export'),
    )
    assert code == 2 and 'differs from PyTorch' in printed and 'nothing was kept' in printed
    assert not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize(
    'changes, arguments, message',
    [
        ({'model.type': 'DeepRank'}, (), 'is a DeepRank with head GCNHead.*expected a finetuned'),
        ({'model.data_preprocessor.modality': ['joint', 'bone']}, (), 'with one modality'),
        ({'model.cls_head.num_classes': 6}, (), 'does not fit the model.*of another shape: cls_h'),
        ({'model.backbone.num_stages': 3}, (), 'does not fit the model.*missing: backbone'),
        ({}, ('nowhere.pth', 'm.pt2'), "'nowhere.pth' is no file"),
        ({}, ('epoch_1.pth', 'm.onnx'), r'names end in .pt2'),
        ({}, ('epoch_1.pth', 'there.pt2'), 'there.pt2 exists'),
        ({}, ('config.py', 'm.pt2'), 'cannot be read as a checkpoint'),
        ({}, ('epoch_1.pth', 'm.pt2', '--number', '1'), 'at least 2'),
    ],
)
def test_errors_are_sentences(tool, tmp_path, monkeypatch, changes, arguments, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path, **changes)
    (tmp_path / 'there.pt2').write_text('')
    before = sorted(path.name for path in tmp_path.iterdir())
    arguments = arguments or ('epoch_1.pth', 'm.pt2')
    code, printed = tool('config.py', *arguments, '--format', 'torch-export')
    assert code == 2 and re.search(message, printed), printed
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_without_onnx_it_says_what_to_install(tool, tmp_path, monkeypatch):
    save(tmp_path)
    find_spec = importlib.util.find_spec
    present = object()  # stands for an installed package: the same wherever the tests run
    known = {'onnx': present, 'onnxscript': present, 'onnxruntime': None}
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda n, *a: known[n] if n in known else find_spec(n, *a)
    )
    code, printed = tool(tmp_path / 'config.py', tmp_path / 'epoch_1.pth', tmp_path / 'm.onnx')
    assert code == 2 and 'needs onnxruntime' in printed and 'deeprank-plugin[deploy]' in printed
    assert not (tmp_path / 'm.onnx').exists()
