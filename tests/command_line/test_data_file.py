"""--data FILE: what is looked up in an annotation file."""

import hashlib
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, refusal

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.data_file import find_labelled_shares, hash_data
from deeprank_plugin.datasets.annotation_writing import write_npz

PRETRAIN = str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py')
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


ARM = dict(num_node=3, edges=[[0, 1], [1, 2]], center=1)


def add_scores(content):
    """Make the coordinates those of 2D poses, with the size of the image."""
    for annotation in content['annotations']:
        shape = annotation['keypoint'].shape
        annotation.update(keypoint_score=np.ones(shape[:3], np.float32), img_shape=(480, 640))


def make_pixels(content):
    """Make the first two of three channels positions in an image, and the third a score."""
    for annotation in content['annotations']:
        annotation['img_shape'] = (480, 640)
        annotation['keypoint'] = np.abs(annotation['keypoint']) * (100, 100, 0)
        annotation['keypoint'][..., 2] = 0.5


def shrink_pixels(content):
    """The same within 0 and 1: x, y, score or x, y, z."""
    for annotation in content['annotations']:
        keypoint = annotation['keypoint']
        annotation['keypoint'] = np.abs(keypoint) / np.abs(keypoint).max()


@pytest.mark.parametrize(
    ('shape', 'change', 'layout'),
    [
        ((25, 3), None, 'nturgb+d'),
        ((25, 3), make_pixels, 'body25'),
        ((25, 2), add_scores, 'body25'),
        ((20, 3), None, 'kinect-v1'),
        ((17, 3), None, 'h36m'),
        ((17, 3), make_pixels, 'coco'),
        ((17, 2), add_scores, 'coco'),
        ((18, 2), add_scores, 'openpose'),
        ((33, 3), None, 'mediapipe'),
        ((33, 2), add_scores, 'mediapipe-2d'),
    ],
)
def test_joints_tell_the_layout(make_annotations, capsys, shape, change, layout):
    cfg = load_config(FINETUNE, data=make_annotations(20, shape=shape, change=change))
    printed = capsys.readouterr().out
    assert f'layout {layout};' in printed and '--layout' not in printed
    assert cfg.model.data_preprocessor.layout == cfg.train_dataloader.dataset.layout == layout
    planar = layout in ('coco', 'openpose', 'body25', 'mediapipe-2d')
    types = [step.type for step in cfg.train_pipeline]
    assert ('RandomRotate3D' in types) == ('CenterSkeleton' in types) == (not planar)
    assert ('PreNormalize2D' in types) == planar


@pytest.mark.parametrize(
    ('joints', 'taken', 'other'), [(25, 'nturgb+d', 'body25'), (17, 'coco', 'h36m')]
)
def test_what_else_the_joints_may_be_is_printed(make_annotations, capsys, joints, taken, other):
    path = make_annotations(20, shape=(joints, 3), change=shrink_pixels)
    assert load_config(FINETUNE, data=path).body == taken
    assert re.search(
        f'{joints} joints of 3 numbers fit {re.escape(taken)} .* and {other} .*; taken as '
        f'{re.escape(taken)}: --layout {other} if it is not',
        capsys.readouterr().out,
    )
    assert load_config(FINETUNE, data=path, layout=other).body == other
    assert 'taken as' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('shape', 'layout', 'pattern'),
    [
        (
            (15, 3),
            None,
            '15 joints of 3 coordinates, which fit no known layout.*--layout FILE.json',
        ),
        ((17, 2), None, '17 joints of 2 coordinates, which fit no known layout'),
        ((25, 2), None, 'fit no known layout'),
        ((25, 3), 'coco', 'has 25 joints and layout coco has 17; expected the same: give another'),
        ((17, 2), 'coco', 'no keypoint_score'),
        ((25, 3), 'ntu', "layout 'ntu' is not known"),
        ((25, 3), 'none.json', 'layout file none.json does not exist'),
    ],
)
def test_joints_that_fit_no_layout_are_an_error(make_annotations, capsys, shape, layout, pattern):
    path = make_annotations(20, shape=shape)
    assert re.search(pattern, refusal(capsys, FINETUNE, data=path, layout=layout))


def test_a_layout_needs_a_file(capsys):
    message = refusal(capsys, FINETUNE, data='toy_xsub', layout='coco')
    assert '--layout needs an annotation file: use it with --data FILE' in message


def test_a_saved_config_takes_no_layout(capsys, tmp_path):
    (tmp_path / 'saved.py').write_text("data = 'moves'\n")
    message = refusal(capsys, str(tmp_path / 'saved.py'), layout='coco')
    assert 'saved.py has its data set already: leave --layout out' in message


