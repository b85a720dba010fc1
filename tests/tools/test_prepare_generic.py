"""The command writes a pickle whole or not at all, and says how to use it."""

import functools
import json
import pickle
import re
import shlex

import numpy as np
import pytest
from helpers import ROOT, output_of


@pytest.fixture
def run(call_tool, tmp_path, monkeypatch):
    """Run the tool in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(call_tool, 'data/prepare_generic.py')


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
    (command,) = re.findall('pretrain on it: (.*)', out)
    assert command == (
        'python tools/train.py configs/deeprank/deeprank_stgcn-slim.py --data out.pkl '
        '--layout arm.json'
    )


@pytest.mark.slow
@pytest.mark.parametrize('channels', [3, 2])
def test_the_printed_command_runs_as_it_stands(run, moves, monkeypatch, channels):
    rng = np.random.default_rng(0)
    lines = ['file,label,subject']
    for number in range(24):
        shape = (6, 3, channels)
        np.save(moves / 'moves' / f'{number}.npy', rng.uniform(0, 1.5, size=shape))
        lines.append(f'{number}.npy,{number % 2},{number % 3}')
    (moves / 'list.csv').write_text('\n'.join(lines))
    arguments = ('moves', 'list.csv', 'out.pkl', '--layout', 'arm.json', '--workers', '1')
    code, out, err = run(*arguments, '--train-subjects', '0', '1')
    assert code == 0, err
    (command,) = re.findall('pretrain on it: (.*)', out)
    (moves / 'configs').symlink_to(ROOT / 'configs')
    _, tool, *parts = shlex.split(command)
    options = ['train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1']
    for loader in ('train_dataloader', 'val_dataloader'):
        options += [f'{loader}.num_workers=0', f'{loader}.persistent_workers=False']
        options.append(f'{loader}.dataset.holdout.share=0.25')
    options += ['train_dataloader.batch_size=4']
    output_of(ROOT / tool, *parts, '--cfg-options', *options, cwd=moves)
    assert (moves / 'work_dirs/deeprank_stgcn-slim_out_joint/epoch_1.pth').is_file()


def test_splits_that_training_does_not_know(run, moves):
    (moves / 'list.csv').write_text('file,label,part\na.npy,up,fit\nb.npy,down,try\n')
    code, out, err = run(*ARGS, '--split-column', 'part')
    assert code == 0, err
    assert 'tools/train.py does not know what to train on' in out and 'has fit, try' in out


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
        ((*SUBJECTS, '--layout', 'smplx'), "layout 'smplx' is not known"),
        ((*SUBJECTS, '--img-shape', '0', '9'), 'img_shape=(0, 9); expected height and width'),
        ((*SUBJECTS, '--scale', '0'), 'scale=0.0; expected a positive number'),
        ((*SUBJECTS, '--axes', 'TVX'), "axes='TVX'; expected the letters"),
        (('--train-subjects', '9'), "train subject '9' is not in list.csv"),
    ],
)
def test_wrong_arguments(run, moves, args, message):
    code, _, err = run(*ARGS, *args)
    assert code == 2 and message in err
