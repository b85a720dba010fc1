"""Every config builds with every data set, modality and share; and every model takes one step."""

import itertools
import json
import sys
from pathlib import Path

import pytest
import torch
from helpers import ROOT
from mmaction.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import SHARES, STUDENT_VIEWS
from deeprank_plugin.models.data_preprocessor import MODALITIES

CONFIGS = ROOT / 'configs'


def list_configs(folder):
    return sorted(path for path in folder.rglob('*.py') if '_base_' not in path.parts)


OURS = list_configs(CONFIGS)
PROJECTS = [
    path for folder in (ROOT / 'projects').glob('*/configs') for path in list_configs(folder)
]
DATA = sorted(path.stem for path in (CONFIGS / '_base_' / 'data').glob('*.py'))
DATA.remove('custom')
DATA.sort(key=lambda name: name != 'ntu60_xsub')  # first: models take their step with two bodies
THOROUGH = ('stgcn_pretrained', 'sttformer_pretrained')
NETWORKS = ('stgcn', 'stgcn-slim', 'stgcn-w16', 'sttformer', 'sttformer-s')
sys.path.insert(0, str(ROOT))  # configs of projects import their own modules by it
SEEN = set()  # what was built before is known to build, or to take a step


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_is_one_config_for_each_method_and_network():
    expected = {f'deeprank/deeprank_{network}' for network in NETWORKS}
    expected |= {f'deeprank/3s-deeprank_{network}' for network in NETWORKS}
    expected |= {f'mv_deeprank/mv-deeprank_{network}' for network in NETWORKS}
    expected |= {f'segrank/mv-segrank_{network}' for network in NETWORKS}
    for method in ('deepcluster', 'moco', 'mae', 'triplet', 'segrank'):
        expected |= {f'{method}/{method}_{network}' for network in NETWORKS}
    for kind in ('pretrained', 'scratch', 'linear', 'knn'):
        expected |= {f'finetune/{network}_{kind}' for network in NETWORKS}
    expected |= {'finetune/raw_knn', 'finetune/raw_linear'}
    expected |= {'deeprank/deeprank_stgcn-deviceaug', 'demo/deeprank_toy', 'demo/finetune_toy'}
    assert {str(path.relative_to(CONFIGS).with_suffix('')) for path in OURS} == expected
    assert len(list(CONFIGS.rglob('*.py'))) <= 95
    for folder in {path.parent for path in OURS} - {CONFIGS / 'demo'}:
        assert (folder / 'README.md').is_file()


def read(name, **parameters):
    return load_config(str(CONFIGS / name), **parameters)


def test_schedules_are_those_of_the_paper():
    for network, lr in (('stgcn', 0.1), ('sttformer', 0.01)):
        cfg = read(f'deeprank/deeprank_{network}.py')
        assert cfg.optim_wrapper.optimizer == dict(
            type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4
        )
        assert cfg.train_dataloader.batch_size == 64 and cfg.train_cfg.max_epochs == 150
        assert cfg.default_hooks.relabel.monitor == 'rank/loss'
    cfg = read('finetune/stgcn_pretrained.py')
    assert cfg.train_cfg.max_epochs == 100 and cfg.optim_wrapper.optimizer.lr == 0.1
    assert [s.milestones for s in cfg.param_scheduler] == [[80]]
    cfg = read('finetune/sttformer_pretrained.py')
    assert cfg.train_cfg.max_epochs == 90
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-4, nesterov=True
    )
    warm_up, steps = cfg.param_scheduler
    assert warm_up.type == 'LinearLR' and warm_up.end == 5
    assert steps.milestones == [60, 80] and steps.gamma == 0.1


@pytest.mark.parametrize('data', ['ntu60_xsub', 'uiprmd_xsub'])
@pytest.mark.parametrize('name', ['stgcn', 'sttformer-s'])
def test_segrank_encodes_as_many_views_in_as_many_steps_as_deeprank(data, name):
    ours = read(f'segrank/segrank_{name}.py', data=data)
    theirs = read(f'deeprank/deeprank_{name}.py', data=data)
    assert 2 * ours.train_dataloader.batch_size == theirs.train_dataloader.batch_size
    assert 2 * ours.train_cfg.max_epochs == theirs.train_cfg.max_epochs
    assert ours.optim_wrapper == theirs.optim_wrapper
    rounds = [cfg.default_hooks.relabel for cfg in (ours, theirs)]
    if data == 'uiprmd_xsub':
        assert 2 * rounds[0].pop('interval') == rounds[1].pop('interval')
        periods = [cfg.param_scheduler[0].periods for cfg in (ours, theirs)]
        assert [2 * period for period in periods[0]] == periods[1]
    assert rounds[0] == rounds[1]
    assert ours.auto_scale_lr.base_batch_size == ours.train_dataloader.batch_size
    assert ours.train_dataloader.dataset.pipeline[1].type == 'TwoViews'
    assert ours.views == 'strong' and theirs.views == 'weak'


