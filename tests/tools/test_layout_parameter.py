"""Real skeletons of other layouts, from pretraining to an animation with one command each."""

import json
import pickle
import re

import numpy as np
import pytest
from helpers import ROOT, output_of
from PIL import Image

from deeprank_plugin.datasets.annotations import load_annotations

pytestmark = pytest.mark.slow

CONFIGS = ROOT / 'configs'
DEEPRANK = CONFIGS / 'deeprank/deeprank_stgcn-w16.py'
FINETUNE = CONFIGS / 'finetune/stgcn-w16_pretrained.py'
KNN = CONFIGS / 'finetune/stgcn-w16_knn.py'

# head, neck, torso, left shoulder, elbow, hand, right ones, left hip, knee, foot, right ones
SBU = dict(
    num_node=15,
    edges=[
        *([0, 1], [1, 2], [1, 3], [3, 4], [4, 5], [1, 6], [6, 7], [7, 8]),
        *([2, 9], [9, 10], [10, 11], [2, 12], [12, 13], [13, 14]),
    ],
    center=2,
    left=[3, 4, 5, 9, 10, 11],
    right=[6, 7, 8, 12, 13, 14],
    dims=3,
)
COCO = [3, 3, 3, 3, 3, 4, 8, 5, 9, 6, 10, 12, 16, 13, 17, 14, 18]  # joints of NTU; the face is 3
FACE = np.array([(0, 0), (0.03, 0.03), (-0.03, 0.03), (0.07, 0), (-0.07, 0)])  # x, y in metres
HEIGHT, WIDTH, FOCAL = 480, 640, 500  # of the camera, in pixels

TINY = [
    'train_cfg.max_epochs=1',
    'train_dataloader.batch_size=8',
    'default_hooks.checkpoint.interval=1',
    *(
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False')
    ),
]
HELD_OUT = [f'{loader}_dataloader.dataset.holdout.share=0.25' for loader in ('train', 'val')]
TESTED = [option for option in TINY if option.startswith('test_')]


def write_part(content, path, each=(6, 2), classes=4):
    """Write an annotation file with a few samples of the first classes in each split."""
    labels = {a['frame_dir']: a['label'] for a in content['annotations']}
    split = {
        name: [
            sample
            for label in range(classes)
            for sample in [s for s in content['split'][name] if labels[s] == label][:number]
        ]
        for name, number in zip(('xsub_train', 'xsub_val'), each)
    }
    kept = {sample for samples in split.values() for sample in samples}
    annotations = [a for a in content['annotations'] if a['frame_dir'] in kept]
    path.write_bytes(pickle.dumps(dict(split=split, annotations=annotations)))
    return annotations


def project(keypoint, rng):
    """2D poses (M, T, 17, 2) in pixels, and scores, of 25 NTU joints seen by a camera at 4 m."""
    points = keypoint[:, :, COCO].astype(float)
    points[:, :, :5, :2] += FACE
    points -= keypoint[:1, :1, :1]
    depth = points[..., 2] + 4
    pixels = np.stack(
        [
            WIDTH / 2 + FOCAL * points[..., 0] / depth,
            HEIGHT / 2 - FOCAL * points[..., 1] / depth,
        ],
        axis=-1,
    )
    scores = rng.uniform(0.5, 1, size=pixels.shape[:3])
    return pixels.astype(np.float16), scores.astype(np.float16)  # as in MMAction2's files


@pytest.fixture(scope='module')
def sbu(tmp_path_factory, shared_data):
    """Folder with two persons of SBU and the description of their joints; pretrained on it."""
    folder = tmp_path_factory.mktemp('sbu')
    (folder / 'sbu.json').write_text(json.dumps(SBU))
    write_part(load_annotations(shared_data / 'sbu15.pkl'), folder / 'sbu.pkl')
    options = ('--cfg-options', *TINY, *HELD_OUT)
    printed = output_of('train.py', DEEPRANK, *ARGUMENTS, *options, cwd=folder)
    assert 'bodies: 2, layout sbu.json' in printed
    return folder


ARGUMENTS = ('--data', 'sbu.pkl', '--layout', 'sbu.json')


def test_two_persons_are_finetuned_predicted_and_animated(sbu):
    printed = output_of('train.py', FINETUNE, *ARGUMENTS, '--cfg-options', *TINY, cwd=sbu)
    assert "loaded the weights under 'backbone.'" in printed and 'acc/top1' in printed
    work_dir = sbu / 'work_dirs/stgcn-w16_pretrained_sbu_joint_all'
    # the saved config is whole: neither the layout file nor an option is needed
    (sbu / 'sbu.json').rename(sbu / 'elsewhere.json')
    printed = output_of(
        *('demo_skeleton.py', work_dir / 'stgcn-w16_pretrained.py', work_dir / 'epoch_1.pth'),
        *('sbu.pkl', '--split', 'xsub_val', '--limit', 1, '--out-dir', 'demo'),
        cwd=sbu,
    )
    (sbu / 'elsewhere.json').rename(sbu / 'sbu.json')
    assert 'predictions.json: 1 sequences' in printed
    (animation,) = (sbu / 'demo').glob('*.gif')
    with Image.open(animation) as image:
        assert image.n_frames > 10


def test_stick_figures_of_two_persons(sbu):
    arguments = ('sbu.pkl', '--layout', 'sbu.json', '--plot', 'pictures')
    output_of('data/check_annotations.py', *arguments, cwd=sbu)
    assert list((sbu / 'pictures').iterdir())


def test_2d_poses_from_pretraining_to_nearest_neighbours(tmp_path, shared_data):
    content = load_annotations(shared_data / 'hdm05_ntu25.pkl')
    rng = np.random.default_rng(0)
    poses = write_part(content, tmp_path / 'poses.pkl')
    for annotation in poses:
        keypoint, scores = project(annotation['keypoint'], rng)
        annotation.update(keypoint=keypoint, keypoint_score=scores)
        annotation.update(img_shape=(HEIGHT, WIDTH), original_shape=(HEIGHT, WIDTH))
    split = pickle.loads((tmp_path / 'poses.pkl').read_bytes())['split']
    (tmp_path / 'poses.pkl').write_bytes(pickle.dumps(dict(split=split, annotations=poses)))
    given = ('--data', 'poses.pkl', '--layout', 'coco')
    options = ('--cfg-options', *TINY, *HELD_OUT)
    printed = output_of('train.py', DEEPRANK, *given, *options, cwd=tmp_path)
    assert 'layout coco' in printed
    printed = output_of('train.py', FINETUNE, *given, '--cfg-options', *TINY, cwd=tmp_path)
    assert "loaded the weights under 'backbone.'" in printed and 'acc/top1' in printed
    encoder = 'work_dirs/deeprank_stgcn-w16_poses_joint'
    printed = output_of('test.py', KNN, encoder, *given, '--cfg-options', *TESTED, cwd=tmp_path)
    assert re.search(r'knn/top1: 0\.\d+|knn/top1: 1\.0', printed)
