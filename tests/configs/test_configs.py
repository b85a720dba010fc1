"""Every config builds: model, data set type, hooks; and every model takes one step."""

import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope

from deeprank_plugin.converters.pkummd import ACTIONS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path
    for folder in (ROOT / 'configs', *(ROOT / 'projects').glob('*/configs'))
    for path in folder.rglob('*.py')
    if '_base_' not in path.parts
)
sys.path.insert(0, str(ROOT))  # configs of projects import their own modules by it
STEPPED = set()


@pytest.fixture(autouse=True)
def mmaction_scope():
    init_default_scope('mmaction')


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


DATA = ('toy-xsub', 'uiprmd-xsub', 'ntu60-xsub', 'ntu60-xview', 'ntu120-xsub', 'ntu120-xset')
DATA += ('pkummd1-xsub', 'pkummd1-xview', 'pkummd2-xsub')


@pytest.mark.parametrize('network', ['stgcn', 'stgcn-slim', 'sttformer'])
def test_there_are_configs_for_what_the_readme_says(network):
    stems = {}
    for path in CONFIGS:
        stems.setdefault(path.parent.name, []).append(path.stem)

    def some(folder, start, *parts):
        return [
            stem
            for stem in stems[folder]
            if stem.startswith(f'{start}_') and all(part in stem for part in parts)
        ]

    for data in DATA:
        for modality in ('joint', 'bone', 'motion'):
            for method in ('deeprank', 'deepcluster'):
                assert len(some(method, f'{method}_{network}', f'-{modality}-', data)) == 1
            assert len(some('finetune', network, f'-{modality}-', data)) == 1
        assert len(some('deeprank', f'3s-deeprank_{network}', data)) == 1
        assert len(some('mv_deeprank', f'mv-deeprank_{network}', data)) == 1
        for folder in ('linear', 'knn', 'scratch'):
            assert len(some(folder, network, data)) == 1
        for share in ('1p', '5p', '10p'):
            assert len(some('semi', network, f'-{share}_', data)) == 1
    for source in ('ntu60', 'ntu120', 'pkummd1'):
        assert len(some('transfer', network, f'-{source}-', '_pkummd2-')) == 1
    assert len(some('transfer', network, '-uiprmd-', '_hdm05-')) == 2  # all labels, 10 %


def test_schedules_are_those_of_the_paper():
    def read(folder, start):
        (path,) = (ROOT / 'configs' / folder).glob(f'{start}_*joint*_ntu60-xsub-*.py')
        return Config.fromfile(path)

    for network, lr in (('stgcn', 0.1), ('sttformer', 0.01)):
        cfg = read('deeprank', f'deeprank_{network}')
        assert cfg.optim_wrapper.optimizer == dict(
            type='SGD', lr=lr, momentum=0.9, weight_decay=1e-4
        )
        assert cfg.train_dataloader.batch_size == 64
    cfg = read('finetune', 'stgcn')
    assert cfg.train_cfg.max_epochs == 100 and cfg.optim_wrapper.optimizer.lr == 0.1
    assert [s.milestones for s in cfg.param_scheduler] == [[80]]
    cfg = read('finetune', 'sttformer')
    assert cfg.train_cfg.max_epochs == 90
    assert cfg.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.1, momentum=0.9, weight_decay=4e-4, nesterov=True
    )
    warm_up, steps = cfg.param_scheduler
    assert warm_up.type == 'LinearLR' and warm_up.end == 5
    assert steps.milestones == [60, 80] and steps.gamma == 0.1


def make_batch(cfg):
    """Two random sequences as the config's own pipeline packs them."""
    if cfg.test_dataloader.dataset.type == 'CIFAR100':
        inputs = list(torch.randint(0, 256, (3, 1, 1, 32, 32, 3), dtype=torch.uint8))
        return dict(inputs=inputs, data_samples=make_samples())
    pipeline = cfg.test_dataloader.dataset.pipeline
    persons = pipeline[2].num_person
    clip_len = min(pipeline[1].clip_len, 12)  # a multiple of every tuple length here
    clips = 2 if cfg.model.type == 'SkeletonMoCo' else 1
    inputs = [torch.randn(clips, persons, clip_len, 25, 3) for _ in range(3)]
    return dict(inputs=inputs, data_samples=make_samples())


def make_samples():
    """Three samples of three classes."""
    metas = [dict(sample_idx=index, frame_dir=str(index)) for index in range(3)]
    return [ActionDataSample(metainfo=m).set_gt_label(m['sample_idx']) for m in metas]


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_config(path):
    cfg = Config.fromfile(path)
    if cfg.test_dataloader.dataset.type == 'SkeletonDataset':
        assert cfg.test_dataloader.dataset.pipeline[1].clip_len % 6 == 0  # STTFormer's tuples
    cfg.model.backbone.pop('init_cfg', None)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None:
            dataset = cfg[loader].dataset
            assert DATASETS.get(dataset.type) is not None
            assert DATA_SAMPLERS.get(cfg[loader].sampler.type) is not None
            for transform in dataset.pipeline:
                TRANSFORMS.build(transform)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        if cfg.get(evaluator) is not None:
            METRICS.build(cfg[evaluator])
    for hook in cfg.default_hooks.values():
        HOOKS.build(hook)
    signature = str(cfg.model)
    model = MODELS.build(cfg.model)
    if signature in STEPPED:  # the same network as before: it is known to take a step
        return
    STEPPED.add(signature)
    step(model, make_batch(cfg), trainable=cfg.get('train_cfg') is not None)


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


def test_names_of_classes():
    def read(name):
        path = ROOT / 'configs' / '_base_' / 'datasets' / 'labels' / f'{name}.py'
        return Config.fromfile(path).label_names

    assert len(read('ntu60')) == 60 and len(set(read('ntu120'))) == 120
    assert read('ntu120')[:60] == read('ntu60') and read('ntu120')[60] == 'put on headphone'
    assert tuple(read('pkummd1')) == ACTIONS  # the converter's
    for data, number in (('ntu120_xset', 120), ('pkummd1_xview', 51), ('uiprmd_xsub', 20)):
        cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{data}.py')
        assert len(cfg.train_dataloader.dataset.metainfo.classes) == number
