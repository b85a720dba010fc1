"""A data-loader worker or a process of several is killed: the run ends, and says why."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT, free_port

from deeprank_plugin import compat

several = pytest.mark.skipif(compat.has_accelerator(), reason='processes would share one device')

# What failures.py holds: transforms that end the process that they run in.
KILL = """
import os, signal, time
from mmaction.registry import HOOKS, TRANSFORMS
from mmengine.hooks import Hook


@TRANSFORMS.register_module()
class KillWorker:
    def __call__(self, results):
        if results['frame_dir'] == 's05':
            os.kill(os.getpid(), signal.SIGKILL)
        return results


@HOOKS.register_module()
class KillRank(Hook):
    # iteration: before it; -1: within the extraction of the features
    priority = 'VERY_HIGH'

    def __init__(self, rank, iteration):
        self.rank, self.iteration = rank, iteration

    def _kill(self):
        if os.environ['RANK'] == str(self.rank):
            print(f'fails at {time.time()}', flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            self._kill()

    def before_train(self, runner):
        if self.iteration == -1:
            runner.model.module.extract_feat = lambda inputs: self._kill() or inputs[..., 0, 0]


@HOOKS.register_module()
class Sleep(Hook):
    # stands for a collective that never comes back
    def __init__(self, rank):
        self.rank = rank

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if os.environ['RANK'] == str(self.rank):
            print(f'fails at {time.time()}', flush=True)
            time.sleep(1000)


@TRANSFORMS.register_module()
class Spoil:
    def __call__(self, results):
        if results['frame_dir'] == 's05':
            results['keypoint'] = results['keypoint'] * float('nan')
        return results
"""
RANK = dict(type='KillRank', rank=1, iteration=2)


@pytest.mark.slow
def test_a_worker_that_is_killed(make_config, start):
    cfg = make_config('RecognizerGCN', workers=2, extra=[dict(type='KillWorker')])
    run = start(cfg, KILL)
    assert run.wait() == [1]
    said = run.said()
    (error,) = [line for line in said.splitlines() if line.startswith('error: ')]
    # none of the run itself: what it interrupts, a log of PyTorch or a thread of the other worker,
    # may still print its own
    assert 'tools/train.py", line' not in said
    assert error.startswith('error: DataLoader worker (pid')
    # whichever of PyTorch's two ways to notice is faster
    assert 'killed by signal: Killed' in error or 'exited unexpectedly' in error
    assert 'num_workers' in error and '--resume' in error


@pytest.mark.distributed
@several
@pytest.mark.parametrize('iteration', [2, -1])
def test_a_process_that_is_killed_without_a_launcher(make_config, start, iteration):
    cfg = make_config('DeepRank', calibrate=False)
    cfg.custom_hooks = [dict(RANK, iteration=iteration)]
    run = start(cfg, KILL, number=2)
    assert run.wait() == [1, -9] and run.lag < 60
    print(f'ended after {run.lag:.1f} s')
    said = run.said()
    assert 'error: process 0: another process of this run has ended' in said
    assert '--resume continues' in said and 'Traceback' not in said


def run_under_torchrun(cfg, folder):
    """The finished launcher, and how many seconds after the failure it ended."""
    (folder / 'failures.py').write_text(KILL)
    cfg.custom_imports = dict(imports=['deeprank_plugin', 'failures'])
    cfg.dump(folder / 'config.py')
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = dict(os.environ, PYTHONPATH=paths, PYTHON=sys.executable, OMP_NUM_THREADS='1')
    result = subprocess.run(
        ['bash', ROOT / 'tools' / 'dist_train.sh', folder / 'config.py', '2'],
        env=dict(environment, PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=200,
    )
    seconds = time.time() - float(re.search(r'fails at ([\d.]+)', result.stdout)[1])
    print(f'ended after {seconds:.1f} s')
    return result, seconds


@pytest.mark.distributed
@several
def test_a_process_that_is_killed_under_torchrun(make_config, tmp_path):
    cfg = make_config('DeepRank')
    cfg.custom_hooks = [RANK]
    result, seconds = run_under_torchrun(cfg, tmp_path)
    assert result.returncode == 1 and seconds < 60
    assert 'SIGKILL' in result.stderr


@pytest.mark.distributed
@several
def test_a_process_that_hangs_is_ended_by_the_timeout(make_config, tmp_path):
    """Process 1 answers nothing any more: process 0 fails, and torchrun's agent ends both."""
    cfg = make_config('DeepRank')
    cfg.custom_hooks = [dict(type='Sleep', rank=1)]
    cfg.env_cfg.dist_cfg.timeout = 5
    result, seconds = run_under_torchrun(cfg, tmp_path)
    assert result.returncode == 1 and seconds < 150  # 5 s, and 30 s from SIGTERM to SIGKILL
    said = result.stdout + result.stderr
    assert 'error: process 0: another process of this run has ended or cannot be reached' in said
    assert 'Timed out waiting 5000ms' in said


def test_srun_is_told_to_end_all():
    for name in ('slurm_train.sh', 'slurm_test.sh'):
        assert '--kill-on-bad-exit=1' in (ROOT / 'tools' / name).read_text()


@pytest.mark.distributed
@several
@pytest.mark.parametrize('late', [False, True])
def test_processes_stop_together_where_a_loss_is_not_finite(make_config, start, late):
    cfg = make_config('RecognizerGCN', extra=[dict(type='Spoil')])
    cfg.default_hooks.finite_guard.late = late
    run = start(cfg, KILL, number=2)
    assert run.wait() == [1, 1]
    (path,) = Path(cfg.work_dir).glob('non_finite_*.json')
    found = json.loads(path.read_text())
    assert path.with_suffix('.pth').is_file()
    names = [[s['name'] for s in p['samples']] for p in found['processes']]
    assert len(set(names[0] + names[1])) == 12 and 's05' in names[0] + names[1]
    losses = [p['losses'][0]['loss_cls'] for p in found['processes']]
    assert ('nan' in losses) and any(isinstance(loss, float) for loss in losses)
    for rank in range(2):
        assert 'the loss (loss_cls) is not finite at iteration' in run.said(rank)
        assert 'Traceback' not in run.said(rank)
