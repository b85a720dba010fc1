"""Pose files of each program become an annotation file, or one line and exit code 2."""

import functools
import pickle
import re

import numpy as np
import pytest
from helpers import ROOT

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.layouts import find_layout
from tests.converters.poses import files


@pytest.fixture
def run(call_tool, tmp_path, monkeypatch):
    """Run the tool in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(call_tool, 'data/prepare_poses.py', '--workers', '1')


def coco(persons=1):
    return files.walk(persons, 20, 17, 2, size=100)


def write_each(form, folder, persons=1):
    """Two recordings in a format; returns the names by which a list calls them."""
    for name in 'ab':
        path = folder / f'{name}.json'
        if form == 'openpose':
            files.openpose(folder / name, files.walk(persons, 20, 25, 2, size=100))
        elif form == 'alphapose':
            files.write(path, files.alphapose(coco(persons)))
        elif form == 'mediapipe':
            files.write(path, files.mediapipe(files.walk(persons, 20, 33, 3)))
        elif form == 'azure-kinect':
            files.write(path, files.azure(files.walk(persons, 20, 32, 3, size=1500)))
        else:
            files.write(path, files.mmpose(coco(persons)))
    return ['a', 'b'] if form == 'openpose' else ['a.json', 'b.json']


@pytest.mark.parametrize(
    'form, layout, target',
    [
        ('mmpose', 'coco', 'coco'),
        ('openpose', 'body25', 'coco'),
        ('alphapose', 'coco', 'coco'),
        ('mediapipe', 'mediapipe', 'nturgb+d'),
        ('azure-kinect', 'azure-kinect', 'nturgb+d'),
    ],
)
def test_each_format(run, tmp_path, form, layout, target):
    first, second = write_each(form, tmp_path / 'poses')
    lines = ['file,label,subject', f'{first},up,anna', f'{second},down,ben']
    (tmp_path / 'list.csv').write_text('\n'.join(lines))
    planar = find_layout(layout).planar
    arguments = ['poses', 'out.pkl', '--labels', 'list.csv', '--train-subjects', 'anna']
    arguments += ['--img-shape', '480', '640'] if planar else []
    for wanted in (layout, target):
        options = [] if wanted == layout else ['--to-layout', wanted]
        code, out, err = run(*arguments, *options, '--force')
        assert code == 0 and 'WARNING' not in out, out + err
        (command,) = re.findall('pretrain on it: (.*)', out)
        assert command.endswith(f'--data out.pkl --layout {wanted}')
        content = pickle.loads((tmp_path / 'out.pkl').read_bytes())
        assert content['label_names'] == ['down', 'up']
        dataset = SkeletonDataset('out.pkl', pipeline=[], split='xsub_val', layout=wanted)
        sample = dataset[0]
        assert sample['keypoint'].shape == (1, 20, find_layout(wanted).num_joints, 3 - planar)
        assert ('keypoint_score' in sample) == planar and sample['label'] == 0


def test_to_predict_on(run, tmp_path):
    write_each('mmpose', tmp_path, persons=3)
    code, out, err = run('a.json', 'out.pkl')
    assert code == 0, err
    assert 'classes: none' in out and 'demo_skeleton.py CONFIG CHECKPOINT out.pkl' in out
    assert 'WARNING: 1 persons beyond --max-persons are left out' in out
    code, out, _ = run('a.json', 'out.pkl', '--max-persons', '3', '--force')
    assert code == 0 and 'up to 3 bodies' in out and 'persons beyond' not in out
    names = 'out.pkl', '--to-fps', '15', '--fps', '30', '--force', '--up', 'y'
    code, _, err = run('a.json', *names)
    assert code == 2 and 'a.json is 2D; expected 3D poses: leave --up out' in err


def test_a_failure_leaves_nothing(run, tmp_path):
    write_each('mmpose', tmp_path / 'poses')
    (tmp_path / 'poses' / 'b.json').write_text('{"meta_info": ')
    before = sorted(path.name for path in tmp_path.iterdir())
    code, _, err = run('poses', 'out.pkl')
    assert code == 2 and err.count('\n') == 1 and 'b.json is not complete JSON' in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    code, out, err = run('poses', 'out.pkl', '--skip-bad', '--report', 'bad.txt')
    assert code == 0 and 'left out: 1' in out and 'b.json' in (tmp_path / 'bad.txt').read_text()
    code, _, err = run('poses', 'out.pkl')
    assert code == 2 and 'out.pkl exists' in err


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('nobody',), 'nobody does not exist; expected a file or folder of poses'),
        (('poses', '--format', 'alphapose'), 'expected alphapose: set --format'),
        (('poses', '--to-layout', 'coco17'), "layout 'coco17' is not known"),
        (('poses', '--to-layout', 'nturgb+d'), '2D'),
        (('poses', '--layout', 'nturgb+d'), "layout 'nturgb+d', 25 joints x 3: correct --layout"),
        (('poses', '--cut', '2'), 'expected --fps'),
        (('poses', '--fps', '0'), 'fps=0.0; expected 1 to 1000 frames'),
        (('poses', '--val-share', '1.5'), 'val_share=1.5; expected a share'),
        (('poses', '--train-subjects', '1'), 'and no list; expected one of the recordings'),
        (('poses', '--workers', '0'), "--workers: '0'; expected at least 1"),
    ],
)
def test_wrong_arguments(run, tmp_path, arguments, message):
    write_each('mmpose', tmp_path / 'poses')
    source, *options = arguments
    code, _, err = run(source, 'out.pkl', *options)
    assert code == 2 and message in err.splitlines()[-1]
    assert not (tmp_path / 'out.pkl').exists()


def test_the_form_of_landmarks_in_the_docs_is_read(run, tmp_path):
    page = (ROOT / 'docs/camera.md').read_text(encoding='utf-8')
    (form,) = re.findall(r'```json\n(\{"fps".*?)\n```', page, re.DOTALL)
    landmark = '{"x": 0.01, "y": -0.52, "z": -0.11, "visibility": 0.99}'
    assert landmark in form and '...' in form
    text = form.replace(landmark + ', ...', ', '.join([landmark] * 33))
    (tmp_path / 'a.json').write_text(text)
    code, out, err = run('a.json', 'out.pkl')
    assert code == 0, err
    content = pickle.loads((tmp_path / 'out.pkl').read_bytes())
    (sample,) = content['annotations']
    np.testing.assert_allclose(sample['keypoint'][0, 0, 5], [-0.01, 0.52, -0.11])