def test_a_layout_of_the_environment_gives_way_to_the_option(make_annotations, monkeypatch):
    path = make_annotations(20, shape=(17, 3), change=make_pixels)
    monkeypatch.setenv('LAYOUT', 'nturgb+d')
    with pytest.raises(SystemExit):
        load_config(FINETUNE, data=path)
    assert load_config(FINETUNE, data=path, layout='coco').body == 'coco'


@pytest.mark.parametrize(('channels', 'names'), [(3, 'sttformer-s'), (2, 'stgcn-w16')])
def test_a_json_file_is_taken_into_the_config(make_annotations, tmp_path, channels, names):
    (tmp_path / 'arm.json').write_text(json.dumps(ARM))
    path = make_annotations(20, shape=(3, channels))
    config = str(ROOT / f'configs/finetune/{names}_scratch.py')
    cfg = load_config(config, data=path, layout=str(tmp_path / 'arm.json'))
    (tmp_path / 'arm.json').unlink()
    cfg = type(cfg).fromstring(cfg.pretty_text, '.py')  # whole without the file
    pairs = [(0, 1), (1, 1), (2, 1)]
    for settings in (cfg.model.data_preprocessor, cfg.test_dataloader.dataset):
        assert settings.layout == dict(num_joints=3, pairs=pairs)
    backbone = cfg.model.backbone
    if names == 'sttformer-s':
        assert backbone.num_joints == 3 and 'in_channels' not in backbone
        assert cfg.train_pipeline[0] == dict(type='CenterSkeleton', layout=cfg.body)
    else:
        inward = [(0, 1), (2, 1)]
        assert backbone.graph_cfg.layout == dict(num_node=3, inward=inward, center=1)
        assert backbone.in_channels == 2 and cfg.planar


def test_the_image_of_2d_poses(make_annotations, capsys):
    def extend(content):
        add_scores(content)
        for annotation in content['annotations']:
            del annotation['img_shape']
            annotation['keypoint'][..., :2] = [639, 479]

    path = make_annotations(20, shape=(17, 2), change=add_scores)
    assert load_config(FINETUNE, data=path).train_pipeline[0].img_shape == [1080, 1920]  # unused
    path = make_annotations(20, shape=(17, 2), change=extend)
    assert load_config(FINETUNE, data=path).train_pipeline[0].img_shape == [479, 639]

    def mirror(content):
        extend(content)
        for annotation in content['annotations']:
            annotation['keypoint'] *= -1

    path = make_annotations(20, shape=(17, 2), change=mirror)
    assert 'add img_shape=(height, width)' in refusal(capsys, FINETUNE, data=path)


def test_hashes_of_the_files_that_a_config_reads(make_annotations, tmp_path):
    path = make_annotations(20)
    cfg = load_config(FINETUNE, data=path, share='10p')
    assert list(hash_data(cfg)) == [path]
    (tmp_path / 'names.txt').write_text('s00')
    cfg.train_dataloader.dataset.labels = str(tmp_path / 'names.txt')
    cfg.val_dataloader.dataset.ann_file = str(tmp_path / 'gone.pkl')
    expected = {
        file: hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for file in (path, str(tmp_path / 'names.txt'))
    }
    assert hash_data(cfg) == expected
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=cfg.train_dataloader.dataset
    )
    assert hash_data(cfg) == expected


def test_shares_that_a_config_draws(make_annotations, monkeypatch):
    path = make_annotations(20)
    assert find_labelled_shares(load_config(FINETUNE, data=path)) == {}
    monkeypatch.setenv('SHARE', '10p')
    cfg = load_config(FINETUNE, data=path)
    assert find_labelled_shares(cfg) == {'train_dataloader.dataset.labels': 0.1}
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', dataset=cfg.train_dataloader.dataset)
    assert find_labelled_shares(cfg) == {'train_dataloader.dataset.dataset.labels': 0.1}
    cfg.train_dataloader.dataset.dataset.labels = 'names.txt'  # drawn before
    assert find_labelled_shares(cfg) == {}
    cfg = load_config(FINETUNE.replace('pretrained', 'knn'), data=path)
    assert find_labelled_shares(cfg) == {'test_evaluator.labels': 0.1}
    cfg.test_evaluator = [dict(type='AccMetric'), cfg.test_evaluator]
    assert find_labelled_shares(cfg) == {'test_evaluator.1.labels': 0.1}


@pytest.mark.parametrize('label', ['kick', float('nan'), 1.0, [1], None])
def test_labels_that_are_no_integers(make_annotations, capsys, label):
    path = make_annotations(
        20, change=lambda content: content['annotations'][3].update(label=label)
    )
    with pytest.raises(SystemExit):
        load_config(FINETUNE, data=path)
    said = capsys.readouterr().err
    assert '1 of 20 samples of' in said and f"such as 's01' ({label!r})" in said


