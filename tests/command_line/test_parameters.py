"""Parameters of the configs, from options and from the environment."""

import json
import os
import re
import sys

import pytest
import torch
from helpers import ROOT, refusal

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import name_file, require_same_run

DEEPRANK = str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py')


MV = str(ROOT / 'configs/mv_deeprank/mv-deeprank_stgcn-w16.py')


FINETUNE = str(ROOT / 'configs/finetune/stgcn-w16_pretrained.py')


RAW = str(ROOT / 'configs/finetune/raw_knn.py')
SCRATCH = str(ROOT / 'configs/finetune/stgcn-w16_scratch.py')


@pytest.mark.parametrize(
    ('path', 'parameters', 'pattern'),
    [
        (DEEPRANK, dict(data='ntu61'), "'ntu61' is not known; expected one of hdm05_xsub, ntu120"),
        (DEEPRANK, dict(data='none.pkl'), 'annotation file none.pkl does not exist'),
        (DEEPRANK, dict(modality='bones'), "--modality 'bones' is not known.* joint, bone, motion"),
        (FINETUNE, dict(share='3p'), "--share '3p' is not known.* all, 10p, 5p, 1p"),
        (MV, dict(modality='bone'), 'has no parameter modality; it has: data, layout, views.'),
        (DEEPRANK, dict(share='10p'), 'has no parameter share; it has: data, layout, modality'),
        (SCRATCH, dict(pretrained='x'), 'has no parameter pretrained'),
        (DEEPRANK, dict(views='huge'), "--views 'huge' is not known.* weak, strong, strong_swap"),
        (RAW, dict(views='strong'), 'has no parameter views'),
        (SCRATCH, dict(head_init='svm'), "--head-init 'svm' is not known.* one of random, logreg"),
        (DEEPRANK, dict(head_init='logreg'), 'no parameter head_init.* Leave --head-init out'),
        (RAW, dict(segments=4), 'raw_knn.py: raw coordinates keep their frames apart already'),
        (SCRATCH, dict(segments=0), "--segments '0' is out of range; expected an integer from 1"),
        (DEEPRANK, dict(segments=2), 'has no parameter segments; it has: data, layout, modality'),
        (DEEPRANK, dict(num_classes=3), 'use it with --data FILE'),
        (FINETUNE, dict(pretrained="a'b"), 'contains a quote'),
        ('none.py', {}, "config file 'none.py' does not exist"),
    ],
)
def test_what_is_not_known_is_said_in_one_sentence(capsys, path, parameters, pattern):
    assert re.search(pattern, refusal(capsys, path, **parameters))


@pytest.mark.parametrize(
    ('name', 'value'),
    [('MODALITY', 'b'), ('SHARE', '3p'), ('DATA', 'x'), ('SEGMENTS', 'x'), ('SEGMENTS', '0')],
)
def test_unknown_environment_variables(capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    sentence = refusal(capsys, FINETUNE)
    assert name in sentence and value in sentence and 'expected ' in sentence
    known = dict(data='toy_xsub', modality='joint', share='10p', segments=2, head_init='logreg')
    cfg = load_config(FINETUNE, **{name.lower(): known[name.lower()]})  # an option wins
    assert cfg[name.lower()] == known[name.lower()] and os.environ[name] == value


def test_views_of_the_environment(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('VIEWS', 'huge')
    assert "variable VIEWS 'huge' is not known; expected one of weak" in refusal(capsys, DEEPRANK)
    assert load_config(RAW).work_dir.endswith('_joint')  # k-NN has none
    assert "VIEWS 'huge' is not known" in refusal(capsys, FINETUNE)
    monkeypatch.setenv('VIEWS', 'strong')
    cfg = load_config(DEEPRANK)
    assert cfg.views == 'strong' and cfg.work_dir.endswith('_joint_strong')
    assert load_config(DEEPRANK, views='weak').work_dir.endswith('_joint')
    assert load_config(FINETUNE).work_dir.endswith('_all_strong')
    assert load_config(FINETUNE, views='weak').work_dir.endswith('_all')
    (tmp_path / 'mine.py').write_text("_base_ = 'deeprank_plugin::moco/moco_stgcn.py'\n")
    cfg = load_config(str(tmp_path / 'mine.py'))
    assert cfg.work_dir == './work_dirs/mine_ntu60_xsub_joint_strong'


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


def test_pretraining_from_an_encoder_of_the_environment_has_its_own_work_dir(monkeypatch):
    plain = load_config(MV, data='toy_xsub', pretrained='none').work_dir
    assert plain == load_config(MV, data='toy_xsub').work_dir
    before = load_config(FINETUNE, data='toy_xsub').work_dir
    monkeypatch.setenv('PRETRAINED', 'work_dirs/moco/epoch_9.pth')
    assert load_config(MV, data='toy_xsub').work_dir == f'{plain}_from-moco'
    assert load_config(FINETUNE, data='toy_xsub').work_dir == before


def test_work_dir_of_a_config_that_inherits(tmp_path):
    (tmp_path / 'mine.py').write_text("_base_ = 'deeprank_plugin::finetune/stgcn_scratch.py'\n")
    cfg = load_config(str(tmp_path / 'mine.py'), share='5p')
    assert cfg.work_dir == './work_dirs/mine_ntu60_xsub_joint_5p'
    cfg = load_config(str(tmp_path / 'mine.py'), segments=3)
    assert cfg.work_dir == './work_dirs/mine_ntu60_xsub_joint_all_segments-3'


@pytest.mark.parametrize(
    ('parameters', 'name'),
    [
        (dict(data='uiprmd_xsub'), 'data'),
        (dict(modality='bone'), 'modality'),
        (dict(share='5p'), 'share'),
        (dict(segments=2), 'segments'),
        (dict(head_init='logreg'), 'head_init'),
        (dict(holdout_subjects=['1', '5']), 'holdout_subjects'),
        (dict(pretrained='elsewhere'), 'pretrained'),
    ],
)
def test_a_run_is_not_resumed_with_other_parameters(tmp_path, capsys, parameters, name):
    before = dict(data='toy_xsub', modality='joint', share='10p', pretrained='work_dirs/x')
    before.update(segments=4, head_init='random', holdout_subjects=['3'])
    text = load_config(FINETUNE, **before).pretty_text
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), tmp_path / 'epoch_1.pth')
    require_same_run(load_config(FINETUNE, **before), str(tmp_path / 'epoch_1.pth'))
    with pytest.raises(SystemExit):
        cfg = load_config(FINETUNE, **dict(before, **parameters))
        require_same_run(cfg, str(tmp_path / 'epoch_1.pth'))
    value = '3' if name == 'holdout_subjects' else before[name]
    if name == 'data':
        value = 'toy_xsub_without-3'
    assert f'is from a run with {name} {value!r}' in capsys.readouterr().err


