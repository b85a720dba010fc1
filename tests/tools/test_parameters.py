"""Parameters of the configs: --data, --modality, --share, --pretrained, by our tools and others."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import mmaction
import pytest
import torch
from mmengine.config import Config

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import require_same_run
from deeprank_plugin.datasets.annotation_writing import write_npz

ROOT = Path(__file__).resolve().parents[2]
DEEPRANK = str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py')
MV = str(ROOT / 'configs/mv_deeprank/mv-deeprank_stgcn-w16.py')
FINETUNE = str(ROOT / 'configs/finetune/stgcn-w16_pretrained.py')
SCRATCH = str(ROOT / 'configs/finetune/stgcn-w16_scratch.py')
KNN = str(ROOT / 'configs/finetune/stgcn-w16_knn.py')
OURS, THEIRS = ROOT / 'tools', Path(mmaction.__file__).parent / '.mim' / 'tools'


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ('DATA', 'MODALITY', 'SHARE', 'PRETRAINED'):
        monkeypatch.delenv(name, raising=False)


def refusal(capsys, path, **parameters):
    with pytest.raises(SystemExit) as ended:
        load_config(path, **parameters)
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    return sentence


@pytest.mark.parametrize(
    ('path', 'parameters', 'pattern'),
    [
        (DEEPRANK, dict(data='ntu61'), "'ntu61' is not known; expected one of hdm05_xsub, ntu120"),
        (DEEPRANK, dict(data='none.pkl'), 'annotation file none.pkl does not exist'),
        (DEEPRANK, dict(modality='bones'), "--modality 'bones' is not known.* joint, bone, motion"),
        (FINETUNE, dict(share='3p'), "--share '3p' is not known.* all, 10p, 5p, 1p"),
        (MV, dict(modality='bone'), 'has no parameter modality; it has: data.'),
        (DEEPRANK, dict(share='10p'), 'has no parameter share; it has: data, modality'),
        (SCRATCH, dict(pretrained='x'), 'has no parameter pretrained'),
        (DEEPRANK, dict(num_classes=3), 'use it with --data FILE'),
        (FINETUNE, dict(pretrained="a'b"), 'contains a quote'),
        ('none.py', {}, "config file 'none.py' does not exist"),
    ],
)
def test_what_is_not_known_is_said_in_one_sentence(capsys, path, parameters, pattern):
    assert re.search(pattern, refusal(capsys, path, **parameters))


@pytest.mark.parametrize(('name', 'value'), [('MODALITY', 'b'), ('SHARE', '3p'), ('DATA', 'x')])
def test_unknown_environment_variables(capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    sentence = refusal(capsys, FINETUNE)
    assert name in sentence and value in sentence and 'expected one of' in sentence
    known = dict(data='toy_xsub', modality='joint', share='10p')
    cfg = load_config(FINETUNE, **{name.lower(): known[name.lower()]})  # an option wins
    assert cfg[name.lower()] == known[name.lower()] and os.environ[name] == value


def test_a_variable_that_the_config_does_not_read_is_no_matter(monkeypatch):
    monkeypatch.setenv('SHARE', '/usr/share')
    assert 'share' not in load_config(DEEPRANK)


def test_work_dirs():
    parameters = dict(data='toy_xsub', modality='bone', share='10p')
    assert load_config(FINETUNE, **parameters).work_dir == (
        './work_dirs/stgcn-w16_pretrained_toy_xsub_bone_10p'
    )
    cfg = load_config(FINETUNE, **parameters, pretrained='work_dirs/mv-run/epoch_3.pth')
    assert cfg.work_dir.endswith('_bone_10p_from-mv-run')
    cfg = load_config(FINETUNE, pretrained='encoder_joint-1234.pth')
    assert cfg.work_dir.endswith('_all_from-encoder_joint-1234')
    assert load_config(MV, data='toy_xsub').work_dir.endswith('/mv-deeprank_stgcn-w16_toy_xsub')


def test_work_dir_of_a_config_that_inherits(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'deeprank_plugin::finetune/stgcn_scratch.py'\n")
    cfg = load_config(str(tmp_path / 'mine.py'), share='5p')
    assert cfg.work_dir == './work_dirs/mine_ntu60_xsub_joint_5p'


# ------------------------------------------------------------------ an annotation file of one's own


@pytest.mark.parametrize('suffix', ['.pkl', '.npz'])
def test_facts_of_a_file(make_annotations, tmp_path, capsys, suffix):
    path = make_annotations(20, bodies=3, name='my data.pkl')
    if suffix == '.npz':
        content = pickle.loads(Path(path).read_bytes())
        path = str(tmp_path / 'my data.npz')
        write_npz(content, path)
    cfg = load_config(FINETUNE, data=path)
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert '15 training samples (xsub_train), 5 to test (xsub_val), 3 classes, bodies: 3' in line
    assert cfg.model.cls_head.num_classes == 3 and cfg.train_pipeline[1].clip_len == 48
    assert cfg.train_pipeline[3].num_person == 3 and cfg.train_cfg.max_epochs == 30
    assert cfg.train_dataloader.dataset.ann_file == path
    assert cfg.work_dir == './work_dirs/stgcn-w16_pretrained_my-data_joint_all'
    assert cfg.pretrained == 'work_dirs/deeprank_stgcn-w16_my-data_joint'
    assert load_config(FINETUNE, data=path, num_classes=7).model.cls_head.num_classes == 7


def test_names_and_splits_of_a_file(make_annotations):
    def change(content):
        content['label_names'] = ['a', 'b', 'c', 'd']
        content['split'] = {'s1_train': content['split']['xsub_train'], 'all': []}
        content['split']['s1_val'] = content['split']['s1_train'][:2]

    cfg = load_config(FINETUNE, data=make_annotations(20, change=change))
    assert cfg.model.cls_head.num_classes == 4
    assert cfg.train_dataloader.dataset.split == 's1_train'
    assert cfg.test_dataloader.dataset.split == 's1_val'


@pytest.mark.parametrize(
    ('split', 'number', 'pattern'),
    [
        (['a_train', 'a_val', 'b_train', 'b_val'], None, 'has a_train, a_val, b_train, b_val; exp'),
        (['train', 'test'], None, 'has train, test; expected'),
        (['train', 'val'], 2, 'has label 2, but --num-classes gives only 2 classes'),
    ],
)
def test_files_that_do_not_say_what_to_take(make_annotations, capsys, split, number, pattern):
    def change(content):
        content['split'] = dict.fromkeys(split, content['split']['xsub_train'])

    path = make_annotations(20, change=change)
    assert re.search(pattern, refusal(capsys, FINETUNE, data=path, num_classes=number))


def test_large_files_have_the_long_schedule(make_annotations, monkeypatch):
    monkeypatch.setattr('deeprank_plugin.command_line.data_file.SMALL', 15)
    cfg = load_config(FINETUNE, data=make_annotations(20))
    assert cfg.train_pipeline[1].clip_len == 120 and cfg.train_cfg.max_epochs == 100


# -------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize(
    ('parameters', 'name'),
    [
        (dict(data='uiprmd_xsub'), 'data'),
        (dict(modality='bone'), 'modality'),
        (dict(share='5p'), 'share'),
        (dict(pretrained='elsewhere'), 'pretrained'),
    ],
)
def test_a_run_is_not_resumed_with_other_parameters(tmp_path, capsys, parameters, name):
    before = dict(data='toy_xsub', modality='joint', share='10p', pretrained='work_dirs/x')
    text = load_config(FINETUNE, **before).pretty_text
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), tmp_path / 'epoch_1.pth')
    require_same_run(load_config(FINETUNE, **before), str(tmp_path / 'epoch_1.pth'))
    with pytest.raises(SystemExit):
        cfg = load_config(FINETUNE, **dict(before, **parameters))
        require_same_run(cfg, str(tmp_path / 'epoch_1.pth'))
    assert f'is from a run with {name} {before[name]!r}' in capsys.readouterr().err


# ---------------------------------------------------------------------------------- the tools

TINY = [
    'model.backbone.base_channels=4',
    'default_hooks.checkpoint.interval=1',
    *(
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False', 'batch_size=12')
    ),
]
PRETRAIN = [
    'model.head.in_channels=16',
    'default_hooks.relabel.interval=1',
    'default_hooks.relabel.max_rounds=1',
    'train_dataloader.dataset.holdout.share=0.1',
    'val_dataloader.dataset.holdout.share=0.1',
    'train_cfg.val_interval=1',
]


def call(tool, *arguments, cwd, **variables):
    environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT), **variables)
    command = [sys.executable, str(tool), *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)


def run(*arguments, **options):
    result = call(*arguments, **options)
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_random_walks):
    """Random walks, and three encoders that MV-DeepRank pretrained for one epoch."""
    folder = tmp_path_factory.mktemp('parameters')
    write_random_walks(folder / 'walks.pkl', 48, 36)
    run(
        *(OURS / 'train.py', MV, '--data', 'walks.pkl', '--seed', '0'),
        *('--cfg-options', *TINY, *PRETRAIN),
        cwd=folder,
    )
    return folder


def test_own_data_from_pretraining_of_three_streams_to_a_tenth_of_the_labels(folder):
    pretrained = folder / 'work_dirs' / 'mv-deeprank_stgcn-w16_walks'
    assert (pretrained / 'epoch_1.pth').is_file()
    dumped = Config.fromfile(pretrained / 'mv-deeprank_stgcn-w16.py')
    assert dumped.data == 'walks' and dumped.train_dataloader.dataset.ann_file == 'walks.pkl'
    finetune = [
        *(OURS / 'train.py', FINETUNE, '--data', 'walks.pkl', '--modality', 'bone'),
        *('--share', '10p', '--pretrained', 'work_dirs/mv-deeprank_stgcn-w16_walks'),
    ]
    options = [*TINY, 'model.cls_head.in_channels=16', 'train_cfg.max_epochs=1']
    options += ['train_cfg.val_interval=1', 'train_dataloader.batch_size=4']
    printed = run(*finetune, '--cfg-options', *options, cwd=folder)
    assert "loaded the weights under 'streams.bone.backbone.'" in printed
    assert '12 of 36 samples of walks.pkl' in printed and 'drawn by seed 0' in printed
    name = 'stgcn-w16_pretrained_walks_bone_10p_from-mv-deeprank_stgcn-w16_walks'
    assert (folder / 'work_dirs' / name / 'epoch_1.pth').is_file()
    # another share does not resume it
    other = ['5p' if part == '10p' else part for part in finetune]
    other += ['--resume', '--work-dir', f'work_dirs/{name}', '--cfg-options', *options]
    result = call(*other, cwd=folder)
    assert result.returncode == 2 and "is from a run with share '10p'" in result.stderr


def test_knn_of_one_stream_of_three(folder):
    found = {}
    for modality in ('joint', 'motion'):
        printed = run(
            *(OURS / 'test.py', KNN, 'work_dirs/mv-deeprank_stgcn-w16_walks'),
            *('--data', 'walks.pkl', '--modality', modality, '--cfg-options', TINY[0]),
            *(option for option in TINY if option.startswith('test_')),
            cwd=folder,
        )
        assert f"loaded the weights under 'streams.{modality}.backbone.'" in printed
        found[modality] = re.findall(r'knn/top1: [\d.]+', printed)[-1]
    features = run(
        *(OURS / 'test.py', MV, 'work_dirs/mv-deeprank_stgcn-w16_walks', '--data', 'walks.pkl'),
        *('--cfg-options', *TINY, 'model.head.in_channels=16'),
        cwd=folder,
    )
    for modality, text in found.items():
        own = re.findall(rf'{modality}\S*knn/top1: [\d.]+|knn/{modality}\S*: [\d.]+', features)
        if own:
            assert own[-1].split(': ')[1] == text.split(': ')[1]


def test_their_tools_take_the_environment(folder):
    variables = dict(DATA='toy_xsub', MODALITY='motion', SHARE='10p')
    options = [*TINY, 'model.cls_head.in_channels=16', 'train_cfg.max_epochs=1']
    options += [
        f'{part}_dataloader.dataset.ann_file=walks.pkl' for part in ('train', 'val', 'test')
    ]
    options += ['train_cfg.val_interval=1', 'train_dataloader.batch_size=4']
    run(THEIRS / 'train.py', SCRATCH, '--cfg-options', *options, cwd=folder, **variables)
    work_dir = folder / 'work_dirs' / 'stgcn-w16_scratch_toy_xsub_motion_10p'
    dumped = Config.fromfile(work_dir / 'stgcn-w16_scratch.py')
    assert dumped.model.data_preprocessor.modality == 'motion'
    (log,) = work_dir.glob('*/vis_data/2*.json')
    validated = [json.loads(line) for line in log.read_text().splitlines()][-1]['acc/top1']
    printed = run(
        *(THEIRS / 'test.py', work_dir / 'stgcn-w16_scratch.py', work_dir / 'epoch_1.pth'),
        cwd=folder,
    )
    assert f'acc/top1: {validated:.4f}' in printed
