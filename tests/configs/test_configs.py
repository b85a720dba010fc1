"""Every config builds: model, data set type, hooks; and every model takes one step."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(
    path
    for folder in ('configs', 'projects')
    for path in (ROOT / folder).rglob('*.py')
    if '_base_' not in path.parts
)
STEPPED = set()


@pytest.fixture(autouse=True)
def mmaction_scope():
    init_default_scope('mmaction')


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_are_configs_for_what_the_readme_says():
    found = {path.parent.name for path in CONFIGS}
    assert {'deeprank', 'finetune', 'linear', 'semi', 'knn'} <= found
    for folder in ('deeprank', 'finetune'):
        stems = ' '.join(path.stem for path in CONFIGS if path.parent.name == folder)
        for data in ('toy-xsub', 'uiprmd-xsub', 'ntu60-xsub', 'ntu60-xview', 'ntu120-xsub'):
            for modality in ('joint', 'bone', 'motion'):
                assert f'-{modality}-' in stems and data in stems
        assert 'ntu120-xset' in stems


def make_batch(cfg):
    """Two random sequences as the config's own pipeline packs them."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    persons, clip_len = pipeline[2].num_person, pipeline[1].clip_len
    inputs = [torch.randn(1, persons, clip_len, 25, 3) for _ in range(3)]
    samples = []
    for index in range(3):
        sample = ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=str(index)))
        samples.append(sample.set_gt_label(index))
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize('path', CONFIGS, ids=names(CONFIGS))
def test_config(path):
    cfg = Config.fromfile(path)
    cfg.model.backbone.pop('init_cfg', None)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None:
            dataset = cfg[loader].dataset
            assert DATASETS.get(dataset.type) is not None
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
        model.relabel(torch.randn(3, model.head.in_channels), ['0', '1', '2'])
    if not trainable:
        assert all('feat' in sample for sample in model(**data, mode='predict'))
        return
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)
