"""From annotations to pipeline inputs: scores, bodies, empty frames, units; each reported once."""

import pickle

import numpy as np
import pytest
import torch
from mmaction.datasets.transforms import FormatGCNInput
from mmengine.dataset import pseudo_collate

from deeprank_plugin.datasets import RandomRotate3D, RandomShear3D, SkeletonDataset, reading
from deeprank_plugin.datasets.annotation_writing import write_npz
from deeprank_plugin.layouts import find_layout
from deeprank_plugin.models import SkeletonPreprocessor
from tests.datasets.building import build

META = dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir', 'split'))


def pipeline(num_person=2, clip_len=12, *more):
    return [
        *more,
        dict(type='CenterSkeleton'),
        dict(type='CropResize', p_interval=(0.95,), clip_len=clip_len),
        dict(type='FormatGCNInput', num_person=num_person),
        META,
    ]


@pytest.fixture
def logged(monkeypatch):
    """The warnings of this test."""
    lines = []
    monkeypatch.setattr(reading, 'print_log', lambda text, **kwargs: lines.append(text))
    monkeypatch.setattr(reading, '_warned', set())
    return lines


def poses(number=6, bodies=2):
    """A file in the form of MMAction2's public 2D pickles: COCO's 17 joints, pixels, float16."""
    rng = np.random.default_rng(0)
    annotations = []
    for index in range(number):
        frames = 10 + index
        keypoint = rng.uniform(200, 1000, size=(bodies, frames, 17, 2)).astype(np.float16)
        annotations.append(
            dict(
                frame_dir=f'S001C001P001R001A{index:03d}',
                label=index % 3,
                img_shape=(1080, 1920),
                original_shape=(1080, 1920),
                total_frames=frames,
                keypoint=keypoint,
                keypoint_score=rng.uniform(size=(bodies, frames, 17)).astype(np.float16),
            )
        )
    names = [annotation['frame_dir'] for annotation in annotations]
    return dict(split=dict(train=names[:4], val=names[4:]), annotations=annotations)


def join_scores(content):
    """The same with x, y and score as three channels."""
    for annotation in content['annotations']:
        score = annotation.pop('keypoint_score')
        annotation['keypoint'] = np.concatenate([annotation['keypoint'], score[..., None]], -1)
    return content


@pytest.mark.parametrize('first', [[], [dict(type='PreNormalize2D')]])
@pytest.mark.parametrize('modality', ['joint', 'bone', 'motion'])
def test_both_notations_of_2d_data_are_the_same_network_input(tmp_path, logged, modality, first):
    found = []
    for name, change in (('apart', lambda c: c), ('joined', join_scores)):
        path = tmp_path / f'{name}.pkl'
        path.write_bytes(pickle.dumps(change(poses())))
        dataset = SkeletonDataset(
            str(path), [*first, *pipeline()], split='train', layout='coco', num_classes=3
        )
        preprocessor = SkeletonPreprocessor(modality, 'coco')
        found.append(preprocessor(pseudo_collate([dataset[i] for i in range(4)]))['inputs'])
    assert found[0].shape == (4, 1, 2, 12, 17, 3)
    assert torch.equal(*found) and not logged
    if modality == 'joint':  # the third channel is the score that the file has
        assert 0 <= found[0][..., 2].min() and found[0][..., 2].max() <= 1


def test_npz_too_reads_scores_apart(tmp_path):
    write_npz(join_scores(poses()), tmp_path / 'a.npz')
    sample = SkeletonDataset(str(tmp_path / 'a.npz'), [], split='val', layout='coco')[0]
    assert sample['keypoint'].shape == (2, 14, 17, 2)
    np.testing.assert_array_equal(
        sample['keypoint_score'], poses()['annotations'][4]['keypoint_score'].astype(np.float32)
    )


@pytest.mark.parametrize('transform', [RandomRotate3D(), RandomShear3D()])
def test_3d_transforms_reject_2d_data(tmp_path, transform):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(join_scores(poses())))
    dataset = SkeletonDataset(str(path), [transform], split='train', layout='coco')
    with pytest.raises(ValueError, match='has 2 coordinates per joint; .* expects 3: drop it'):
        dataset[0]


def test_without_a_planar_layout_three_channels_are_coordinates(make_annotations):
    for layout in (None, dict(num_joints=17, pairs=[(i, 0) for i in range(17)])):
        sample = build(make_annotations(shape=(17, 3)), layout=layout)[0]
        assert sample['keypoint'].shape[-1] == 3 and 'keypoint_score' not in sample


