"""The command converts, compares, reports, goes on after an interruption, and cleans up."""

import functools
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT

TOOL = ROOT / 'tools' / 'data' / 'prepare_ntu.py'
NAMES = ['S001C001P001R001A010', 'S001C002P001R001A011', 'S002C001P003R001A012']
NAMES += ['S002C002P003R001A013', 'S002C003P003R001A014']


def write_raw(path, seed, frames=13, bodies=1):
    """A sound file; of 13 frames, so that no body is short."""
    rng = np.random.default_rng(seed)
    lines = [str(frames)]
    for _ in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f'{body} 0 1 1 1 1 0 0.1 0.2 2', '25']
            joints = rng.normal(size=(25, 3)).round(6) * [0.1, 1, 1] * (body + 1)
            lines += [f'{x:.6f} {y:.6f} {z:.6f} 1 2 3 4 5 6 7 8 2' for x, y, z in joints]
    path.write_text('\n'.join(lines) + '\n')


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / 'raw'
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        write_raw(folder / f'{name}.skeleton', seed, 13 + seed, 1 + (seed == 2) * 2)
    (tmp_path / 'list.txt').write_text(NAMES[3] + '\n')
    return folder


@pytest.fixture
def run(call_tool):
    """Run the tool in this process: exit code, stdout, stderr."""
    return functools.partial(call_tool, 'data/prepare_ntu.py')


def test_converts_compares_and_reports(raw, run, tmp_path):
    out, report = tmp_path / 'new' / 'ntu60.pkl', tmp_path / 'report.txt'
    (raw / 'S001C001P001R001A015.skeleton').write_text('1\n1\n')
    lists = ('--missing', tmp_path / 'list.txt')
    args = (raw, out, '--dataset', 'ntu60', *lists, '--workers', 1, '--report', report)
    code, _, err = run(*args)
    assert code == 2 and 'A015.skeleton ends after line 2' in err and '--skip-bad' in err
    assert not out.exists()
    code, text, err = run(*args, '--skip-bad')
    assert code == 0
    assert err.count('left out:') == 1 and 'A015.skeleton ends after line 2' in err
    content = pickle.loads(out.read_bytes())
    assert [a['frame_dir'] for a in content['annotations']] == NAMES[:3] + NAMES[4:]
    assert [len(a['keypoint']) for a in content['annotations']] == [1, 1, 2, 1]
    assert type(content['annotations'][0]['keypoint']) is np.ndarray
    assert content['split']['xview_train'] == [NAMES[1], NAMES[4]]
    assert content['label_names'][9] == 'clapping' and len(content['label_names']) == 60
    lines = report.read_text().splitlines()
    assert len(lines) == 3 and 'A015.skeleton ends after line 2' in lines[0]
    assert lines[1] == f'listed sample: {NAMES[3]}, listed as having missing skeletons'
    assert lines[2] == f'further body: {NAMES[2]}, body 0: two others have more motion'
    assert f'{out}: 4 samples, 1 with two bodies' in text
    assert 'left out: 1 broken files\n  further body: 1\n  listed sample: 1\n' in text
    assert 'xsub_train: 2 samples, published 40,091: differs by -40,089' in text
    assert text.endswith('verdict: the splits do NOT have the published sizes\n')
    assert [path.name for path in out.parent.iterdir()] == ['ntu60.pkl']  # no parts are left
    code, _, err = run(*args, '--skip-bad')
    assert code == 2 and 'exists; expected a new name' in err
    assert run(*args, '--skip-bad', '--force')[0] == 0


def test_no_list_is_an_error_unless_it_is_asked_for(raw, run, tmp_path, monkeypatch):
    from deeprank_plugin.converters.ntu import protocol

    monkeypatch.setattr(protocol, 'find_spec', lambda name: None)
    out = tmp_path / 'x.pkl'
    args = (raw, out, '--dataset', 'ntu120', '--workers', 1)
    code, _, err = run(*args)
    assert code == 2 and 'NTU_RGBD120_samples_with_missing_skeletons.txt' in err
    assert '--missing FILE' in err and not out.exists()
    assert run(*args, '--missing', tmp_path / 'none.txt')[0] == 2
    code, text, _ = run(*args, '--no-missing-list')
    assert code == 0 and 'no list of samples with missing skeletons was used' in text
    content = pickle.loads(out.read_bytes())
    assert set(content['split']) == {'xsub_train', 'xsub_val', 'xset_train', 'xset_val'}
    assert len(content['annotations']) == 5 and len(content['label_names']) == 120


def test_a_few_files_give_empty_splits_and_a_warning(raw, run, tmp_path):
    for name in NAMES[2:]:
        (raw / f'{name}.skeleton').unlink()
    out = tmp_path / 'x.pkl'
    args = ('--dataset', 'ntu60', '--workers', 1, '--no-missing-list')
    code, text, err = run(raw, out, *args)
    assert code == 0 and not err
    assert 'WARNING: no file belongs to xsub_val: training and test need samples' in text
    split = pickle.loads(out.read_bytes())['split']
    assert split['xsub_train'] == NAMES[:2] and split['xsub_val'] == []


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('--workers', '0'), 'expected at least 1'),
        (('--missing', 'x', '--no-missing-list'), 'not allowed with'),
    ],
)
def test_wrong_arguments(raw, run, tmp_path, args, message):
    code, _, err = run(raw, tmp_path / 'x.pkl', '--dataset', 'ntu60', *args)
    assert code == 2 and message in err


@pytest.mark.slow
def test_killed_and_resumed_is_the_same(raw, run, tmp_path):
    """A run that is killed leaves parts and no pickle; the next goes on and gives the same."""
    for setup in range(3, 18):
        for camera in (1, 2, 3):
            name = f'S{setup:03d}C{camera:03d}P001R001A001.skeleton'
            write_raw(raw / name, setup, 150)
    whole, out = tmp_path / 'whole.pkl', tmp_path / 'out.pkl'
    options = ('--dataset', 'ntu60', '--no-missing-list', '--workers')
    assert run(raw, whole, *options, 1)[0] == 0
    command = [sys.executable, str(TOOL), str(raw), str(out), *options, '1']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = tmp_path / 'out.pkl.parts'
    deadline = time.monotonic() + 60
    while not list(parts.glob('*.json')) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    done = {path: path.stat().st_mtime_ns for path in parts.glob('*.json')}
    assert 0 < len(done) < 50
    (parts / f'S001C001.npy.{os.getpid()}').write_text('half')
    assert run(raw, out, *options, 2)[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()
