"""Keys that nothing reads are rejected with the nearest known one; all others are merged."""

import pytest
from helpers import ROOT

from deeprank_plugin.command_line import load_config
from deeprank_plugin.engine.config_keys import merge_options

SCRATCH = str(ROOT / 'configs/finetune/stgcn-w16_scratch.py')
KNN = str(ROOT / 'configs/finetune/stgcn-w16_knn.py')
MOCO = str(ROOT / 'configs/moco/moco_stgcn-w16.py')
DEEPRANK = str(ROOT / 'configs/deeprank/deeprank_stgcn-w16.py')


@pytest.mark.parametrize(
    ('key', 'nearest'),
    [
        ('ann_file', 'train_dataloader.dataset.ann_file'),
        ('clip_len', 'train_dataloader.dataset.pipeline.1.clip_len'),
        ('total_epochs', 'train_cfg.max_epochs'),
        ('resume_from', 'resume'),
        ('load_form', 'load_from'),
        ('modality', 'use --modality'),
        ('views', 'use --views'),
        ('num_classes', 'use --num-classes'),
        ('batch_size', 'train_dataloader.batch_size'),
        ('train_cfg.max_epoch', 'train_cfg.max_epochs'),
        ('train_dataloader.batchsize', 'train_dataloader.batch_size'),
        ('optim_wrapper.optimizer.learning_rate', 'SGD has no'),
        ('optim_wrapper.optimiser.lr', 'optim_wrapper.optimizer.lr'),
        ('model.cls_head.num_clases', 'model.cls_head.num_classes'),
        ('model.data_preprocessor.modalty', 'model.data_preprocessor.modality'),
        ('train_dataloader.dataset.pipeline.1.clip_length', 'CropResize has no'),
        ('default_hooks.checkpiont.interval', 'default_hooks.checkpoint.interval'),
        ('randomness.sead', 'randomness'),
        ('param_scheduler.5.gamma', 'param_scheduler.0.gamma'),
        ('work_dir.name', 'work_dir'),
        ('model.backbone.base_chanels', 'model.backbone.base_channels'),
        ('default_hooks.checkpoint.inerval', 'default_hooks.checkpoint.interval'),
        ('seed', 'use --seed'),
    ],
)
def test_unknown_keys(key, nearest):
    cfg = load_config(SCRATCH, data='toy_xsub')
    before = cfg.to_dict()
    with pytest.raises(ValueError) as error:
        merge_options(cfg, {'train_cfg.val_interval': 3, key: 1})
    assert str(error.value).startswith(key) and nearest in str(error.value)
    assert cfg.to_dict() == before


@pytest.mark.parametrize(
    ('key', 'value', 'expected'),
    [
        ('train_cfg.max_epochs', 'x', 'a number, such as 30'),
        ('optim_wrapper.optimizer.lr', '0,01', 'a number'),
        ('train_dataloader.dataset.pipeline.1.clip_len', 'long', 'a number, such as 48'),
        ('train_dataloader.drop_last', 'no', 'True or False, such as False'),
        ('resume', 'yes', 'True or False'),
    ],
)
def test_texts_in_the_place_of_numbers(key, value, expected):
    cfg = load_config(SCRATCH, data='toy_xsub')
    with pytest.raises(ValueError, match=f'^{key}={value!r} is a text; expected {expected}'):
        merge_options(cfg, {key: value})


def test_a_part_that_the_config_does_not_have():
    cfg = load_config(SCRATCH, data='toy_xsub')
    with pytest.raises(ValueError, match='no effect: train_dataloader.dataset.labels is None'):
        merge_options(cfg, {'train_dataloader.dataset.labels.share': 0.5})
    for config, part in ((MOCO, 'val_dataloader'), (KNN, 'train_dataloader')):
        cfg = load_config(config, data='toy_xsub')
        with pytest.raises(ValueError, match=f'has no effect: {part} is None in this config'):
            merge_options(cfg, {f'{part}.batch_size': 4})
        assert cfg[part] is None


@pytest.mark.parametrize(
    'options',
    [
        {'train_cfg.max_epochs': 3, 'randomness.seed': 1, 'work_dir': 'mine'},
        {'optim_wrapper.clip_grad.max_norm': 1, 'optim_wrapper.accumulative_counts': 2},
        {'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1},
        {'optim_wrapper.optimizer.dampening': 0.1},
        {'param_scheduler.0.milestones': [4], 'param_scheduler.0.verbose': True},
        {'train_dataloader.num_workers': 0, 'train_dataloader.pin_memory': True},
        {'train_dataloader.num_batch_per_epoch': 3, 'load_from': 'a.pth', 'resume': True},
        {'train_dataloader.dataset.labels': 'names.txt'},
        {'train_dataloader.dataset.indices': 4},
        {'default_hooks.ema.momentum': 0.1, 'default_hooks.ema.type': 'EMAHook'},
        {'default_hooks.checkpoint.save_best': 'acc/top1', 'default_hooks.logger': None},
        {'default_hooks.strict_load.allow_other': ['modality']},
        {'custom_hooks': [dict(type='EMAHook')], 'env_cfg.dist_cfg.timeout': 3},
        {'env_cfg.cudnn_benchmark': True, 'model.backbone.init_cfg': None},
        {'model.backbone.init_cfg.type': 'Pretrained', 'model.backbone.init_cfg.checkpoint': 'a'},
        {'model.backbone.gcn_adaptive': 'init', 'model.cls_head.dropout': 0.5},
        {'model.backbone.graph_cfg.max_hop': 2, 'model.test_cfg.feature_extraction': True},
        {'test_evaluator.metric_options.top_k_accuracy.topk': (1, 2)},
        {'val_evaluator.prefix': 'mine', 'test_evaluator': None, 'compile': True},
        {'train_cfg._delete_': True, 'train_cfg.type': 'IterBasedTrainLoop'},
    ],
    ids=lambda options: next(iter(options)),
)
def test_known_keys_are_merged(options):
    cfg, expected = (load_config(SCRATCH, data='toy_xsub') for _ in range(2))
    merge_options(cfg, dict(options))
    expected.merge_from_dict(dict(options))
    assert cfg.to_dict() == expected.to_dict()


def test_keys_of_pretraining():
    cfg = load_config(DEEPRANK, data='toy_xsub')
    merge_options(cfg, {'model.gather': False, 'default_hooks.relabel.min_delta': 0.1})
    assert cfg.model.gather is False
    with pytest.raises(ValueError, match='DeepRank has no .*Nearest: model.'):
        merge_options(cfg, {'model.normalise': 'l1'})
