"""Every config builds with every data set, modality and share; and every model takes one step."""

import copy
import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config

from deeprank_plugin.command_line import load_config
from deeprank_plugin.command_line.parameters import SHARES, VARIABLES
from deeprank_plugin.engine.hooks.check_run_hook import list_monitored
from deeprank_plugin.engine.metric_names import require_metric
from deeprank_plugin.models.data_preprocessor import MODALITIES
from tests.configs.config_files import DATA, FACTS, OURS, PROJECTS, SMALL, names, student_steps

SEEN = set()  # what was built before is known to build, or to take a step
BASES = {}  # what base configs contain


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


@pytest.mark.slow
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
        values = list(parameters.values())
        if path.stem.endswith('_knn') and values[-1] == 'all':
            del values[-1]  # a bank with all labels goes without saying
        assert Path(cfg.work_dir).name.startswith('_'.join([path.stem, *values]))
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
    whole = 32 if cfg.model.get('two_views') else 64
    assert loader.batch_size == base == (facts.batch_sizes[share] if share else whole)
    labels = loader.dataset.get('labels')
    assert labels == (
        dict(share=int(share[:-1]) / 100, seed=0) if share not in (None, 'all') else None
    )


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


@pytest.mark.parametrize('path', PROJECTS, ids=names(PROJECTS))
def test_config_of_a_project(path):
    build(Config.fromfile(path))


@pytest.mark.parametrize('data', ['ntu60_xsub', 'uiprmd_xsub'])  # which differ in their schedule
@pytest.mark.parametrize('path', [*OURS, *PROJECTS], ids=names([*OURS, *PROJECTS]))
def test_what_a_run_waits_for_is_reported(bases_read_once, monkeypatch, path, data):
    """As CheckRunHook checks it: otherwise the run would not start."""
    monkeypatch.setenv('DATA', data)
    cfg = Config.fromfile(path)
    hooks = [HOOKS.build(hook) for hook in cfg.default_hooks.values()]
    found = list_monitored(SimpleNamespace(hooks=hooks, param_schedulers=None))
    assert not any('monitor' in scheduler for scheduler in cfg.get('param_scheduler') or [])
    for name, setting in found:
        require_metric(name, [METRICS.build(cfg.val_evaluator)], setting)


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
