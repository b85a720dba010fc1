"""tools/train.py, tools/test.py and their launch scripts as a user runs them, on a tiny network."""

import os
import pickle
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mmaction
import numpy as np
import pytest
import torch
from helpers import ROOT, free_port

from deeprank_plugin import compat

TOOLS = ROOT / 'tools'
NOTICES = ('Warning', ' WARNING ', 'Traceback')

CONFIG = """
custom_imports = dict(imports=['deeprank_plugin'], allow_failed_imports=False)
default_scope = 'mmaction'
model = dict(
    type='RecognizerGCN',
    backbone=dict(type='STGCN', in_channels=3, base_channels=4, num_stages=1, inflate_stages=[],
                  down_stages=[], graph_cfg=dict(layout='nturgb+d', mode='stgcn_spatial')),
    cls_head=dict(type='GCNHead', num_classes=3, in_channels=4))
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='PoseDataset',
        ann_file='{folder}/data.pkl',
        split='train',
        pipeline=[
            dict(type='GenSkeFeat', dataset='nturgb+d', feats=['j']),
            dict(type='UniformSampleFrames', clip_len=8, test_mode=True),
            dict(type='PoseDecode'),
            dict(type='FormatGCNInput', num_person=1),
            dict(type='PackActionInputs')]))
val_dataloader = test_dataloader = dict(
    train_dataloader, sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = test_evaluator = dict(type='AccMetric')
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = dict(type='ConstantLR', factor=1.0)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1, ignore_last=False),
    checkpoint=dict(type='CheckpointHook', interval=1),
    strict_load=dict(type='StrictLoadHook'))
env_cfg = dict(dist_cfg=dict(backend='{backend}'))
randomness = dict(seed=7)
"""


def run(*command, cwd, **environment):
    """Run a command in a folder without the repository on the path; return what it printed."""
    inherited = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    inherited.update(OMP_NUM_THREADS='1', PYTHON=sys.executable)
    environment = {**inherited, **environment}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )


def run_tool(name, *arguments, cwd):
    return run(sys.executable, TOOLS / name, *arguments, cwd=cwd)


def refusal(monkeypatch, capsys, folder, tool, *arguments):
    """Run a tool in this process, which saves its imports; return what it says as it ends."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'path', [str(TOOLS), *sys.path])
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    for name in ('LOCAL_RANK', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        monkeypatch.setenv(name, '0' if name == 'LOCAL_RANK' else '1')
    with pytest.raises(SystemExit) as ending:
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
    assert ending.value.code == 2
    return capsys.readouterr().err


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder with a data set of eight sequences and two configs."""
    folder = tmp_path_factory.mktemp('cli')
    generator = np.random.default_rng(0)
    annotations = [
        dict(
            frame_dir=f'S{index}',
            label=index % 3,
            total_frames=12,
            keypoint=generator.normal(size=(1, 12, 25, 3)).astype(np.float32),
        )
        for index in range(8)
    ]
    names = [annotation['frame_dir'] for annotation in annotations]
    with open(folder / 'data.pkl', 'wb') as file:
        pickle.dump(dict(split=dict(train=names), annotations=annotations), file)
    for backend in ('nccl', 'gloo'):
        config = CONFIG.replace('{folder}', str(folder)).replace('{backend}', backend)
        (folder / f'{backend}.py').write_text(config)
    return folder


@pytest.fixture(scope='module')
def trained(folder):
    """What two epochs on one process printed; the work dir is the default one."""
    result = run_tool('train.py', 'nccl.py', '--seed', '3', '--deterministic', cwd=folder)
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.slow
def test_train_writes_to_the_default_work_dir_and_is_quiet(folder, trained):
    assert (folder / 'work_dirs' / 'nccl' / 'epoch_2.pth').is_file()
    assert trained.stderr == ''
    for notice in NOTICES:
        assert notice not in trained.stdout, notice
    assert re.search(r'Epoch\(val\) \[2\]\[4/4\] +acc/top1', trained.stdout)


@pytest.mark.slow
def test_command_line_seed_wins_over_the_config(folder, trained):
    assert 'randomness = dict(deterministic=True, seed=3)' in trained.stdout


