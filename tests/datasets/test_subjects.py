"""Hold-outs of whole subjects: who performs a sequence, and which part is kept."""

import pytest

from deeprank_plugin.datasets.subjects import check_subjects, select_subjects, subject_of
from tests.datasets.building import build


@pytest.mark.parametrize(
    ('annotation', 'subject'),
    [
        (dict(frame_dir='S001C002P013R001A060'), '13'),
        (dict(frame_dir='a/S001C002P013R001A060.skeleton'), '13'),
        (dict(frame_dir='m01_s07_e10'), '7'),
        (dict(frame_dir='S001C002P013R001A060', subject='mm'), 'mm'),
        (dict(frame_dir='x', performer=3), '3'),
        (dict(frame_dir='x', subject='007'), '7'),
        (dict(frame_dir='x', subject=None), None),
        (dict(frame_dir='walk_01'), None),
    ],
)
def test_who_performs_a_sequence(annotation, subject):
    assert subject_of(annotation) == subject


def make(number=24, subjects=6):
    return [
        dict(frame_dir=f'{i}', subject=i % subjects + 1, split='xsub_train') for i in range(number)
    ]


def parts(**settings):
    return {
        part: select_subjects(make(), check_subjects(dict(settings, part=part)), 'samples of a')
        for part in ('train', 'holdout', 'both')
    }


@pytest.mark.parametrize('held_out', [[2, 5], ['2', '05']])
def test_the_parts_share_no_subject_and_no_sample_is_lost(held_out):
    found = parts(held_out=held_out)
    assert {info['subject'] for info in found['holdout']} == {2, 5}
    assert {info['subject'] for info in found['train']} == {1, 3, 4, 6}
    names = [info['frame_dir'] for info in found['train'] + found['holdout']]
    assert sorted(names) == sorted(info['frame_dir'] for info in make())
    assert [info['frame_dir'] for info in found['both']] == [i['frame_dir'] for i in make()]
    for info in found['both']:
        assert info['split'] == ('holdout' if info['subject'] in (2, 5) else 'xsub_train')


def test_a_share_of_the_subjects_is_drawn_by_a_seed():
    drawn = [
        {info['subject'] for info in parts(share=1 / 3, seed=seed)['holdout']} for seed in range(5)
    ]
    assert all(len(subjects) == 2 for subjects in drawn) and len(set(map(tuple, drawn))) > 1
    assert drawn[0] == {info['subject'] for info in parts(share=1 / 3)['holdout']}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(held_out=[7]), r"lack \['7'\] .* not all, of 1, 2, 3, 4, 5, 6"),
        (dict(held_out=[1, 2, 3, 4, 5, 6]), 'leave none'),
        (dict(held_out=[]), r'expected a list such as \[1, 5\]'),
        (dict(held_out='12'), r'expected a list such as \[1, 5\]'),
        (dict(share=1.0), 'share=1.0; expected between 0 and 1'),
        (dict(share=0.2, held_out=[1]), 'either held_out or share'),
        (dict(), 'either held_out or share'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        parts(**settings)


def test_unknown_part_and_unknown_subjects():
    with pytest.raises(ValueError, match="part='val'; expected one of"):
        check_subjects(dict(held_out=[1], part='val'))
    infos = [*make(), dict(frame_dir='walk_01')]
    with pytest.raises(ValueError, match="subject of 'walk_01' .1 of 25 .* expected the key subj"):
        select_subjects(infos, check_subjects(dict(held_out=[1])), 'samples of a')


def test_a_data_set_numbers_only_what_it_keeps(make_annotations):
    def name_subjects(content):
        for index, annotation in enumerate(content['annotations']):
            annotation['subject'] = index % 3

    path = make_annotations(change=name_subjects)
    subjects = dict(held_out=[1])
    found = {
        part: build(path, subjects=dict(subjects, part=part), labels=dict(share=0.5))
        for part in ('train', 'holdout')
    }
    for part, dataset in found.items():
        assert all((sample['subject'] == 1) == (part == 'holdout') for sample in dataset)
        assert [sample['sample_idx'] for sample in dataset] == list(range(len(dataset)))
    assert len(found['train']) == 4 and len(found['holdout']) == 2  # half of each class
    with_holdout = build(path, subjects=subjects, holdout=dict(share=0.2))
    assert with_holdout.num_split_samples == 10 and len(with_holdout) == 8
