"""SkeletonDataset: selections, identities, randomness."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.runner import Runner

from deeprank_plugin.datasets import SkeletonDataset
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.datasets.annotations import load_annotations
from tests.datasets.building import build, names_of

PACK = [
    dict(type='CropResize', clip_len=6, min_frames=2),
    dict(type='RandomRotate3D'),
    dict(type='FormatGCNInput', num_person=1),
    dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split')),
]


def test_splits(make_annotations):
    path = make_annotations()
    both = build(path, split=['xsub_val', 'xsub_train'])
    assert len(both) == 20 and len(build(path)) == 15 and len(build(path, split=None)) == 20
    content = pickle.load(open(path, 'rb'))
    for sample in both:
        assert sample['frame_dir'] in content['split'][sample['split']]


def test_holdout_parts_are_disjoint_and_complete_and_share_their_indices(make_annotations):
    path = make_annotations()
    whole = {s['frame_dir']: s['sample_idx'] for s in build(path)}
    assert list(whole.values()) == list(range(15))
    parts = {
        part: {s['frame_dir']: s['sample_idx'] for s in dataset}
        for part in ('train', 'holdout')
        for dataset in [build(path, holdout=dict(share=0.2, seed=1, part=part))]
    }
    assert len(parts['holdout']) == 3
    assert not set(parts['train']) & set(parts['holdout'])
    assert {**parts['train'], **parts['holdout']} == whole
    dataset = build(path, holdout=dict(share=0.2))
    assert dataset.num_split_samples == 15
    assert dataset.sample_names == list(whole)
    other = names_of(build(path, holdout=dict(share=0.2, seed=2, part='holdout')))
    assert set(other) != set(parts['holdout'])


def test_holdout_does_not_depend_on_the_order_of_the_file(make_annotations):
    def reverse(content):
        content['annotations'].reverse()

    holdout = dict(share=0.3, seed=0, part='holdout')
    first = names_of(build(make_annotations(), holdout=holdout))
    second = names_of(build(make_annotations(change=reverse, name='b.pkl'), holdout=holdout))
    assert first != second and set(first) == set(second)


def test_labelled_subset(make_annotations, tmp_path):
    path, labels = make_annotations(), tmp_path / 'labels.txt'
    names = names_of(build(path))
    labels.write_text(f'{names[7]}\n\n  {names[2]}  \n{names[4]}\n')
    dataset = build(path, labels=str(labels))
    assert set(names_of(dataset)) == {names[2], names[4], names[7]}
    assert [s['sample_idx'] for s in dataset] == [0, 1, 2]


@pytest.mark.parametrize('serialize', [True, False])
def test_transforms_cannot_spoil_the_data(make_annotations, serialize):
    def spoil(results):
        results['keypoint'] *= 0
        results['label'] = 99
        return results

    dataset = build(make_annotations(), pipeline=[spoil], serialize_data=serialize)
    dataset[3]
    assert dataset.get_data_info(3)['keypoint'].any()
    assert dataset.get_data_info(3)['label'] < 3


@pytest.mark.parametrize('dtype', [np.float16, np.float64, np.int32])
def test_coordinates_come_out_in_float32(make_annotations, dtype):
    def convert(content):
        for annotation in content['annotations']:
            annotation['keypoint'] = (9 * annotation['keypoint']).astype(dtype)

    path = make_annotations(change=convert)
    expected = pickle.load(open(path, 'rb'))['annotations'][0]['keypoint'].astype(np.float32)
    found = build(path)[0]['keypoint']
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_a_data_set_costs_little_more_than_its_annotations(make_annotations):
    """Reading holds the annotations once, and serialising frees them as it goes."""

    def lengthen(content):
        for annotation in content['annotations']:
            annotation['total_frames'] = 1000
            annotation['keypoint'] = np.ones((1, 1000, 25, 3), np.float32)

    path = make_annotations(change=lengthen)
    tracemalloc.start()
    dataset = build(path, split=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset) == 20 and peak < 1.6 * len(dataset.data_bytes)


def test_data_prefix_is_rejected(make_annotations):
    with pytest.raises(ValueError, match='remove data_prefix'):
        build(make_annotations(), data_prefix=dict(skeleton='elsewhere'))


def test_classes_of_a_sample(make_annotations):
    path = make_annotations()
    dataset = build(path, num_classes=3)
    labels = [annotation['label'] for annotation in pickle.load(open(path, 'rb'))['annotations']]
    assert [dataset.get_cat_ids(index) for index in range(15)] == [[n] for n in labels[:15]]


def test_several_classes_a_sample_are_rejected(make_annotations):
    with pytest.raises(ValueError, match='expected one label per sample; remove multi_class'):
        build(make_annotations(), multi_class=True, num_classes=3)


@pytest.mark.parametrize('serialize', [True, False])
def test_a_part_of_the_data(make_annotations, serialize):
    def add_boxes(content):
        for row, annotation in enumerate(content['annotations']):
            frames = annotation['total_frames']
            annotation.update(valid={0.5: frames * (row % 3 != 0)}, box_score=np.ones(frames))

    path = make_annotations(change=add_boxes)
    options = dict(serialize_data=serialize)
    whole = build(path, **options)
    names = names_of(whole)
    for more, rows in (
        (dict(indices=4), range(4)),
        (dict(indices=-2), (13, 14)),
        (dict(indices=[1, 6]), (1, 6)),
        (dict(holdout=dict(share=0.4, part='holdout'), indices=2), None),
        (dict(valid_ratio=0.9, indices=2), None),
    ):
        part = build(path, **more, **options)
        given = [(sample['frame_dir'], sample['sample_idx']) for sample in part]
        assert part.sample_names == names and part.num_split_samples == 15
        assert given == [(names[row], row) for row in part.sample_rows]
        assert rows is None or part.sample_rows == list(rows)
        labels = {sample['label'] for sample in part}
        assert set(part.sample_of_label) == labels
        assert part.sample_digest != whole.sample_digest


def test_labels_of_numpy_reach_the_model(make_annotations, tmp_path):
    def change(content):
        for annotation in content['annotations']:
            annotation['label'] = np.int64(annotation['label'])

    path = make_annotations(change=change)
    write_npz(load_annotations(path), tmp_path / 'a.npz')
    for file in (path, tmp_path / 'a.npz'):
        dataset = build(str(file), PACK)
        assert [int(s['data_samples'].gt_label) for s in dataset] == [i % 3 for i in range(15)]


def test_names_of_classes_have_to_fit_the_labels(make_annotations):
    path = make_annotations(change=lambda content: content.update(label_names=['a', 'b']))
    with pytest.raises(ValueError, match='label 2, but its label_names give only 2 classes'):
        build(path)


def test_an_input_that_is_zero_throughout_names_the_sample(make_annotations):
    def keep_the_ends(content):
        keypoint = np.zeros((1, 100, 25, 3), np.float32)
        keypoint[:, [0, -1]] = 1
        content['annotations'][2].update(keypoint=keypoint, total_frames=100)

    test = [dict(type='CropResize', p_interval=(0.9,), clip_len=6), *PACK[2:]]
    dataset = build(make_annotations(change=keep_the_ends), test, test_mode=True)
    assert dataset[1]['inputs'].any()
    with pytest.raises(ValueError, match="sample 's14' of .* is zero throughout after the pipe"):
        dataset[2]
    with pytest.raises(ValueError, match="sample 's14'"):
        dataset.get_subset([2])[0]


def test_views_of_the_data_set(make_annotations):
    path = make_annotations()
    names = names_of(build(path))
    lazy = build(path, lazy_init=True)
    lazy.full_init()
    assert names_of(lazy) == names
    assert names_of(build(path, indices=4)) == names[:4]
    subset = build(path).get_subset([5, 9])
    assert [(s['frame_dir'], s['sample_idx']) for s in subset] == [(names[5], 5), (names[9], 9)]
    assert names_of(copy.deepcopy(build(path))) == names
    assert names_of(pickle.loads(pickle.dumps(build(path)))) == names


@pytest.mark.parametrize('workers', [0, 2])
def test_sample_idx_reaches_the_model_through_wrappers_and_workers(make_annotations, workers):
    dataset = build(make_annotations(), PACK)
    row_of = {name: row for row, name in enumerate(dataset.sample_names)}
    other = build(make_annotations(number=8, name='b.pkl'), PACK, sample_offset=15)
    wrappers = [
        dataset,
        RepeatDataset(dataset, times=2),
        ClassBalancedDataset(dataset, oversample_thr=0.5),
        ConcatDataset([dataset, other]),
    ]
    for wrapper in wrappers:
        loader = torch.utils.data.DataLoader(
            wrapper, batch_size=4, num_workers=workers, collate_fn=list
        )
        samples = [sample['data_samples'] for batch in loader for sample in batch]
        assert len(samples) == len(wrapper)
        for sample in samples[:15]:
            assert sample.sample_idx == row_of[sample.frame_dir]
    assert [s.sample_idx for s in samples[15:]] == list(range(15, 21))


def draws(path, workers=2, persistent=True, epochs=(0, 1), seed=5, rank=0, context=None, view=None):
    """What the loader serves in some epochs, as one array an epoch."""
    dataset = build(path, PACK)
    dataset = dataset if view is None else view(dataset)
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=3,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
        multiprocessing_context=context,
        collate_fn=list,
    )
    found = []
    for epoch in epochs:
        dataset.set_epoch(epoch, seed=seed, rank=rank)
        found.append(np.stack([s['inputs'].numpy() for batch in loader for s in batch]))
    return found


@pytest.mark.parametrize('workers', [0, 2])
def test_each_epoch_seed_and_rank_draws_its_own(make_annotations, workers):
    path = make_annotations()
    first, second = draws(path, workers)
    for other in (
        second,
        draws(path, workers, epochs=[0], seed=6)[0],
        draws(path, workers, epochs=[0], rank=1)[0],
    ):
        assert (np.abs(first - other).reshape(15, -1).max(axis=1) > 1e-3).all()
    np.testing.assert_array_equal(first, draws(path, workers, epochs=[0])[0])


@pytest.mark.parametrize(
    'persistent, context',
    [(True, None), (False, None), pytest.param(True, 'spawn', marks=pytest.mark.slow)],
)
def test_workers_persistent_or_not_draw_alike_also_after_a_resume(
    make_annotations, persistent, context
):
    path = make_annotations()
    whole = draws(path, epochs=range(3))
    resumed = draws(path, persistent=persistent, epochs=[2], context=context)
    np.testing.assert_array_equal(whole[2], resumed[0])


@pytest.mark.parametrize(
    'view',
    [
        copy.deepcopy,
        lambda dataset: dataset.get_subset(list(range(15))),
        lambda dataset: pickle.loads(pickle.dumps(dataset)),
    ],
)
def test_persistent_workers_of_a_copy_hear_of_the_epoch(make_annotations, view):
    path = make_annotations()
    for whole, copied in zip(draws(path), draws(path, view=view)):
        np.testing.assert_array_equal(whole, copied)


def test_a_look_at_the_data_before_the_workers_start_changes_nothing(make_annotations):
    def look(dataset):
        dataset.set_epoch(0, seed=5, rank=0)
        dataset[0]
        return dataset

    path = make_annotations()
    np.testing.assert_array_equal(draws(path)[0], draws(path, view=look)[0])


def test_without_an_epoch_nothing_is_seeded(make_annotations):
    dataset = build(make_annotations(), PACK)
    np.random.seed(3)
    first = [dataset[0]['inputs'] for _ in range(2)]
    np.random.seed(3)
    assert torch.equal(first[0], dataset[0]['inputs'])
    assert not torch.equal(*first)


def test_concatenated_data_sets_do_not_repeat_each_others_draws(make_annotations):
    path = make_annotations()
    parts = [build(path, PACK, sample_offset=offset) for offset in (0, 15)]
    for part in parts:
        part.set_epoch(0, seed=5)
    assert not torch.equal(parts[0][0]['inputs'], parts[1][0]['inputs'])


def test_workers_differ_from_one_another(make_annotations):
    """The same sample at the same place of two workers' first batches."""

    def repeat(content):
        for annotation in content['annotations']:
            annotation['keypoint'] = np.ones((1, 9, 25, 3), np.float32)
            annotation['total_frames'] = 9

    (found,) = draws(make_annotations(change=repeat), epochs=[0])
    assert len(np.unique(found.reshape(15, -1).round(5), axis=0)) == 15