@pytest.mark.parametrize(
    ('data', 'share', 'batch', 'epochs'),
    [
        ('ntu60_xsub', '10p', 64, 100),
        ('pkummd2_xsub', '5p', 64, 100),
        ('pkummd2_xsub', '1p', 16, 100),
        ('uiprmd_xsub', 'all', 64, 30),
        ('uiprmd_xsub', '10p', 16, 30),
        ('uiprmd_xsub', '1p', 8, 100),  # two steps an epoch: the long schedule
        ('hdm05_xsub', 'all', 16, 30),
        ('hdm05_xsub', '10p', 8, 100),
    ],
)
def test_few_labels_set_batch_and_schedule(data, share, batch, epochs):
    cfg = read('finetune/stgcn_pretrained.py', data=data, share=share)
    assert cfg.train_dataloader.batch_size == batch and cfg.train_cfg.max_epochs == epochs
    labels = cfg.train_dataloader.dataset.labels
    assert labels == (None if share == 'all' else dict(share=int(share[:-1]) / 100, seed=0))


def test_without_the_paths_of_the_pretrained_encoder():
    cfg = read('finetune/stgcn_linear.py', data='toy_xsub', modality='bone')
    expected = read('deeprank/deeprank_stgcn.py', data='toy_xsub', modality='bone').work_dir
    assert f'./{cfg.model.backbone.init_cfg.checkpoint}' == expected
    cfg = read('finetune/stgcn_linear.py', pretrained='work_dirs/mv')
    assert cfg.model.backbone.init_cfg.checkpoint == cfg.pretrained == 'work_dirs/mv'


def make_batch(cfg):
    """Random sequences as the config's own pipeline packs them, but short, and few of two views."""
    if cfg.test_dataloader.dataset.type == 'CIFAR100':
        inputs = list(torch.randint(0, 256, (3, 1, 1, 32, 32, 3), dtype=torch.uint8))
        return dict(inputs=inputs, data_samples=make_samples())
    pipeline = cfg.test_dataloader.dataset.pipeline
    number, clips, persons = 3, 1, pipeline[-2].num_person
    clip_len = 6  # a tuple of STTFormer's
    if cfg.model.type == 'SkeletonMoCo':
        clips = 2
    if cfg.model.get('two_views'):
        number, clips, persons = 2, 2, 1
    if cfg.model.get('segments'):
        clip_len = 24  # a tuple in each segment
    inputs = [torch.randn(clips, persons, clip_len, cfg.num_joints, 3) for _ in range(number)]
    return dict(inputs=inputs, data_samples=make_samples(number))


def make_samples(number=3):
    """Samples of different classes."""
    metas = [dict(sample_idx=index, frame_dir=str(index)) for index in range(number)]
    return [ActionDataSample(metainfo=m).set_gt_label(m['sample_idx']) for m in metas]


def combinations(path):
    """Parameters of the runs of a config: each data set, share, modality and kind of views.

    Each share with each data set only where two networks are finetuned: the bases are the same.
    """
    cfg = Config.fromfile(path)
    for data in DATA:
        yield dict(data=data)
        if 'share' in cfg and (data == DATA[0] or path.stem in THOROUGH):
            yield from (dict(data=data, share=share) for share in SHARES[1:])
    if 'modality' in cfg:
        yield from (dict(data=DATA[0], modality=modality) for modality in MODALITIES[1:])
    if 'views' in cfg:
        yield dict(data=DATA[0], views='weak' if cfg.views == 'strong' else 'strong')


@pytest.mark.parametrize('path', OURS, ids=names(OURS))
def test_config_with_every_parameter(path):
    work_dirs = set()
    for parameters in combinations(path):
        cfg = load_config(str(path), **parameters)
        work_dirs.add(cfg.work_dir)
        assert Path(cfg.work_dir).name.startswith(f'{path.stem}_{parameters["data"]}')
        assert all(value in cfg.work_dir for value in parameters.values())
        if 'modality' in parameters:
            assert cfg.model.data_preprocessor.modality == parameters['modality']
        if cfg.get('train_dataloader'):
            split = cfg.train_dataloader.dataset.split
            assert split == f'{parameters["data"].split("_")[1]}_train'
            assert Path(cfg.train_dataloader.dataset.ann_file).stem.startswith(
                parameters['data'].split('_')[0]
            )
        build(cfg)
    assert len(work_dirs) == len(list(combinations(path)))


