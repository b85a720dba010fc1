"""The command writes a pickle whole or not at all, and says how to use it."""

import json
import pickle
import runpy
import sys

import numpy as np
import pytest
from helpers import ROOT

TOOL = ROOT / 'tools' / 'data' / 'prepare_generic.py'


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the tool in this process: exit code, stdout, stderr."""
    main = runpy.run_path(str(TOOL))['main']
    monkeypatch.chdir(tmp_path)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['prepare_generic.py', *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as error:
            code = error.code
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def moves(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'moves').mkdir()
    for name in 'abc':
        np.save(tmp_path / 'moves' / f'{name}.npy', rng.uniform(0, 1.5, size=(6, 3, 3)))
    (tmp_path / 'list.csv').write_text('file,label,subject\na.npy,up,1\nb.npy,down,2\nc.npy,up,2\n')
    (tmp_path / 'arm.json').write_text(
        json.dumps(dict(num_node=3, edges=[[0, 1], [1, 2]], center=0))
    )
    return tmp_path


ARGS = ('moves', 'list.csv', 'out.pkl', '--layout', 'arm.json', '--workers', '1')
SUBJECTS = ('--train-subjects', '2')


def test_converts_and_says_how_to_go_on(run, moves):
    code, out, err = run(*ARGS, *SUBJECTS)
    assert code == 0, err
    content = pickle.loads((moves / 'out.pkl').read_bytes())
    assert content['split'] == dict(xsub_train=['b', 'c'], xsub_val=['a'])
    assert content['label_names'] == ['down', 'up']
    assert 'classes: 2, num_classes=2' in out and '  1 up' in out
    assert "layout of data set and data preprocessor: {'num_joints': 3" in out
    assert "graph_cfg of the backbone: layout={'num_node': 3" in out


def test_a_failure_leaves_nothing(run, moves):
    (moves / 'moves' / 'b.npy').write_bytes(b'\x93NUMPY')
    before = sorted(path.name for path in moves.iterdir())
    code, _, err = run(*ARGS, *SUBJECTS)
    assert code == 2 and 'b.npy cannot be read' in err and '--skip-bad' in err
    assert sorted(path.name for path in moves.iterdir()) == before
    code, out, _ = run(*ARGS, *SUBJECTS, '--skip-bad')
    assert code == 0 and 'left out: 1' in out


@pytest.mark.parametrize(
    'args, message',
    [
        ((), 'one of the arguments --train-subjects --split-column is required'),
        ((*SUBJECTS, '--layout', 'smpl'), "layout 'smpl' is not known"),
        ((*SUBJECTS, '--scale', '0'), 'scale=0.0; expected a positive number'),
        ((*SUBJECTS, '--axes', 'TVX'), "axes='TVX'; expected the letters"),
        (('--train-subjects', '9'), "train subject '9' is not in list.csv"),
    ],
)
def test_wrong_arguments(run, moves, args, message):
    code, _, err = run(*ARGS, *args)
    assert code == 2 and message in err