@pytest.mark.slow
def test_resume_goes_on_to_the_same_weights(folder, trained):
    options = ('nccl.py', '--work-dir', 'interrupted', '--seed', '3', '--deterministic')
    first = run_tool(
        'train.py', *options, '--no-validate', '--resume', '--cfg-options',
        'train_cfg.max_epochs=1', cwd=folder,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert 'Nothing to resume from in interrupted: training starts' in first.stdout
    second = run_tool('train.py', *options, '--resume', cwd=folder)
    assert second.returncode == 0, second.stderr
    assert 'resumed epoch: 1, iter: 4' in second.stdout
    expected = weights(folder / 'work_dirs' / 'nccl' / 'epoch_2.pth')
    torch.testing.assert_close(
        weights(folder / 'interrupted' / 'epoch_2.pth'), expected, rtol=0, atol=0
    )


@pytest.mark.slow
def test_both_test_tools_agree_with_the_validation(folder, trained):
    checkpoint = 'work_dirs/nccl/epoch_2.pth'
    ours = run_tool('test.py', 'gloo.py', checkpoint, '--dump', 'scores.pkl', cwd=folder)
    assert ours.returncode == 0, ours.stderr
    assert ours.stderr == ''
    theirs = run(
        sys.executable,
        Path(mmaction.__file__).parent / '.mim' / 'tools' / 'test.py',
        'gloo.py',
        checkpoint,
        cwd=folder,
        PYTHONPATH=str(ROOT),
    )
    assert theirs.returncode == 0, theirs.stderr
    accuracies = [
        re.findall(r'acc/top1: ([\d.]+)', output)[-1]
        for output in (trained.stdout, ours.stdout, theirs.stdout)
    ]
    assert len(set(accuracies)) == 1
    with open(folder / 'scores.pkl', 'rb') as file:
        dumped = pickle.load(file)
    hits = [int(sample['pred_label']) == int(sample['gt_label']) for sample in dumped]
    assert len(hits) == 8
    assert np.mean(hits) == pytest.approx(float(accuracies[0]), abs=1e-4)


@pytest.mark.distributed
@pytest.mark.skipif(compat.has_accelerator(), reason='two processes would share one accelerator')
def test_two_processes_train_and_test_on_the_cpu(folder):
    script = TOOLS / 'dist_train.sh'
    result = run(
        'bash', script, 'nccl.py', '2', '--work-dir', 'two', cwd=folder, PORT=str(free_port())
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''
    assert "backend 'gloo' instead of 'nccl'" in result.stdout
    assert 'Epoch(train) [2][2/2]' in result.stdout  # 8 sequences over 2 processes, 2 a batch
    accuracy = re.findall(r'acc/top1: ([\d.]+)', result.stdout)[-1]

    single = run_tool('test.py', 'nccl.py', 'two/epoch_2.pth', cwd=folder)
    script = TOOLS / 'dist_test.sh'
    port = str(free_port())
    double = run('bash', script, 'gloo.py', 'two/epoch_2.pth', '2', cwd=folder, PORT=port)
    assert double.returncode == 0, double.stderr
    for output in (single.stdout, double.stdout):
        assert re.findall(r'acc/top1: ([\d.]+)', output)[-1] == accuracy

    # two nodes of one process each, which meet over the loopback device: the same run
    script, port = TOOLS / 'dist_train.sh', str(free_port())
    with ThreadPoolExecutor() as pool:
        nodes = [
            pool.submit(
                run,
                *('bash', script, 'nccl.py', '1', '--work-dir', 'nodes'),
                cwd=folder,
                PORT=port,
                NNODES='2',
                NODE_RANK=str(rank),
                MASTER_ADDR='127.0.0.1',
            )
            for rank in (0, 1)
        ]
    for node in nodes:
        assert node.result().returncode == 0, node.result().stderr
    one, two = (torch.load(folder / name / 'epoch_2.pth') for name in ('two', 'nodes'))
    for key, value in one['state_dict'].items():
        assert torch.equal(value, two['state_dict'][key])


@pytest.mark.slow
def test_checkpoint_of_another_network_is_rejected(folder, trained):
    result = run_tool(
        'test.py',
        'nccl.py',
        'work_dirs/nccl/epoch_2.pth',
        '--cfg-options',
        'model.backbone.base_channels=8',
        'model.cls_head.in_channels=8',
        cwd=folder,
    )
    assert result.returncode != 0
    last = result.stderr.strip().splitlines()[-1]
    assert 'epoch_2.pth' in last and 'is of another network than RecognizerGCN' in last


@pytest.mark.parametrize(
    ('tool', 'arguments', 'sentence'),
    [
        ('train.py', ['none.py'], "config file 'none.py' does not exist"),
        ('test.py', ['none.py', 'data.pkl'], "config file 'none.py' does not exist"),
        ('test.py', ['nccl.py', 'none.pth'], "checkpoint 'none.pth' does not exist"),
        ('train.py', ['nccl.py', '--resume', 'none.pth'], "checkpoint 'none.pth' does not exist"),
        ('train.py', ['nccl.py', '--work-dir', 'data.pkl'], "work dir 'data.pkl' cannot be"),
        ('train.py', ['nccl.py', '--work-dir', '/proc/run'], "work dir '/proc/run' cannot be"),
        ('train.py', ['nccl.py', '--auto-scale-lr'], 'needs auto_scale_lr=dict(base_batch_size='),
        ('test.py', ['nccl.py', 'data.pkl', '--dump', 'scores.txt'], 'must end in .pkl'),
    ],
)
def test_errors_are_one_sentence(monkeypatch, capsys, folder, tool, arguments, sentence):
    error = refusal(monkeypatch, capsys, folder, tool, *arguments)
    assert error.startswith('error: ') and sentence in error
    assert error.count('\n') == 1


@pytest.mark.skipif(compat.has_accelerator(), reason='for machines without an accelerator')
@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--amp'], 'mixed precision (--amp, or AmpOptimWrapper in the config) needs an'),
        (['--launcher', 'slurm'], 'use --launcher pytorch'),
    ],
)
def test_what_needs_an_accelerator_says_so(monkeypatch, capsys, folder, arguments, sentence):
    error = refusal(monkeypatch, capsys, folder, 'train.py', 'nccl.py', *arguments)
    assert sentence in error and error.count('\n') == 1


