"""make_toy.py and make_subset.py as a user runs them."""

import pickle
import runpy
import sys

import pytest
from helpers import ROOT, run_tool

SMALL = ('--subjects', '4', '--repetitions', '1')


def run(tool, *arguments, fails=False):
    result = run_tool(f'data/{tool}', *arguments)
    assert (result.returncode != 0) == fails, result.stderr
    return result.stderr if fails else result.stdout


@pytest.mark.slow
def test_make_toy_and_a_subset_of_it(tmp_path):
    path = tmp_path / 'new' / 'toy.pkl'
    printed = run('make_toy.py', path, *SMALL, '--plot', tmp_path / 'toy.png')
    assert '144 toy sequences' in printed and 'xsub_train 72' in printed
    assert (tmp_path / 'toy.png').read_bytes().startswith(b'\x89PNG')
    first = path.read_bytes()
    run('make_toy.py', path, *SMALL)  # the same once more is no harm
    assert path.read_bytes() == first

    rejected = run('make_toy.py', path, *SMALL, '--seed', '1', fails=True)
    assert 'exists with different content' in rejected and 'Traceback' not in rejected
    assert path.read_bytes() == first
    run('make_toy.py', path, *SMALL, '--seed', '1', '--force')
    assert path.read_bytes() != first

    out = tmp_path / 'lists' / 'a.txt'
    printed = run('make_subset.py', path, out, '--share', '0.34', '--seed', '0')
    names = out.read_text().split()
    assert f'{len(names)} of 72 samples of xsub_train' in printed and 'sha256: ' in printed
    content = pickle.loads(path.read_bytes())
    labels = [a['label'] for a in content['annotations'] if a['frame_dir'] in set(names)]
    assert sorted(labels) == sorted(list(range(12)) * 2)  # round(0.34 * 6) of each class
    assert set(names) <= set(content['split']['xsub_train'])


@pytest.mark.slow
def test_make_toy_where_it_cannot_write(tmp_path):
    (tmp_path / 'file').write_text('')
    rejected = run('make_toy.py', tmp_path / 'file' / 'toy.pkl', *SMALL, fails=True)
    assert 'cannot be written' in rejected and 'Traceback' not in rejected
    rejected = run('make_toy.py', tmp_path / 'toy.pkl', '--subjects', '1', fails=True)
    assert 'integer from 2' in rejected and 'Traceback' not in rejected


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('--share', '0'), 'share=0.0 is out of range'),
        (('--split', 'xsub_trian'), "split 'xsub_trian' is not in"),
    ],
)
def test_make_subset_of_what_is_not_there(
    make_annotations, tmp_path, monkeypatch, capsys, arguments, words
):
    given = ['make_subset.py', make_annotations(20), str(tmp_path / 'names.txt'), *arguments]
    monkeypatch.setattr(sys, 'argv', given)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'tools/data/make_subset.py'), run_name='__main__')
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith('error: ') and words in sentence
    assert not (tmp_path / 'names.txt').exists()
