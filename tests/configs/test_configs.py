"""Every config builds with every data set, modality and share; and every model takes one step."""

import copy
import itertools
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from helpers import ROOT
from mmaction.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import SHARES, STUDENT_VIEWS, VARIABLES
from deeprank_plugin.engine.config_keys import merge_options
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
FACTS = {name: Config.fromfile(CONFIGS / '_base_' / 'data' / f'{name}.py') for name in DATA}
NETWORKS = ('stgcn', 'stgcn-slim', 'stgcn-w16', 'sttformer', 'sttformer-s')
sys.path.insert(0, str(ROOT))  # configs of projects import their own modules by it
SEEN = set()  # what was built before is known to build, or to take a step
BASES = {}  # what base configs contain


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
    expected |= {'deeprank/deeprank_stgcn-deviceaug', 'demo/segrank_toy', 'demo/finetune_toy'}
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


@pytest.mark.parametrize('network', ['stgcn-slim', 'sttformer-s'])
def test_segments_of_the_time_reach_classifier_and_knn(network):
    plain = read(f'finetune/{network}_scratch.py', segments=1)
    assert plain._cfg_dict == read(f'finetune/{network}_scratch.py')._cfg_dict
    assert plain.model.cls_head.type == 'GCNHead' and plain.work_dir.endswith('_joint_all')
    for kind in ('scratch', 'pretrained', 'linear', 'knn'):
        cfg = read(f'finetune/{network}_{kind}.py', data='toy_xsub', segments=4)
        head = cfg.model.cls_head
        assert head.segments == 4 and cfg.work_dir.endswith('_segments-4')
        assert head.type == ('PoolHead' if kind == 'knn' else 'SegmentHead')
        if kind == 'scratch':
            assert head.in_channels == 4 * plain.model.cls_head.in_channels
            assert MODELS.build(cfg.model).cls_head.fc.in_features == head.in_channels


def test_the_classifier_first_is_one_switch():
    cfg = read('finetune/stgcn_scratch.py', head_init='logreg')
    assert cfg.default_hooks.head_init == dict(
        type='HeadInitHook', classifier='logreg', calibrate=True
    )
    assert cfg.work_dir.endswith('_all_logreg')
    for parameters in (dict(head_init='random'), {}):  # the default
        cfg = read('finetune/stgcn_pretrained.py', **parameters)
        assert cfg.default_hooks.head_init.classifier == 'random'
        assert not cfg.default_hooks.head_init.calibrate and cfg.work_dir.endswith('_all')


def test_held_out_subjects_take_the_place_of_the_test_split():
    held = dict(data='uiprmd_xsub', holdout_subjects=['1', '5'])
    rest = dict(held_out=['1', '5'], part='train')
    cfg = read('deeprank/deeprank_stgcn-w16.py', **held)
    name = 'uiprmd_xsub_without-1-5_joint'
    assert cfg.work_dir == f'./work_dirs/deeprank_stgcn-w16_{name}'
    for loader, part in (('train', 'train'), ('val', 'holdout')):
        dataset = cfg[f'{loader}_dataloader'].dataset
        assert (dataset.split, dataset.subjects) == ('xsub_train', rest)
        assert dataset.holdout.part == part
    expected = dict(split='xsub_train', subjects=dict(rest, part='both'))
    knn = read('finetune/stgcn-w16_knn.py', **held)
    for dataset in (cfg.test_dataloader.dataset, knn.test_dataloader.dataset):
        assert {key: dataset[key] for key in expected} == expected
    assert knn.test_evaluator.bank_split == 'xsub_train'
    for kind in ('pretrained', 'scratch', 'linear'):
        tuned = read(f'finetune/stgcn-w16_{kind}.py', share='10p', **held)
        assert tuned.train_dataloader.dataset.subjects == rest
        for loader in (tuned.val_dataloader, tuned.test_dataloader):
            assert loader.dataset.split == 'xsub_train'
            assert loader.dataset.subjects == dict(rest, part='holdout')
        if kind != 'scratch':  # the encoder that has not seen them either
            assert f'./{tuned.model.backbone.init_cfg.checkpoint}' == cfg.work_dir
    assert 'xsub_val' not in str(tuned.test_dataloader) + str(cfg.test_dataloader)
    plain = read('deeprank/deeprank_stgcn-w16.py', data='uiprmd_xsub')
    assert 'subjects' not in str(plain.train_dataloader) + str(plain.test_dataloader)


def test_the_number_of_steps_is_set_in_one_place():
    cfg = read('finetune/sttformer_linear.py', share='10p')
    assert cfg.train_cfg.type == 'ResumableTrainLoop' and cfg.train_cfg.min_steps == 0
    merge_options(cfg, {'train_cfg.min_steps': 900})
    assert cfg.train_cfg.min_steps == 900


