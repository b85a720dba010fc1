"""Annotation files: read safely, checked with errors that name file, sample and remedy."""

import json

import numpy as np
import pytest

from deeprank_plugin.datasets import SkeletonDataset


def build(path, split='xsub_train', **kwargs):
    return SkeletonDataset(path, pipeline=[], split=split, **kwargs)


def change_first(**changes):
    def change(content):
        content['annotations'][0].update(changes)

    return change


def array(*shape, value=1.0):
    return np.full(shape, value, dtype=np.float32)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pkl does not exist.*set ann_file'):
        build(str(tmp_path / 'none.pkl'))


@pytest.mark.parametrize('content', [b'', b'not a pickle', b'\x80\x04garbage', b'PK\x03\x04'])
def test_not_a_pickle(tmp_path, content):
    path = tmp_path / 'a.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='a.pkl.*expected a'):
        build(str(path))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.999])
def test_truncated_pickle(make_annotations, share):
    path = make_annotations()
    whole = open(path, 'rb').read()
    with open(path, 'wb') as file:
        file.write(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match='annotations.pkl'):
        build(path)


@pytest.mark.parametrize(
    'content',
    [
        [1, 2],
        'text',
        dict(annotations=[]),
        dict(split={}, data=[]),
        dict(split={}, annotations={}),
        dict(split=['xsub_train'], annotations=[]),
    ],
)
def test_wrong_top_level(make_annotations, content):
    with pytest.raises(ValueError, match='annotations'):
        build(make_annotations(change=lambda _: content))


def test_a_list_without_splits(make_annotations):
    path = make_annotations(change=lambda content: content['annotations'])
    assert len(build(path, split=None)) == 20
    with pytest.raises(ValueError, match='holds list; expected dict'):
        build(path)


def test_unknown_split_lists_the_known(make_annotations):
    with pytest.raises(ValueError, match=r"'train' is not in .*'xsub_train', 'xsub_val'"):
        build(make_annotations(), split='train')


def test_empty_split(make_annotations):
    path = make_annotations(change=lambda content: content['split'].update(none=[]))
    with pytest.raises(ValueError, match="'none' of .* is empty"):
        build(path, split='none')


def test_split_names_samples_that_are_not_there(make_annotations):
    path = make_annotations(change=lambda content: content['split']['xsub_train'].append('ghost'))
    with pytest.raises(ValueError, match="1 samples of split .*'ghost'"):
        build(path)


def test_the_same_sample_in_two_splits(make_annotations):
    path = make_annotations(
        change=lambda content: content['split']['xsub_val'].append(
            content['split']['xsub_train'][2]
        )
    )
    assert len(build(path)) == 15
    with pytest.raises(ValueError, match='is in split'):
        build(path, split=['xsub_train', 'xsub_val'])


def test_duplicate_names(make_annotations):
    path = make_annotations(
        change=lambda content: content['annotations'].append(content['annotations'][3])
    )
    with pytest.raises(ValueError, match="sample 's01' occurs 2 times"):
        build(path)


@pytest.mark.parametrize('key', ['label', 'keypoint', 'total_frames'])
def test_missing_key(make_annotations, key):
    path = make_annotations(change=lambda content: content['annotations'][0].pop(key) is None)
    with pytest.raises(ValueError, match=f"'s00' of .*annotations.pkl lacks \\['{key}'\\]"):
        build(path)


def test_missing_name(make_annotations):
    path = make_annotations(change=lambda content: content['annotations'][0].pop('frame_dir') == 0)
    with pytest.raises(ValueError, match='annotation number 0 of .*frame_dir'):
        build(path)


NAN = array(1, 4, 25, 3)
NAN[0, 2, 7, 1] = np.nan
BAD_SAMPLES = [
    (dict(keypoint=array(4, 25, 3)), r'shape \(4, 25, 3\); expected \(M, T, V, C\)'),
    (dict(keypoint=array(1, 4, 25, 4)), 'expected .M, T, V, C.'),
    (dict(keypoint=array(1, 0, 25, 3), total_frames=0), 'one frame: remove'),
    (dict(keypoint=array(0, 4, 25, 3)), 'at least one body'),
    (dict(keypoint=[[1.0]]), 'expected a NumPy array of numbers'),
    (dict(keypoint=np.full((1, 4, 25, 3), 'x')), 'expected a NumPy array of numbers'),
    (dict(keypoint=array(1, 4, 25, 3, value=np.inf)), 'NaN or infinite.*repair or remove'),
    (dict(keypoint=NAN), r'NaN or infinite.*\[0, 2, 7, 1\]'),
    (dict(keypoint=array(1, 4, 25, 3, value=0)), 'zero throughout'),
    (dict(keypoint_score=array(1, 4, 24)), r'keypoint_score of shape \(1, 4, 24\).*\(1, 4, 25\)'),
    (dict(keypoint_score=None), 'keypoint_score of shape NoneType'),
    (dict(keypoint_score=array(1, 4, 25, value=np.nan)), 'infinite keypoint_score; .*repair'),
    (dict(total_frames=np.array([4, 5])), r'total_frames=array.*and holds 4 frames; expected the'),
    (dict(total_frames=5), 'says total_frames=5 and holds 4 frames; .*correct the annotation'),
    (dict(keypoint=array(4, 1, 25, 3)), 'says total_frames=4 and holds 1 frames; .*swapaxes'),
    (
        dict(keypoint=array(17, 2, 25, 3), total_frames=2),
        r'17 bodies in 2 frames; expected \(M, T, V, C\) .*looks like \(T, M, V, C\).*swapaxes',
    ),
    (dict(label=-1), 'label -1; expected from 0 to 2'),
    (dict(label=3), 'label 3; expected from 0 to 2.*num_classes'),
    (dict(label=1.0), 'an integer'),
    (dict(label='wave'), 'an integer'),
]


