"""Which samples a checkpoint was trained on, against those that a run is tested on."""

import itertools
from dataclasses import replace

import pytest
from mmengine.config import Config

from deeprank_plugin.engine.exposure import (
    Use,
    check_exposure,
    describe_files,
    describe_shapes,
    find_samples,
    find_shapes,
    find_tested,
    overlap,
)
from tests.configs.config_files import read

NAMES = {
    'a.pkl': {'xsub_train': 'abc', 'xsub_val': 'def', 'xview_train': 'abd', 'xview_val': 'cef'}
}


def samples(ann_file='data/a.pkl', **dataset):
    (found,) = find_samples(dict(dataset=dict(ann_file=ann_file, **dataset)))
    return found


def subjects(*held_out, part='holdout', split='xsub_train'):
    return dict(split=split, subjects=dict(held_out=list(held_out), part=part))


@pytest.mark.parametrize(
    ('trained', 'tested', 'expected'),
    [
        (dict(split='xsub_train'), dict(split='xsub_val'), False),
        (dict(split='xsub_train'), dict(split='xview_val'), True),  # c
        (dict(split='xsub_train'), dict(split=['xsub_val', 'xview_val']), True),
        (dict(split='xsub_train'), dict(split='xsub_val', ann_file='b.pkl'), False),
        (dict(split='xsub_train'), dict(split='xsub_train', ann_file='b.pkl'), False),
        (dict(split='xsub_train'), dict(split='xsub_train', ann_file='/moved/a.pkl'), True),
        (dict(split='xsub_train'), dict(split='unknown'), False),
        ({}, dict(split='xsub_val'), True),
        (dict(split='xsub_train'), subjects(1, 5), True),
        (subjects(1, 5, part='train'), subjects('1', '005'), False),
        (subjects(1, 5, part='train'), subjects(1), False),
        (subjects(1, part='train'), subjects(1, 5), True),
        (subjects(1, 5, part='train'), subjects(1, 5, part='both'), False),  # a k-NN's queries
        (subjects(1, 5, part='both'), subjects(1, 5), True),
        (subjects(1, 5, part='train'), dict(split='xsub_val'), False),
        (
            dict(split='xsub_train', subjects=dict(share=0.2)),
            dict(split='xsub_train', subjects=dict(share=0.2, part='holdout')),
            False,
        ),
        (
            dict(split='xsub_train', subjects=dict(share=0.2, seed=1)),
            dict(split='xsub_train', subjects=dict(share=0.2, part='holdout')),
            True,
        ),
        (
            dict(split='xsub_train', holdout=dict(share=0.05)),
            dict(split='xsub_train', holdout=dict(share=0.05, part='holdout')),
            False,
        ),
        (
            dict(split='xsub_train'),
            dict(split='xsub_train', holdout=dict(share=0.05, part='holdout')),
            True,
        ),
        # of several files, one without the split gives all its samples; subjects are of the first
        (dict(split='train', ann_file=['b.pkl', 'data/a.pkl']), dict(split='xsub_val'), True),
        (dict(split='xsub_train', ann_file=['b.pkl', 'a.pkl']), dict(split='xsub_val'), False),
        (
            dict(subjects(1, 5, part='train'), ann_file=['b.pkl', 'data/a.pkl']),
            subjects(1, 5),
            True,
        ),
    ],
)
def test_overlaps(trained, tested, expected):
    assert overlap(samples(**trained), samples(**tested), NAMES) is expected


def checkpoint_of(cfg, **options):
    cfg = Config(cfg._cfg_dict)
    cfg.merge_from_dict(options)
    return dict(meta=dict(cfg=cfg.pretty_text))


def use_of(cfg):
    return Use(
        find_tested(cfg), [], find_shapes(cfg), dict(NAMES, **{'ntu60_3d.pkl': NAMES['a.pkl']})
    )


