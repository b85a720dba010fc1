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
from mmengine.optim import build_optim_wrapper

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import SHARES
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
    for method in ('deepcluster', 'moco', 'mae', 'triplet'):
        expected |= {f'{method}/{method}_{network}' for network in NETWORKS}
    for kind in ('pretrained', 'scratch', 'linear', 'knn'):
        expected |= {f'finetune/{network}_{kind}' for network in NETWORKS}
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
    clip_len = 6  # one tuple of STTFormer's
    clips = 2 if cfg.model.type == 'SkeletonMoCo' else 1
    inputs = [torch.randn(clips, persons, clip_len, cfg.num_joints, 3) for _ in range(3)]
    return dict(inputs=inputs, data_samples=make_samples())


def make_samples():
    """Three samples of three classes."""
    metas = [dict(sample_idx=index, frame_dir=str(index)) for index in range(3)]
    return [ActionDataSample(metainfo=m).set_gt_label(m['sample_idx']) for m in metas]


def combinations(path):
    """Parameters of the runs of a config: each data set, share and modality.

    Each share with each data set only where two networks are finetuned: the bases are the same.
    """
    cfg = Config.fromfile(path)
    for data in DATA:
        yield dict(data=data)
        if 'share' in cfg and (data == DATA[0] or path.stem in THOROUGH):
            yield from (dict(data=data, share=share) for share in SHARES[1:])
    if 'modality' in cfg:
        yield from (dict(data=DATA[0], modality=modality) for modality in MODALITIES[1:])


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


@pytest.mark.parametrize('layout', ['coco', 'kinect-v1'])
@pytest.mark.parametrize('path', SMALL, ids=names(SMALL))
def test_config_with_another_layout(monkeypatch, path, layout):
    monkeypatch.setenv('DATA', 'custom')
    monkeypatch.setenv('LAYOUT', layout)
    cfg = Config.fromfile(path)
    planar = layout == 'coco'
    types = {step['type'] for step in cfg.train_pipeline}
    views = cfg.get('views', {}) if cfg.model.type == 'SkeletonMoCo' else {}
    types |= {step['type'] for step in views.get('transforms', [])}
    assert ('PreNormalize2D' in types) == planar and ('CenterSkeleton' in types) != planar
    assert not planar or not types & {'RandomRotate3D', 'RandomShear3D'}
    build(cfg)


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
    for name, value in itertools.product(
        ('DATA', 'LAYOUT', 'MODALITY', 'SHARE', 'PRETRAINED', 'SEGMENTS', 'HEAD_INIT'), ['none']
    ):
        monkeypatch.setenv(name, value)
    assert Config.fromfile(tmp_path / 'dumped.py')._cfg_dict == cfg._cfg_dict