@pytest.mark.parametrize('changes, message', BAD_SAMPLES)
def test_bad_samples_are_named(make_annotations, changes, message):
    path = make_annotations(change=change_first(**changes))
    with pytest.raises(ValueError, match=rf"sample 's00' of .*annotations.pkl.*{message}"):
        build(path, num_classes=3)


@pytest.mark.parametrize('shape', [(480, 640), [480, 640.0], np.array([480, 640])])
def test_sizes_of_images(make_annotations, shape):
    path = make_annotations(shape=(17, 2), change=change_first(img_shape=shape))
    assert len(build(path)) == 15


@pytest.mark.parametrize(
    'shape', [None, (0, 0), (480,), (480, 640, 3), '48', {480, 640}, (np.nan, 9), ('4', 6)]
)
def test_images_without_a_size(make_annotations, shape):
    wrong = change_first(img_shape=shape)
    for channels, layout in ((2, None), (3, 'coco')):  # x, y; x, y, score
        path = make_annotations(shape=(17, channels), change=wrong)
        with pytest.raises(ValueError, match=r"'s00' .* has img_shape .*; expected \(height"):
            build(path, layout=layout)
    # nothing reads that of 3D poses
    assert len(build(make_annotations(change=wrong), layout='nturgb+d')) == 15


def test_no_sample(make_annotations):
    path = make_annotations(change=lambda _: dict(split={}, annotations=[]))
    with pytest.raises(ValueError, match='annotations.pkl holds no sample; expected at least one'):
        build(path, split=None)


def test_mixed_layouts(make_annotations):
    def change(content):
        content['annotations'][4]['keypoint'] = array(1, 7, 17, 3)
        content['annotations'][4]['total_frames'] = 7

    with pytest.raises(ValueError, match=r"'s08' .*\(17, 3\) and the samples before it \(25, 3\)"):
        build(make_annotations(change=change))


@pytest.mark.parametrize(
    'shape, layout, message',
    [
        ((25, 2), 'nturgb+d', "is 2D and layout 'nturgb.d' is 3D.*2D layout"),
        ((17, 3), 'nturgb+d', '17 joints and layout .* has 25.*graph_cfg.layout'),
        ((25, 3), 'coco', '25 joints and layout .* has 17.*graph_cfg.layout'),
        ((17, 2), 'coco', 'no keypoint_score'),
        ((20, 3), 'openpose', '20 joints'),
        (
            (25, 3),
            dict(num_joints=2, pairs=[(0, 0), (1, 0)]),
            "layout 'custom' has 2",
        ),
        ((25, 3), dict(num_joints=25, pairs=[]), 'one .joint, parent. pair'),
        ((25, 3), 'kinect', "'kinect' is not known"),
        ((25, 3), dict(num_node=25), 'num_node.*num_joints'),
    ],
)
def test_layout(make_annotations, shape, layout, message):
    with pytest.raises(ValueError, match=message):
        build(make_annotations(shape=shape), layout=layout)


def test_a_layout_from_a_file(make_annotations, tmp_path):
    path = tmp_path / 'chain.json'
    content = dict(num_node=9, edges=[[i, i + 1] for i in range(8)], center=0)
    path.write_text(json.dumps(content))
    assert len(build(make_annotations(shape=(9, 2)), layout=str(path))) == 15
    with pytest.raises(ValueError, match="25 joints and layout 'chain.json' has 9"):
        build(make_annotations(), layout=str(path))
    path.write_text(json.dumps(dict(content, dims=3)))
    with pytest.raises(ValueError, match="is 2D and layout 'chain.json' is 3D"):
        build(make_annotations(shape=(9, 2)), layout=str(path))
    path.write_text(json.dumps(dict(content, dims=2)))
    with pytest.raises(ValueError, match="no keypoint_score; layout 'chain.json' expects"):
        build(make_annotations(shape=(9, 2)), layout=str(path))


def test_layouts_that_fit(make_annotations):
    assert len(build(make_annotations(), layout='nturgb+d')) == 15
    assert len(build(make_annotations(shape=(17, 3)), layout='coco')) == 15

    def add_scores(content):
        for annotation in content['annotations']:
            annotation['keypoint_score'] = annotation['keypoint'][..., 0]

    assert len(build(make_annotations(shape=(17, 2), change=add_scores), layout='coco')) == 15
    path = make_annotations(change=add_scores)
    with pytest.raises(ValueError, match="z and keypoint_score; expected none with .*'nturgb.d'"):
        build(path, layout='nturgb+d')
