"""What the tools say of files, disks and processes; whole runs are in engine/recovery."""

import errno
import re
import warnings
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import HOOKS, MODELS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from deeprank_plugin.command_line import failures
from deeprank_plugin.datasets.annotations import load_annotations
from deeprank_plugin.layouts import find_layout

STGCN = dict(type='STGCN', graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial'))


def test_a_folder_is_made_and_must_be_writable(tmp_path, capsys):
    failures.require_writable(str(tmp_path / 'new' / 'run'), 'work dir', '--work-dir')
    assert list((tmp_path / 'new' / 'run').iterdir()) == []
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit) as ended:
        failures.require_writable(str(tmp_path / 'file'), 'work dir', '--work-dir')
    (sentence,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and sentence.startswith(f"error: work dir '{tmp_path}/file'")
    assert '--work-dir' in sentence


def test_the_checkpoint_of_a_file_and_of_a_work_dir(tmp_path, capsys):
    path = tmp_path / 'epoch_2.pth'
    with pytest.raises(SystemExit):
        failures.find_checkpoint(str(path))
    assert f"checkpoint '{path}' does not exist" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        failures.find_checkpoint(str(tmp_path))
    assert f"work dir '{tmp_path}' holds no checkpoint" in capsys.readouterr().err
    path.touch()
    (tmp_path / 'epoch_10.pth').touch()
    assert failures.find_checkpoint(str(path)) == str(path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    assert failures.find_checkpoint(str(tmp_path)) == str(path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))  # which is not there
    with pytest.raises(SystemExit):
        failures.find_checkpoint(str(tmp_path))


def test_a_checkpoint_elsewhere_is_left_to_mmengine(tmp_path):
    failures.require_checkpoint('https://example.org/a.pth')
    with pytest.raises(SystemExit):
        failures.require_checkpoint(str(tmp_path / 'a.pth'))


def test_errors_of_the_disk_and_the_work_dir_are_told_apart(tmp_path):
    full = OSError(errno.ENOSPC, 'No space left on device', 'epoch_1.pth')
    assert "'epoch_1.pth': No space left" in failures.explain_unwritable(full, str(tmp_path))
    gone = failures.explain_unwritable(full, str(tmp_path / 'gone'))
    assert 'was removed during the run' in gone and str(tmp_path / 'gone') in gone
    missing = FileNotFoundError(errno.ENOENT, 'No such file', 'data.pkl')
    assert failures.explain_unwritable(missing, str(tmp_path)) is None


@pytest.mark.parametrize(
    ('message', 'worker', 'peer'),
    [
        ('DataLoader worker (pid 7) is killed by signal: Killed.', True, False),
        ('DataLoader worker (pid(s) 7, 8) exited unexpectedly', True, False),
        ('[../gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:1', False, True),
        ('Timed out waiting 5000ms for recv operation to complete', False, True),
        ('NCCL error: ncclRemoteError: a call failed', False, True),
        ('mat1 and mat2 shapes cannot be multiplied', False, False),
    ],
)
def test_dead_workers_and_lost_processes_are_known_by_what_pytorch_says(message, worker, peer):
    assert bool(failures.DEAD_WORKER.match(message)) == worker
    assert bool(failures.LOST_PEER.search(message)) == peer


def explained(function, *args):
    try:
        function(*args)
    except Exception as error:
        return failures.explain(error)
    raise AssertionError('no error')


def test_what_the_package_raises_is_one_sentence():
    wrong = explained(find_layout, 'no layout')
    assert wrong.startswith("layout 'no layout' is not known; expected")
    assert explained(load_annotations, 'none.pkl').startswith('annotation file none.pkl does not')
    assert 'Nothing is not in the' in explained(MODELS.build, dict(type='Nothing'))
    assert explained(open, 'none.txt') == "'none.txt' does not exist: correct the path."
    assert 'truncated or damaged' in failures.explain(EOFError('Ran out of input'))
    assert 'truncated or damaged' in failures.explain(RuntimeError('PytorchStreamReader failed'))


@pytest.mark.parametrize(
    ('part', 'words'),
    [
        (lambda: DataLoader([1], batch_size=0), 'Sampler rejects a setting .*batch_size=0'),
        (lambda: DataLoader([1], num_workers=-1), 'DataLoader rejects .*num_workers'),
        (lambda: MODELS.build(dict(STGCN, bottom=1)), 'STGCN.*rejects .*bottom'),
        (lambda: MODELS.build(dict(type='PoolHead', bottom=1)), "PoolHead.* argument 'bottom'"),
        (lambda: torch.optim.SGD([torch.ones(1)], lr=-1), 'SGD .*learning rate'),
    ],
)
def test_settings_that_the_toolboxes_reject(part, words):
    assert re.match(words.replace('Sampler', r'\w*Sampler'), explained(part))


def test_other_errors_keep_their_traceback():
    assert explained(int, 'a') is None
    assert explained(find_layout) is None  # a bug in the call, not a sentence of ours
    assert explained(lambda: {}['a']) is None
    assert failures.explain(RuntimeError('mat1 and mat2 shapes cannot be multiplied')) is None


def test_an_error_of_a_worker_is_told_by_its_text():
    class Data(torch.utils.data.Dataset):
        def __init__(self, function):
            self.function = function

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return self.function('no layout')

    for function, ours in ((find_layout, True), (int, False)):
        loader = torch.utils.data.DataLoader(Data(function), num_workers=1)
        sentence = explained(lambda loader=loader: next(iter(loader)))
        assert sentence.startswith("layout 'no layout' is not known") if ours else sentence is None


def test_a_tool_ends_with_the_sentence(capsys):
    with pytest.raises(SystemExit) as ended:
        failures.run_or_exit(lambda: find_layout('no layout'))
    (sentence,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and sentence.startswith("error: layout 'no layout' is not known")
    with pytest.raises(ZeroDivisionError):
        failures.run_or_exit(lambda: 1 / 0)
    with pytest.raises(ValueError):
        failures.run_or_exit(lambda: int('a'))


def test_warnings_are_lines(capsys):
    with failures.print_warnings():
        for text in ('one', 'two', 'one'):
            warnings.warn(text, stacklevel=1)
    assert capsys.readouterr().err == 'warning: one\nwarning: two\n'


def test_an_error_of_a_hook():
    """MMEngine raises a TypeError of a hook again, as its own."""

    class Raises(Hook):
        def before_run(self, runner):
            HOOKS.build(dict(type='StrictLoadHook', allow_missing='head'))

    runner = SimpleNamespace(_hooks=[Raises()])
    sentence = explained(Runner.call_hook, runner, 'before_run')
    assert sentence.startswith("StrictLoadHook: allow_missing is the string 'head'")