def test_images_of_unknown_size_are_told(tmp_path, logged):
    content = poses()
    del content['annotations'][1]['img_shape']
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(content))
    arguments = dict(ann_file=str(tmp_path / 'a.pkl'), split='train', layout='coco')
    SkeletonDataset(pipeline=pipeline(), **arguments)
    assert not logged
    SkeletonDataset(pipeline=[dict(type='PreNormalize2D'), *pipeline()], **arguments)
    assert len(logged) == 1 and logged[0].startswith('1 of 4 samples of')
    assert "'S001C001P001R001A001', have no img_shape: PreNormalize2D takes (height" in logged[0]


def crowd(content):
    """Four bodies: the performer is the third, who moves most; or two are absent at first."""
    for index, annotation in enumerate(content['annotations']):
        annotation['keypoint'][[0, 1, 3]] *= np.float32(0.1)
        if index % 2:
            annotation['keypoint'][:2] = 0


def test_the_performer_is_kept_wherever_in_the_file(make_annotations, logged):
    path = make_annotations(bodies=4, change=crowd)
    raw = pickle.load(open(path, 'rb'))['annotations']
    dataset = build(path, [FormatGCNInput(num_person=1)])
    for sample, annotation in zip(dataset, raw):
        np.testing.assert_array_equal(sample['keypoint'][0, 0], annotation['keypoint'][2])
    assert logged == [
        f"15 of 15 samples of {path} (xsub_train), such as 's00' (4), show more than 1 bodies, the "
        'num_person of FormatGCNInput: those that move most are used'
    ]
    build(path, [FormatGCNInput(num_person=1)])
    assert len(logged) == 1  # once a data set, however often it is built
    two = build(path, [FormatGCNInput(num_person=2)])
    np.testing.assert_array_equal(two[1]['keypoint'][0], raw[1]['keypoint'][2:])
    assert [line.split(',')[0] for line in logged[1:]] == [
        f'8 of 15 samples of {path} (xsub_train)',
        f'7 of 15 samples of {path} (xsub_train)',
    ]
    assert 'absent bodies before present ones' in logged[2]


@pytest.mark.parametrize('npz', [False, True])
def test_padding_is_cut(make_annotations, tmp_path, logged, npz):
    plain = make_annotations(bodies=2)

    def pad(content):
        for annotation in content['annotations'][::2]:
            keypoint = np.zeros((2, 50, 25, 3), np.float32)
            keypoint[:, 5 : 5 + annotation['total_frames']] = annotation['keypoint']
            annotation.update(keypoint=keypoint, total_frames=50)

    expected = list(build(plain))
    path = make_annotations(bodies=2, change=pad, name='padded.pkl')
    if npz:
        write_npz(pickle.load(open(path, 'rb')), tmp_path / 'padded.npz')
        path = str(tmp_path / 'padded.npz')
    for sample, other in zip(build(path), expected):
        assert sample['total_frames'] == other['total_frames'] == sample['keypoint'].shape[1]
        np.testing.assert_array_equal(sample['keypoint'], other['keypoint'])
    assert logged == [
        f"8 of 15 samples of {path} (xsub_train), such as 's00' (46 of 50), have frames without a "
        'body at either end: these are cut'
    ]


def test_only_the_samples_in_use_are_told(make_annotations, tmp_path, logged):
    def pad(content):
        content['annotations'][0]['keypoint'][:, -1] = 0

    path = make_annotations(change=pad)
    (tmp_path / 'labels.txt').write_text('s07\ns14\n')
    build(path, labels=str(tmp_path / 'labels.txt'))
    assert not logged
    build(path)
    assert len(logged) == 1


def shrink(factor):
    """Bodies of about 1.7 times a factor."""

    def change(content):
        for annotation in content['annotations']:
            keypoint = annotation['keypoint']
            keypoint[:] = 0.01 * keypoint + 0.1
            keypoint[..., 1] += np.linspace(0, 1.7, 25, dtype=np.float32)
            keypoint *= np.float32(factor)

    return change


@pytest.mark.parametrize(
    ('factor', 'expected'),
    [
        (1, None),
        (1000, 'scale=0.001 converts millimetres'),
        (100, 'scale=0.01 converts centimetres'),
        (0.05, 'set scale=FACTOR'),
    ],
)
def test_another_unit_is_told_with_the_factor_that_mends_it(
    make_annotations, logged, factor, expected
):
    path = make_annotations(change=shrink(factor))
    build(path, layout='nturgb+d')
    if expected is None:
        assert not logged
        return
    assert len(logged) == 1 and logged[0].endswith(expected) and '0.2 to 4 metres' in logged[0]
    logged.clear()
    build(path)  # no layout, no bounds
    scaled = build(path, layout='nturgb+d', scale=1 / factor)
    assert not logged
    whole = build(make_annotations(change=shrink(1), name='b.pkl'))
    np.testing.assert_allclose(scaled[3]['keypoint'], whole[3]['keypoint'], rtol=1e-5)