def test_resume_from_a_work_dir_that_was_moved(monkeypatch, capsys, folder):
    (folder / 'moved').mkdir()
    (folder / 'moved' / 'last_checkpoint').write_text('/elsewhere/epoch_9.pth')
    arguments = ('nccl.py', '--resume', '--work-dir', 'moved')
    error = refusal(monkeypatch, capsys, folder, 'train.py', *arguments)
    assert "names '/elsewhere/epoch_9.pth'" in error


@pytest.mark.parametrize(
    ('script', 'arguments', 'expected'),
    [
        (
            'slurm_train.sh',
            ['part', 'job', 'config.py', '--seed', '1'],
            ['train.py', 'config.py', '--launcher', 'slurm', '--seed', '1'],
        ),
        (
            'slurm_test.sh',
            ['part', 'job', 'config.py', 'last.pth', '--dump', 'a b.pkl'],
            ['test.py', 'config.py', 'last.pth', '--launcher', 'slurm', '--dump', 'a b.pkl'],
        ),
    ],
)
def test_slurm_scripts_pass_on_what_they_are_given(tmp_path, script, arguments, expected):
    srun = tmp_path / 'srun'
    srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    path = f'{tmp_path}{os.pathsep}{os.environ["PATH"]}'
    result = run(
        'bash', TOOLS / script, *arguments, cwd=tmp_path, PATH=path, GPUS='2', SRUN_ARGS='-x a -q b'
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:3] == ['-p', 'part', '--job-name=job']
    assert {'--ntasks=2', '--gres=gpu:2', '--ntasks-per-node=2'} <= set(lines)
    assert [Path(line).name if line.endswith('.py') else line for line in lines][
        -len(expected) :
    ] == expected
    position = lines.index('-x')
    assert lines[position : position + 4] == ['-x', 'a', '-q', 'b']


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_scripts_without_arguments_show_their_usage(tmp_path, script):
    result = run('bash', TOOLS / script, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith('usage: ')
