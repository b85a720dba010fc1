"""The command writes a pickle whole or not at all, and prints counts."""

import functools
import pickle

import numpy as np
import pytest


@pytest.fixture
def run(call_tool, tmp_path, monkeypatch):
    """Run the tool in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(call_tool, 'data/prepare_pkummd.py')


@pytest.fixture
def raw(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ('skeletons', 'labels'):
        (tmp_path / folder).mkdir()
    for name in ('0001-L', '0002-L'):
        np.savetxt(tmp_path / 'skeletons' / f'{name}.txt', rng.normal(size=(20, 150)), '%.4f')
        (tmp_path / 'labels' / f'{name}.txt').write_text('1,1,9,1\n2,10,20,1\n')
    (tmp_path / 'xsub.txt').write_text('train\n0001-L\nval\n0002-L\n')
    return tmp_path


ARGS = ('skeletons', 'labels', 'out.pkl', '--part', '1', '--xsub', 'xsub.txt', '--workers', '1')


def test_converts_and_compares(run, raw):
    code, out, err = run(*ARGS)
    assert code == 0, err
    content = pickle.loads((raw / 'out.pkl').read_bytes())
    assert len(content['annotations']) == 4 and set(content['split']) == {'xsub_train', 'xsub_val'}
    assert '4 instances, published 21,545: differs by -21,541' in out
    assert 'splits: xsub_train 2, xsub_val 2' in out and 'left out: 0' in out
    assert 'WARNING: 49 of 51 classes have no instance' in out


def test_keeps_videos_whole(run, raw):
    code, out, err = run(*ARGS, '--untrimmed')
    assert code == 0, err
    content = pickle.loads((raw / 'out.pkl').read_bytes())
    assert [a['segments'] for a in content['annotations']] == 2 * [[(0, 9, 0), (9, 20, 1)]]
    assert '4 instances, published 21,545' in out and 'splits: xsub_train 1, xsub_val 1' in out
    assert 'classes: 2 of 51; videos with two bodies: 2' in out


def test_a_failure_leaves_the_old_file_and_nothing_else(run, raw):
    (raw / 'out.pkl').write_bytes(b'precious')
    code, _, err = run(*ARGS)
    assert code == 2 and 'out.pkl exists' in err
    (raw / 'labels' / '0001-L.txt').write_text('1,1,21,1\n2,10,20,1\n')
    before = sorted(path.name for path in raw.iterdir())
    code, _, err = run(*ARGS, '--force')
    assert code == 2 and 'beyond the end of the video' in err and '--skip-bad' in err
    assert err.count('\n') == 1
    assert (raw / 'out.pkl').read_bytes() == b'precious'
    assert sorted(path.name for path in raw.iterdir()) == before
    code, out, err = run(*ARGS, '--force', '--skip-bad', '--report', 'report.txt')
    assert code == 0 and 'left out: 1' in out and 'beyond the end' in err
    assert (raw / 'report.txt').read_text().count('beyond the end') == 1
    assert len(pickle.loads((raw / 'out.pkl').read_bytes())['annotations']) == 3


def test_needs_a_split_list(run, raw):
    code, _, err = run(*ARGS[:5])
    assert code == 2 and 'expected --xsub FILE, --xview FILE or both' in err
