"""Labelled subsets: counts, seeds, order, lists."""

import numpy as np
import pytest

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.class_names import CLASS_NAMES
from deeprank_plugin.datasets.subsets import labelled_subset, pair_splits
from tests.datasets.building import build, names_of


@pytest.mark.parametrize(
    'holdout, message',
    [
        (dict(share=0), 'share=0'),
        (dict(share=1.0), 'share=1.0'),
        (dict(part='val'), "part='val'"),
        (dict(ratio=0.1), 'only share, seed and part'),
        (dict(share=0.99), 'leaves none for training'),
    ],
)
def test_bad_holdout(make_annotations, holdout, message):
    with pytest.raises(ValueError, match=message):
        build(make_annotations(), holdout=holdout)


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'is empty'),
        ('s00\nghost\n', "names 1 samples .*'ghost'.*make_subset"),
        ('s00\ns00\n', "names 's00' twice"),
        ('s15\n', 'not in the split'),  # a validation sample
    ],
)
def test_bad_labels(make_annotations, tmp_path, text, message):
    (tmp_path / 'labels.txt').write_text(text)
    path = make_annotations()
    if 's15' in text:
        outside = set(names_of(build(path, split='xsub_val')))
        (tmp_path / 'labels.txt').write_text(sorted(outside)[0])
    with pytest.raises(ValueError, match=message):
        build(path, labels=str(tmp_path / 'labels.txt'))
    with pytest.raises(FileNotFoundError, match='make_subset'):
        build(path, labels=str(tmp_path / 'none.txt'))


def test_pairs_of_splits():
    splits = ['xsub_train', 'xsub_val', 'xview_train', 'a_train', 'a_test', 'b_val', 'retrain']
    assert pair_splits(splits) == [('xsub_train', 'xsub_val')]
    pairs = [('xsub_train', 'xsub_val'), ('a_train', 'a_test')]
    assert pair_splits(splits, ('val', 'test')) == pairs
    assert pair_splits(['train', 'val', 'test'], ('val', 'test')) == [
        ('train', 'val'),
        ('train', 'test'),
    ]


def test_a_list_with_a_byte_order_mark(make_annotations, tmp_path):
    path = make_annotations()
    name = build(path).sample_names[0]
    (tmp_path / 'labels.txt').write_text(f'{name}\n', encoding='utf-8-sig')
    assert names_of(build(path, labels=str(tmp_path / 'labels.txt'))) == [name]


@pytest.mark.parametrize('share', [0.01, 0.1, 0.5, 1])
def test_labelled_subset_counts(share):
    labels = [0] * 40 + [1] * 15 + [2] * 3
    names = [f'n{index:03d}' for index in range(len(labels))]
    drawn = labelled_subset(names, labels, share, seed=0)
    label_of = dict(zip(names, labels))
    for label, number in ((0, 40), (1, 15), (2, 3)):
        assert sum(label_of[name] == label for name in drawn) == max(1, round(share * number))
    order = np.random.default_rng(0).permutation(len(names))
    shuffled = labelled_subset([names[i] for i in order], [labels[i] for i in order], share, seed=0)
    assert drawn == shuffled == sorted(set(drawn))
    if share < 1:
        assert drawn != labelled_subset(names, labels, share, seed=1)


@pytest.mark.parametrize('share', [0, -0.1, 1.1])
def test_labelled_subset_bad_share(share):
    with pytest.raises(ValueError, match='0 < share <= 1'):
        labelled_subset(['a'], [0], share, seed=0)


def test_labels_drawn_by_the_data_set_are_those_of_the_list(make_annotations, tmp_path):
    path = make_annotations(40)
    everything = SkeletonDataset(path, [], split='xsub_train')
    infos = [everything.get_data_info(index) for index in range(len(everything))]
    names = [info['frame_dir'] for info in infos]
    drawn = labelled_subset(names, [info['label'] for info in infos], 0.3, seed=5)
    dataset = SkeletonDataset(
        path, [], split='xsub_train', labels=dict(share=0.3, seed=5), metainfo=dict(classes='toy')
    )
    assert sorted(dataset.sample_names) == drawn
    (tmp_path / 'labels.txt').write_text('\n'.join(drawn))
    listed = SkeletonDataset(path, [], split='xsub_train', labels=str(tmp_path / 'labels.txt'))
    assert listed.sample_names == dataset.sample_names
    other = SkeletonDataset(path, [], split='xsub_train', labels=dict(share=0.3, seed=6))
    assert other.sample_names != dataset.sample_names
    assert dataset.metainfo['classes'] == list(CLASS_NAMES['toy'])
    assert 'classes' not in other.metainfo
