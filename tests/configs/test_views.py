"""Student views: the same for every pretext method, and the same on the device."""

import numpy as np
import pytest
from mmaction.registry import MODELS
from mmcv.transforms import Compose
from mmengine.config import Config

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import STUDENT_VIEWS
from tests.configs.config_files import CONFIGS, OURS, PRETRAINERS, names, read, student_steps


@pytest.mark.parametrize('path', PRETRAINERS, ids=names(PRETRAINERS))
def test_strong_views_are_the_same_for_all_pretrainers(path):
    expected = [
        dict(type='CropResize', p_interval=(0.5, 1.0), clip_len=48, min_share=64 / 120),
        dict(type='RandomRotate3D', angle=0.3),
        dict(type='RandomShear3D', beta=0.5),
        dict(type='JointNoise', std=0.01),
        dict(type='JointMask', share=0.15),
    ]
    cfg = load_config(str(path), data='uiprmd_xsub', views='strong')
    assert student_steps(cfg) == expected
    last = dict(type='RandomSwapSides', prob=0.5, layout='nturgb+d')
    cfg = load_config(str(path), data='uiprmd_xsub', views='strong_swap')
    assert student_steps(cfg) == [*expected, last]
    # labels, validation and k-NN see the plain view
    for loader in (cfg.get('val_dataloader'), cfg.test_dataloader):
        types = [step.type for step in loader.dataset.pipeline] if loader else []
        assert types in ([], ['CenterSkeleton', 'CropResize', 'FormatGCNInput', 'PackActionInputs'])
    weak = student_steps(load_config(str(path), data='uiprmd_xsub', views='weak'))
    turn = expected[2] if cfg.model.type == 'SkeletonMoCo' else expected[1]
    assert weak == [dict(type='CropResize', p_interval=(0.5, 1.0), clip_len=48), turn]


@pytest.mark.parametrize('name', ['stgcn-deviceaug', 'stgcn-w16'])
def test_strong_views_of_2d_poses_are_neither_rotated_nor_sheared(monkeypatch, name):
    for variable, value in dict(DATA='custom', LAYOUT='coco', VIEWS='strong_swap').items():
        monkeypatch.setenv(variable, value)
    cfg = Config.fromfile(CONFIGS / f'deeprank/deeprank_{name}.py')
    if name == 'stgcn-w16':
        types = [step.type for step in student_steps(cfg)]
        assert types == ['CropResize', 'JointNoise', 'JointMask', 'RandomSwapSides']
    else:
        augment = cfg.model.data_preprocessor.augment
        assert augment.angle == augment.distort.shear == 0 and augment.distort.swap == 0.5
    MODELS.build(cfg.model)


@pytest.mark.parametrize('views', STUDENT_VIEWS)
def test_two_views_of_2d_poses_differ(monkeypatch, views):
    """Of a sequence that is too short to be cropped at the paper's size, and cannot be sheared."""
    for variable, value in dict(DATA='custom', LAYOUT='coco', SMALL='False', VIEWS=views).items():
        monkeypatch.setenv(variable, value)
    cfg = Config.fromfile(CONFIGS / 'moco/moco_stgcn.py')
    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    keypoint = np.random.default_rng(0).uniform(0, 1000, (1, 60, 17, 2))
    results = dict(keypoint=keypoint, keypoint_score=np.ones((1, 60, 17)), total_frames=60, label=0)
    clips = pipeline(dict(results, frame_dir='a', sample_idx=0, split='train'))['inputs']
    one, two = clips
    moved = (one - two)[..., :2].abs().amax(dim=(-2, -1)) > 0
    assert clips.shape[:3] == (2, cfg.num_person, 120) and moved[0].all()


def test_the_demo_shows_the_views_that_name_its_work_dir():
    for views in STUDENT_VIEWS:
        cfg = read('demo/segrank_toy.py', data='toy_xsub', views=views)
        assert cfg.work_dir.endswith('_joint' if views == 'strong' else f'_joint_{views}')
        augment = cfg.model.data_preprocessor.augment
        expected = read('deeprank/deeprank_stgcn-deviceaug.py', data='toy_xsub', views=views)
        expected = expected.model.data_preprocessor.augment
        assert augment == dict(expected, clips=2, clip_len=24)
        MODELS.build(cfg.model)


@pytest.mark.parametrize('path', OURS, ids=names(OURS))
def test_the_pipeline_that_other_configs_inherit_is_the_one_in_use(path):
    cfg = Config.fromfile(path)
    for part in ('train', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader is not None:
            assert loader.dataset.pipeline == cfg[f'{part}_pipeline']


def test_views_on_the_device_are_those_of_the_pipeline():
    for views in STUDENT_VIEWS:
        augment = read('deeprank/deeprank_stgcn-deviceaug.py', views=views)
        augment = augment.model.data_preprocessor.augment
        cfg = read('deeprank/deeprank_stgcn.py', views=views)
        steps = {step.pop('type'): step for step in student_steps(cfg)}
        crop = dict(p_interval=augment.p_interval, clip_len=augment.clip_len)
        if views != 'weak':
            crop['min_share'] = augment.min_share
            distort = dict(augment.distort)
            assert distort.pop('shear') == steps['RandomShear3D'].beta
            assert distort.pop('noise') == steps['JointNoise'].std
            assert distort.pop('mask') == steps['JointMask'].share
            assert distort.pop('swap') == steps.get('RandomSwapSides', dict(prob=0))['prob']
            assert not distort
        assert steps['CropResize'] == crop and steps['RandomRotate3D'].angle == augment.angle