def test_2d_data_have_no_unit_and_their_scores_no_scale(tmp_path, logged):
    path = tmp_path / 'a.pkl'
    path.write_bytes(pickle.dumps(join_scores(poses())))
    dataset = SkeletonDataset(str(path), [], split='train', layout='coco', scale=0.5)
    expected = poses()['annotations'][0]
    np.testing.assert_array_equal(dataset[0]['keypoint'], expected['keypoint'].astype('f4') / 2)
    np.testing.assert_array_equal(
        dataset[0]['keypoint_score'], expected['keypoint_score'].astype('f4')
    )
    assert not logged


@pytest.mark.parametrize('scale', [0, -1, np.inf, np.nan, '1', True, None])
def test_a_wrong_scale(make_annotations, scale):
    with pytest.raises(ValueError, match='expected a positive number'):
        build(make_annotations(), scale=scale)


def test_reading_leaves_the_annotation_as_it_is():
    keypoint = np.ones((3, 5, 25, 3), np.float32)
    keypoint[0] = 0
    info = dict(frame_dir='a', keypoint=keypoint.copy(), total_frames=5)
    read = reading.read_skeleton(info, find_layout('nturgb+d'), 1, scale=2)
    np.testing.assert_array_equal(info['keypoint'], keypoint)
    assert read['keypoint'].shape == (1, 5, 25, 3) and (read['keypoint'] == 2).all()
    whole = reading.read_whole(info, find_layout('nturgb+d'), scale=2)  # all bodies
    np.testing.assert_array_equal(whole['keypoint'], 2 * keypoint)
    np.testing.assert_array_equal(info['keypoint'], keypoint)


@pytest.mark.parametrize('suffix', ['.pkl', '.npz'])
def test_sequences_of_a_single_frame(make_annotations, tmp_path, logged, suffix):
    def change(content):
        first, second = content['annotations'][:2]
        first.update(keypoint=first['keypoint'][:, :1], total_frames=1)
        second['keypoint'][:, 1:] = 0  # its padding is cut

    path = make_annotations(20, change=change)
    if suffix == '.npz':
        write_npz(pickle.loads((tmp_path / 'annotations.pkl').read_bytes()), tmp_path / 'a.npz')
        path = str(tmp_path / 'a.npz')
    SkeletonDataset(path, pipeline=[], split='xsub_train')
    (line,) = [line for line in logged if 'single frame' in line]
    assert line.startswith('2 of 15 samples of ') and "such as 's00', show" in line
    logged.clear()
    SkeletonDataset(path, pipeline=[], split='xsub_val')
    assert logged == []


def test_a_pipeline_without_bodies(make_annotations):
    with pytest.raises(ValueError, match='num_person=0 of FormatGCNInput; expected at least 1'):
        SkeletonDataset(make_annotations(20), pipeline=pipeline(0))


@pytest.mark.parametrize('up', reading.TURNS)
def test_axes_that_point_up(up):
    """A body whose head is 1.5 above its ankles; the remedy turns it, and left stays left."""
    layout = find_layout('nturgb+d')
    person = np.random.default_rng(0).normal(0, 0.05, (2, 6, 25, 3)) + (0, 1, 0)
    person[:, :, layout.names.index('head'), 1] += 0.75
    person[:, :, [layout.names.index(f'{side}_ankle') for side in ('left', 'right')], 1] -= 0.75
    person[1] = 0  # an absent body
    if up == 'y':
        assert reading.suspect_axes([person], layout, 'a.pkl') is None
        return
    order, signs = reading.TURNS[up]
    turn = np.eye(3)[list(order)] * np.array(signs)[:, None]  # as keypoint[..., order] * signs
    assert np.linalg.det(turn) == pytest.approx(1)  # no mirror
    turned = person @ turn  # backwards
    sentence = reading.suspect_axes([turned], layout, 'a.pkl')
    assert f'of a.pkl it is {"-" if up[0] == "-" else ""}1.' in sentence
    assert f'{up} points up; expected y' in sentence
    assert f'keypoint[..., {order}] * {signs} turns' in sentence
    np.testing.assert_allclose(turned[..., order] * signs, person)


def test_bodies_without_an_upper_end():
    layout = find_layout('nturgb+d')
    cloud = np.random.default_rng(0).normal(size=(1, 50, 25, 3))
    assert reading.suspect_axes([cloud], layout, 'a.pkl') is None
    assert reading.suspect_axes([np.zeros((1, 2, 25, 3))], layout, 'a.pkl') is None
    assert reading.suspect_axes([cloud[:, :, :17, :2]], find_layout('coco'), 'a.pkl') is None