@pytest.mark.parametrize(
    ('changes', 'pattern'),
    [
        (dict(keypoint=[[1.0]]), "'s01' of .* keypoint of type list; expected a NumPy array"),
        (dict(keypoint=np.ones((4, 25, 3))), r"'s01' of .* shape \(4, 25, 3\); expected"),
        (dict(keypoint=None), "'s01' of .* keypoint of type NoneType"),
        (None, r"'s01' of .* lacks \['keypoint'\]; expected frame_dir"),
        (dict(label=np.eye(3)[1]), r"such as 's01' \(array"),
        (dict(label=-1), r"such as 's01' \(-1\)"),
    ],
)
def test_every_sample_is_looked_at(make_annotations, capsys, changes, pattern):
    def change(content):
        annotation = content['annotations'][3]
        annotation.update(changes or {})
        if changes is None:
            del annotation['keypoint']

    path = make_annotations(20, change=change, name='b.pkl')
    assert re.search(pattern, refusal(capsys, FINETUNE, data=path))
    if 'such as' not in pattern:
        data = [make_annotations(20, name='a.pkl'), path]
        assert re.search(pattern, refusal(capsys, PRETRAIN, data=data))


@pytest.mark.parametrize('names', [np.array(['a', 'b', 'c']), ['a', 'b'], 7])
def test_names_of_classes_that_cannot_be_used(make_annotations, capsys, names):
    path = make_annotations(20, change=lambda content: content.update(label_names=names))
    assert re.search('label_names .*; expected a', refusal(capsys, FINETUNE, data=path))


def test_what_is_printed_of_several_files_is_what_they_get(make_annotations, capsys, monkeypatch):
    monkeypatch.setattr('deeprank_plugin.command_line.data_file.SMALL', 20)
    paths = [make_annotations(20, name='a.pkl'), make_annotations(20, bodies=2, name='b.pkl')]
    cfg = load_config(PRETRAIN, data=paths)
    printed = capsys.readouterr().out
    assert cfg.clip_len == 120 and cfg.num_person == 2
    assert 'bodies: 2' in printed and 'clips of 120 frames, long schedules' in printed
    assert 'bodies: 1' not in printed and 'clips of 48' not in printed


def test_several_files_to_pretrain_on(make_annotations, capsys):
    def without_splits(content):
        return content['annotations']

    first = make_annotations(20, name='a.pkl')
    second = make_annotations(12, bodies=2, change=without_splits, name='b.pkl')
    cfg = load_config(PRETRAIN, data=[first, second])
    one, both = capsys.readouterr().out.strip().splitlines()
    assert one == f'{first}: 15 training samples (xsub_train), 5 to test (xsub_val), 3 classes'
    assert both == (
        'pretraining on 2 files: 15 + 12 samples, bodies: 2, layout nturgb+d; clips of 48 frames, '
        'short schedules (fewer than 5,000 samples)'
    )
    assert cfg.work_dir == './work_dirs/deeprank_stgcn-w16_a+b_joint'
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert loader.dataset.ann_file == [first, second]
    assert cfg.test_dataloader.dataset.ann_file == first  # k-NN
    assert cfg.train_pipeline[3].num_person == 2
    assert load_config(PRETRAIN, data=[first]).train_dataloader.dataset.ann_file == first
    joints = make_annotations(12, shape=(17, 3), name='c.pkl')
    planar = make_annotations(12, shape=(17, 2), change=add_scores, name='d.pkl')

    def add_scores_alone(content):
        add_scores(content)
        for annotation in content['annotations']:
            del annotation['img_shape']
            annotation['keypoint'] = abs(annotation['keypoint']) * 100

    empty = make_annotations(change=lambda _: dict(split={}, annotations=[]), name='empty.pkl')
    unsized = make_annotations(12, shape=(17, 2), change=add_scores_alone, name='e.pkl')
    for data, pattern in (
        ([planar, unsized], 'e.pkl holds 2D poses without the size of their images'),
        ([first, joints], 'c.pkl has 17 joints and layout nturgb.d has 25; expected the same'),
        ([first, 'toy_xsub'], "'toy_xsub' is no annotation file; expected one name, or files"),
        ([first, 'x.pkl'], 'x.pkl does not exist'),
        ([first, empty], 'empty.pkl holds no sample; expected at least one'),
        ([first, f'{Path(first).parent}/./a.pkl'], 'are the same file; expected each file once'),
    ):
        assert re.search(pattern, refusal(capsys, PRETRAIN, data=data).splitlines()[-1])
    sentence = refusal(capsys, FINETUNE, data=[first, second])
    assert 'trains a classifier, which takes one --data FILE' in sentence