def test_the_data_to_resume_with_are_those_that_were_given(tmp_path, capsys, make_annotations):
    path = make_annotations(20, name='my moves.pkl')
    text = load_config(FINETUNE, data=path).pretty_text
    torch.save(dict(state_dict={}, meta=dict(cfg=text)), tmp_path / 'epoch_1.pth')
    with pytest.raises(SystemExit):
        cfg = load_config(FINETUNE, data='toy_xsub')
        require_same_run(cfg, str(tmp_path / 'epoch_1.pth'))
    assert f'resume it with --data {path}, or' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('config', 'given'),
    [
        (dict(data='toy_xsub_without-3', holdout_subjects='3', ann_file='toy.pkl'), 'toy_xsub'),
        (dict(data='a_without-3', holdout_subjects='3', ann_file='x/a.pkl'), 'x/a.pkl'),
        (dict(data='a+b', ann_file='x/a.pkl', train_files=['x/a.pkl', 'b.npz']), 'x/a.pkl b.npz'),
    ],
)
def test_the_name_of_the_data_is_not_what_was_given(config, given):
    assert name_file(config) == given


def test_a_run_is_not_resumed_with_another_layout_in_the_same_file(
    tmp_path, capsys, make_annotations
):
    path, arm = make_annotations(20, shape=(3, 3)), tmp_path / 'arm.json'

    def load(layout=arm, **content):
        whole = dict(
            dict(num_node=3, edges=[[0, 1], [1, 2]], center=0, names=list('abc')), **content
        )
        layout.write_text(json.dumps(whole))
        return load_config(FINETUNE, data=path, layout=str(layout))

    torch.save(dict(state_dict={}, meta=dict(cfg=load().pretty_text)), tmp_path / 'epoch_1.pth')
    require_same_run(load(), str(tmp_path / 'epoch_1.pth'))
    require_same_run(load(tmp_path / 'moved.json'), str(tmp_path / 'epoch_1.pth'))
    for change in (
        dict(edges=[[0, 2], [1, 2]]),
        dict(names=list('abd')),
        dict(left=[1], right=[2]),
    ):
        with pytest.raises(SystemExit):
            require_same_run(load(**change), str(tmp_path / 'epoch_1.pth'))
        assert 'of other joints, pairs, names or sides' in capsys.readouterr().err


def test_custom_imports_find_modules_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / 'beside_the_run.py').write_text('FOUND = True\n')
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'deeprank_plugin::finetune/stgcn_scratch.py'\n"
        "custom_imports = dict(imports=['deeprank_plugin', 'beside_the_run'])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [entry for entry in sys.path if entry])
    load_config(str(tmp_path / 'mine.py'))
    assert sys.modules.pop('beside_the_run').FOUND
