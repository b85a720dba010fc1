"""--data FILE: what is looked up in an annotation file."""

import pickle
import re
from pathlib import Path

import pytest
from helpers import ROOT, refusal

from deeprank_plugin.command_line import load_config
from deeprank_plugin.datasets.annotation_writing import write_npz

FINETUNE = str(ROOT / 'configs/finetune/stgcn-w16_pretrained.py')


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