@pytest.mark.parametrize(
    'name, sizes, classes', [('uiprmd', (1000, 1000), 20), ('hdm05', (188, 99), 11)]
)
def test_real_skeletons(shared_data, name, sizes, classes):
    path = str(shared_data / f'{name}_ntu25.pkl')
    for split, size in zip(('xsub_train', 'xsub_val'), sizes):
        loader = Runner.build_dataloader(
            dict(
                batch_size=16,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(
                    type='SkeletonDataset',
                    ann_file=path,
                    split=split,
                    layout='nturgb+d',
                    num_classes=classes,
                    pipeline=[dict(type='CenterSkeleton'), *PACK],
                ),
            )
        )
        assert len(loader.dataset) == size
        batch = next(iter(loader))
        assert torch.isfinite(torch.stack(batch['inputs'])).all()
        assert [s.sample_idx for s in batch['data_samples']] == list(range(16))


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (dict(labels=dict(share=1.5)), r'labels share=1\.5; expected 0 < share <= 1'),
        (dict(labels=dict(part='train')), "labels has the keys \\['part'\\]"),
        (dict(metainfo=dict(classes='ntu61')), "'ntu61' is not a known data set.*ntu60, ntu120"),
    ],
)
def test_labels_and_classes_that_are_wrong(make_annotations, more, message):
    with pytest.raises(ValueError, match=message):
        SkeletonDataset(make_annotations(20), [], **more)