SMALL = [p for p in OURS if p.stem.split('_')[-1] in ('stgcn-w16', 'sttformer-s')]
SMALL += [CONFIGS / 'deeprank/deeprank_stgcn-deviceaug.py']
SMALL += [CONFIGS / f'finetune/{network}_scratch.py' for network in ('stgcn-w16', 'sttformer-s')]
SMALL += [CONFIGS / f'finetune/raw_{kind}.py' for kind in ('knn', 'linear')]


@pytest.mark.parametrize('layout', ['coco', 'kinect-v1'])
@pytest.mark.parametrize('path', SMALL, ids=names(SMALL))
def test_config_with_another_layout(monkeypatch, path, layout):
    monkeypatch.setenv('DATA', 'custom')
    monkeypatch.setenv('LAYOUT', layout)
    cfg = Config.fromfile(path)
    planar = layout == 'coco'
    types = {step['type'] for step in student_steps(cfg)} | {cfg.train_pipeline[0].type}
    assert ('PreNormalize2D' in types) == planar and ('CenterSkeleton' in types) != planar
    assert not planar or not types & {'RandomRotate3D', 'RandomShear3D'}
    build(cfg)


PRETRAINERS = [
    path for path in SMALL if path.parent.name != 'finetune' and 'device' not in path.stem
]


def student_steps(cfg):
    """What the training pipeline does to a student's view, between centring and packing."""
    if cfg.get('train_dataloader') is None:
        return []
    steps = cfg.train_dataloader.dataset.pipeline[1:-2]
    return steps[0].transforms if steps and steps[0].type == 'TwoViews' else steps


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
    build(cfg)


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


@pytest.mark.parametrize('path', PROJECTS, ids=names(PROJECTS))
def test_config_of_a_project(path):
    build(Config.fromfile(path))


def unseen(part):
    """Whether a part is met for the first time."""
    text = json.dumps(part, sort_keys=True, default=str)
    if text in SEEN:
        return False
    SEEN.add(text)
    return True


def build(cfg):
    """Build what is new in a config; a new model takes a step."""
    if cfg.test_dataloader.dataset.type == 'SkeletonDataset':
        assert cfg.test_dataloader.dataset.pipeline[1].clip_len % 6 == 0  # STTFormer's tuples
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None:
            dataset = cfg[loader].dataset
            assert DATASETS.get(dataset.type) is not None
            assert DATA_SAMPLERS.get(cfg[loader].sampler.type) is not None
            for transform in filter(unseen, dataset.pipeline):
                TRANSFORMS.build(transform)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        if cfg.get(evaluator) is not None and unseen(cfg[evaluator]):
            METRICS.build(cfg[evaluator])
    for hook in filter(unseen, cfg.default_hooks.values()):
        HOOKS.build(hook)
    cfg.model.backbone.pop('init_cfg', None)
    # the network is the same for any modality, and for any number of classes
    signature = json.loads(json.dumps(cfg.model, default=str))
    if isinstance(signature['data_preprocessor']['modality'], str):
        signature['data_preprocessor'].pop('modality')
    signature.get('cls_head', {}).pop('num_classes', None)
    if unseen(signature):
        step(MODELS.build(cfg.model), make_batch(cfg), cfg.get('train_cfg') is not None)


def step(model, batch, trainable):
    """One forward pass, and backward where there is something to train."""
    data = model.data_preprocessor(batch)
    if hasattr(model, 'relabel'):
        features = model(data['inputs'], mode='tensor').detach()
        # a sample a cluster
        number = getattr(getattr(model, 'head', None), 'num_clusters', len(features))
        more = torch.randn(number - len(features), *features.shape[1:])
        model.relabel(torch.cat([features, more]), [str(row) for row in range(number)])
    if not trainable:
        assert all('feat' in sample for sample in model(**data, mode='predict'))
        return
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)


def test_dumped_config_is_whole(tmp_path, monkeypatch):
    parameters = dict(data='uiprmd_xsub', modality='bone', share='10p', pretrained='work_dirs/x')
    cfg = read('finetune/sttformer_pretrained.py', **parameters)
    cfg.dump(str(tmp_path / 'dumped.py'))
    assert '$' not in (tmp_path / 'dumped.py').read_text()
    for name, value in itertools.product(
        ('DATA', 'LAYOUT', 'MODALITY', 'VIEWS', 'SHARE', 'PRETRAINED'), ['none']
    ):
        monkeypatch.setenv(name, value)
    assert Config.fromfile(tmp_path / 'dumped.py')._cfg_dict == cfg._cfg_dict