PRETRAIN, FINETUNE = 'deeprank/deeprank_stgcn-w16.py', 'finetune/stgcn-w16_pretrained.py'
KNN, HELD = 'finetune/stgcn-w16_knn.py', dict(holdout_subjects=['1', '5'])


def test_the_usual_ways_are_silent():
    """Pretraining, then finetuning, k-NN and test, on one data set or from one to another."""
    for one, other in itertools.product(('ntu60_xsub', 'uiprmd_xsub'), repeat=2):
        for held in ({}, HELD):
            checkpoints = [
                checkpoint_of(read(PRETRAIN, data=one, **held)),
                checkpoint_of(read(FINETUNE, data=one, share='10p', **held)),
            ]
            for kind in (PRETRAIN, FINETUNE, KNN):
                use = use_of(read(kind, data=other, **held))
                for checkpoint in checkpoints:
                    assert check_exposure(checkpoint, use) is None
                    assert bool(describe_shapes(checkpoint, use)) == (one != other)
    assert check_exposure(dict(meta={}), use) is None and describe_shapes({}, use) == []


@pytest.mark.parametrize('kind', [FINETUNE, KNN])
@pytest.mark.parametrize(
    ('one', 'other', 'where'),
    [
        (
            dict(data='ntu60_xsub'),
            dict(data='ntu60_xsub', **HELD),
            r'ntu60_3d.pkl (xsub_train), and this run is tested on ntu60_3d.pkl (xsub_train) with '
            'the held-out subjects 1, 5',
        ),
        (
            dict(data='ntu60_xsub'),
            dict(data='ntu60_xview'),
            'ntu60_3d.pkl (xsub_train), and this run is tested on ntu60_3d.pkl (xview_val)',
        ),
    ],
)
def test_test_samples_that_were_trained_on(kind, one, other, where):
    use = use_of(read(kind, **other))
    clause = check_exposure(checkpoint_of(read(PRETRAIN, **one)), use)
    assert clause == (
        f'was trained without labels on {where}: THE TEST SAMPLES, OR SOME, WERE TRAINED ON'
    )
    for labelled in (FINETUNE, 'triplet/triplet_stgcn-w16.py'):
        checkpoint = checkpoint_of(read(labelled, **one))
        with pytest.raises(ValueError, match='was trained with labels on .*; expected others'):
            check_exposure(checkpoint, use)
        assert 'trained with labels' in check_exposure(checkpoint, replace(use, allow=True))


def test_a_test_of_the_training_split_is_intended():
    cfg = read(FINETUNE)
    for split in ('xsub_train', None):
        cfg.test_dataloader.dataset.split = split
        assert 'with labels' in check_exposure(checkpoint_of(read(FINETUNE)), use_of(cfg))


def test_other_clips_and_bodies():
    found = describe_shapes(
        checkpoint_of(read(PRETRAIN, data='uiprmd_xsub')), use_of(read(FINETUNE))
    )
    assert [clause.partition(':')[0] for clause in found] == [
        'was pretrained with clips of 48 frames, and this run has clips of 120 frames',
        'was pretrained with 1 bodies a sample, and this run has 2 bodies a sample',
    ]


def test_another_file_of_the_same_name(tmp_path):
    for name, text in (('a', 'one'), ('b', 'one'), ('c', 'two')):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'data.pkl').write_text(text)
    cfg = read(PRETRAIN)
    paths = {name: str(tmp_path / name / 'data.pkl') for name in 'abcd'}  # d is not there
    for trained, used, number in (('a', 'a', 0), ('a', 'b', 0), ('a', 'c', 1), ('d', 'c', 0)):
        cfg.train_dataloader.dataset.ann_file = paths[trained]
        found = describe_files(checkpoint_of(cfg), Use([], [paths[used]] * 2, {}))
        assert len(found) == number
        if number:
            assert f'on {paths["a"]}, which is another file than {paths["c"]} of' in found[0]
