"""Several annotation files as one data set: every sample once, names and classes apart."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from deeprank_plugin.datasets import skeleton_dataset
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.datasets.several_files import join_samples, name_files
from tests.datasets.building import build


@pytest.mark.parametrize('suffix', ['.pkl', '.npz'])
def test_samples_of_two_files(make_annotations, tmp_path, suffix):
    paths = [make_annotations(20, name='a.pkl'), make_annotations(12, name='b.pkl')]
    contents = [pickle.loads(Path(path).read_bytes()) for path in paths]
    if suffix == '.npz':
        paths[1] = str(tmp_path / 'b.npz')
        write_npz(contents[1], paths[1])
    dataset = build(paths)
    samples = [dataset[index] for index in range(len(dataset))]
    assert [sample['sample_idx'] for sample in samples] == list(range(15 + 9))
    assert dataset.num_split_samples == 24 and dataset.sample_files == [0] * 15 + [1] * 9
    for file, (content, name) in enumerate(zip(contents, 'ab')):
        by_name = {annotation['frame_dir']: annotation for annotation in content['annotations']}
        own = [sample for sample in samples if sample['frame_dir'].startswith(f'{name}/')]
        assert {s['frame_dir'][2:] for s in own} == set(content['split']['xsub_train'])
        for sample in own:
            annotation = by_name[sample['frame_dir'][2:]]
            np.testing.assert_array_equal(sample['keypoint'], annotation['keypoint'])
            assert sample['label'] == annotation['label'] + 3 * file  # three classes in each


def test_hold_out_and_bank_share_the_rows_of_both_files(make_annotations):
    paths = [make_annotations(20, name='a.pkl'), make_annotations(12, name='b.pkl')]
    rows = [build(paths, holdout=dict(share=0.25, part=part)).sample_rows for part in PARTS]
    assert sorted(rows[0] + rows[1]) == list(range(24)) and len(rows[1]) == 6


PARTS = ('train', 'holdout')


def test_a_file_without_the_split_gives_all_its_samples(make_annotations):
    def rename(content):
        content['split'] = dict(other=content['split']['xsub_train'])

    def number_subjects(content):
        for index, annotation in enumerate(content['annotations']):
            annotation['subject'] = index % 2

    plain = make_annotations(20, name='a.pkl', change=number_subjects)
    for change in (rename, lambda content: content['annotations']):
        dataset = build([plain, make_annotations(12, change=change, name='b.pkl')])
        assert len(dataset) == 15 + 12
        assert {dataset[index]['split'] for index in range(27)} == {'xsub_train'}
    subjects = dict(held_out=[1])  # those of the first file
    assert len(build(dataset.ann_files, subjects=subjects)) == 8 + 12
    with pytest.raises(ValueError, match="split 'xsub_train' is not in"):
        build(make_annotations(12, change=rename, name='b.pkl'))


def test_other_joints_and_the_same_file_twice_are_rejected(make_annotations):
    path = make_annotations(name='a.pkl')
    other = make_annotations(shape=(17, 3), name='b.pkl')
    with pytest.raises(ValueError, match=r'b.pkl has .V, C. = \(17, 3\) and .*a.pkl \(25, 3\)'):
        build([path, other])
    (Path(path).parent / 'link.pkl').symlink_to(path)
    for same in (path, f'{Path(path).parent}/./a.pkl', str(Path(path).parent / 'link.pkl')):
        with pytest.raises(ValueError, match='are the same file; expected each file once'):
            build([path, same])


def test_the_unit_of_each_file_is_looked_at(make_annotations, monkeypatch):
    def measure(size):
        def change(content):
            for annotation in content['annotations']:
                annotation['keypoint'] *= size

        return change

    said = []
    monkeypatch.setattr(skeleton_dataset, 'warn_once', said.append)
    paths = [
        make_annotations(40, change=measure(0.25), name='metres.pkl'),
        make_annotations(12, change=measure(250), name='milli.pkl'),
    ]
    build(paths, layout='nturgb+d')
    (sentence,) = said
    assert 'bodies of samples of' in sentence and 'milli.pkl measure' in sentence
    assert 'millimetres; scale applies to all files, so convert this one if' in sentence


def test_files_are_named_by_what_tells_them_apart():
    assert name_files(['x/a.pkl', 'y/b.npz']) == ['a', 'b']
    assert name_files(['x/a.pkl', 'y/a.pkl']) == ['x/a.pkl', 'y/a.pkl']
    info = dict(frame_dir='s', label=2, keypoint=np.zeros((1, 2, 3, 3)))
    joined = join_samples([[info], [info]], ['x/a.pkl', 'y/a.pkl'])
    assert [(i['frame_dir'], i['label']) for i in joined] == [
        ('x/a.pkl/s', 2),
        ('y/a.pkl/s', 5),
    ]