def test_a_lower_rate_for_the_encoder_and_fixed_norms_by_options():
    cfg = read('finetune/stgcn-w16_scratch.py', data='toy_xsub')
    merge_options(
        cfg,
        {
            'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1,
            'default_hooks.fix_norm.type': 'FixNormHook',
        },
    )
    model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
    assert {rates[id(p)] for p in model.backbone.parameters()} == {0.1 * 0.1}
    assert {rates[id(p)] for p in model.cls_head.parameters()} == {0.1}
    HOOKS.build(cfg.default_hooks.fix_norm)


def make_batch(cfg):
    """Two random sequences as the config's own pipeline packs them."""
    if cfg.test_dataloader.dataset.type == 'CIFAR100':
        inputs = list(torch.randint(0, 256, (3, 1, 1, 32, 32, 3), dtype=torch.uint8))
        return dict(inputs=inputs, data_samples=make_samples())
    pipeline = cfg.test_dataloader.dataset.pipeline
    persons = pipeline[-2].num_person
    clip_len = 24 if cfg.model.get('segments') else 6  # a tuple of STTFormer's, in each segment
    clips = 2 if cfg.model.type == 'SkeletonMoCo' or cfg.model.get('two_views') else 1
    inputs = [torch.randn(clips, persons, clip_len, cfg.num_joints, 3) for _ in range(3)]
    return dict(inputs=inputs, data_samples=make_samples())


def make_samples():
    """Three samples of three classes."""
    metas = [dict(sample_idx=index, frame_dir=str(index)) for index in range(3)]
    return [ActionDataSample(metainfo=m).set_gt_label(m['sample_idx']) for m in metas]


@pytest.fixture
def bases_read_once(monkeypatch):
    """Read each base config once for the same parameters: a config has six, most are shared."""
    read = Config._file2dict

    def read_once(filename, *args, **kwargs):
        if '_base_' not in filename:
            return read(filename, *args, **kwargs)
        key = (os.path.normpath(filename), *map(os.environ.get, VARIABLES.values()))
        if key not in BASES:
            BASES[key] = read(filename, *args, **kwargs)
        return copy.deepcopy(BASES[key])

    monkeypatch.setattr(Config, '_file2dict', staticmethod(read_once))


def product(path):
    """Parameters of all runs of a config: data set x modality x share, where it has them."""
    cfg = Config.fromfile(path)
    values = dict(data=DATA)
    values.update(dict(modality=MODALITIES) if 'modality' in cfg else {})
    values.update(dict(share=SHARES) if 'share' in cfg else {})
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination))


@pytest.mark.parametrize('path', OURS, ids=names(OURS))
def test_config_with_every_parameter(bases_read_once, path):
    work_dirs = set()
    runs = list(product(path))
    for parameters in runs:
        try:
            cfg = load_config(str(path), **parameters)
            check_parameters(cfg, **parameters)
            build(cfg)
        except (Exception, SystemExit) as error:
            raise AssertionError(f'{path.name} with {parameters}') from error
        assert Path(cfg.work_dir).name == '_'.join([path.stem, *parameters.values()])
        work_dirs.add(cfg.work_dir)
    assert len(work_dirs) == len(runs)


def check_parameters(cfg, data, modality=None, share=None):
    """The facts of the data set, the modality and the share are where they belong."""
    facts = FACTS[data]
    for part in ('train', 'val', 'test'):
        dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
        assert dataset is None or dataset.ann_file == facts.ann_file
    if 'num_classes' in cfg.model.get('cls_head', {}):
        assert cfg.model.cls_head.num_classes == facts.num_classes
    assert modality in (None, cfg.model.data_preprocessor.modality)
    if cfg.get('train_dataloader') is None:
        return
    loader, base = cfg.train_dataloader, cfg.auto_scale_lr.base_batch_size
    assert loader.dataset.split == facts.train_split
    assert loader.batch_size == base == (facts.batch_sizes[share] if share else 64)
    labels = loader.dataset.get('labels')
    assert labels == (
        dict(share=int(share[:-1]) / 100, seed=0) if share not in (None, 'all') else None
    )


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
        number = getattr(getattr(model, 'head', None), 'num_clusters', 3)  # a sample a cluster
        more = torch.randn(number - 3, *features.shape[1:])
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
    for name, value in itertools.product(VARIABLES.values(), ['none']):
        monkeypatch.setenv(name, value)
    assert Config.fromfile(tmp_path / 'dumped.py')._cfg_dict == cfg._cfg_dict
