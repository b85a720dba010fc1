"""What of the command line reaches the config."""

import argparse
import os

import pytest
from helpers import ROOT
from mmengine.config import Config

from deeprank_plugin import compat
from deeprank_plugin.command_line import (
    add_common_arguments,
    has_weights,
    load_config,
    read_config,
    running,
)

CONFIG = str(ROOT / 'configs' / 'finetune' / 'stgcn-w16_scratch.py')


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A function that reads the config with arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ('LOCAL_RANK', 'RANK', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        monkeypatch.setenv(name, '0')  # so that what is set here is taken back

    def function(*arguments):
        parser = argparse.ArgumentParser()
        parser.add_argument('config')
        add_common_arguments(parser)
        return read_config(parser.parse_args([CONFIG, *arguments]))

    return function


def test_options_win_over_the_config(read, tmp_path, monkeypatch):
    cfg = read('--cfg-options', 'train_cfg.max_epochs=3', 'randomness.seed=1', '--seed', '5')
    assert cfg.train_cfg.max_epochs == 3 and cfg.randomness.seed == 5
    assert (tmp_path / cfg.work_dir).is_dir()  # it is made, and can be written to
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':16:8')  # would be set for other tests as well
    cfg = read('--work-dir', 'mine', '--diff-rank-seed', '--deterministic')
    assert cfg.work_dir == 'mine' and (tmp_path / 'mine').is_dir()
    assert cfg.randomness.diff_rank_seed and cfg.randomness.deterministic


@pytest.mark.parametrize('option', [('--seed', '-1'), ('--cfg-options', 'randomness.seed=a')])
def test_a_seed_that_is_none(read, capsys, option):
    with pytest.raises(SystemExit):
        read(*option)
    assert 'expected a whole number from 0' in capsys.readouterr().err


@pytest.mark.parametrize(
    'options', [['--deterministic'], ['--cfg-options', 'randomness.deterministic=True']]
)
def test_deterministic_runs_set_what_cublas_needs(read, monkeypatch, options):
    variable = 'CUBLAS_WORKSPACE_CONFIG'
    monkeypatch.setenv(variable, ':16:8')
    read(*options)
    assert os.environ[variable] == ':16:8'  # the user's own
    monkeypatch.delenv(variable)
    read()
    assert variable not in os.environ
    read(*options)
    assert os.environ[variable] == ':4096:8'


def test_a_backend_that_the_machine_has(read, monkeypatch, capsys):
    monkeypatch.setattr(compat, 'has_accelerator', lambda: False)
    assert read('--launcher', 'pytorch').env_cfg.dist_cfg.backend == 'gloo'
    assert "'gloo' instead of 'nccl'" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        read('--launcher', 'slurm')
    assert '--launcher pytorch' in capsys.readouterr().err
    monkeypatch.setattr(compat, 'has_accelerator', lambda: True)
    assert read('--launcher', 'slurm').env_cfg.dist_cfg.backend == 'nccl'


@pytest.mark.parametrize(('launcher', 'rank'), [('mpi', '3'), ('pytorch', '0')])
def test_mpi_names_the_gpu_of_a_process(read, monkeypatch, launcher, rank):
    monkeypatch.setattr(compat, 'has_accelerator', lambda: True)
    monkeypatch.setenv('LOCAL_RANK', 'x')  # restored afterwards
    monkeypatch.delenv('LOCAL_RANK')
    monkeypatch.setenv('OMPI_COMM_WORLD_LOCAL_RANK', '3')
    read('--launcher', launcher)
    assert os.environ['LOCAL_RANK'] == rank


def test_several_processes_need_no_shared_folder_for_their_results():
    both = dict(val_evaluator=dict(type='A'), test_evaluator=[dict(type='A'), dict(type='B')])
    cfg = Config(both)
    running.collect_by_group(cfg)
    each = [cfg.val_evaluator, *cfg.test_evaluator]
    assert [evaluator.collect_device for evaluator in each] == ['gpu'] * 3
    cfg = Config(dict(val_evaluator=None, test_evaluator=dict(type='A', collect_device='cpu')))
    running.collect_by_group(cfg)
    assert cfg.val_evaluator is None and cfg.test_evaluator.collect_device == 'cpu'


def test_freed_memory_is_kept_on_a_cpu_alone(monkeypatch):
    kept = []
    monkeypatch.setattr(running, 'keep_freed_memory', lambda: kept.append(True))
    monkeypatch.setattr(running.Runner, 'from_cfg', lambda cfg: cfg)
    for accelerator, number in ((True, 0), (False, 1)):
        monkeypatch.setattr(compat, 'has_accelerator', lambda found=accelerator: found)
        assert running.build_runner({'a': 1}) == {'a': 1} and len(kept) == number


def test_raw_coordinates_have_no_weights():
    folder = ROOT / 'configs' / 'finetune'
    for name, expected in (('raw_knn', False), ('raw_linear', True), ('stgcn-w16_knn', True)):
        assert has_weights(load_config(str(folder / f'{name}.py'))) == expected
