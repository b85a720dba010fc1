"""What the configs say: schedules, shares of labels, parameters of finetuning."""

import pytest
from mmaction.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from deeprank_plugin.command_line.parameters import VARIABLES
from deeprank_plugin.engine.config_keys import merge_options
from tests.configs.config_files import CONFIGS, NETWORKS, OURS, read


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
    few = data in ('uiprmd_xsub', 'hdm05_xsub') and share != 'all'
    assert cfg.train_cfg.min_steps == (3300 if few else 0)
    assert cfg.optim_wrapper.optimizer.lr == (0.02 if few else 0.1)
    labels = cfg.train_dataloader.dataset.labels
    assert labels == (None if share == 'all' else dict(share=int(share[:-1]) / 100, seed=0))


def test_without_the_paths_of_the_pretrained_encoder():
    cfg = read('finetune/stgcn_linear.py', data='toy_xsub', modality='bone')
    expected = read('deeprank/deeprank_stgcn.py', data='toy_xsub', modality='bone').work_dir
    assert f'./{cfg.model.backbone.init_cfg.checkpoint}' == expected
    cfg = read('finetune/stgcn_linear.py', pretrained='work_dirs/mv')
    assert cfg.model.backbone.init_cfg.checkpoint == cfg.pretrained == 'work_dirs/mv'


def test_pretraining_from_another_encoder():
    for method in ('deeprank/deeprank', 'mv_deeprank/mv-deeprank', 'segrank/segrank', 'moco/moco'):
        path = f'{method}_stgcn-w16.py'
        assert 'init_cfg' not in read(path, data='toy_xsub').model.backbone
        cfg = read(path, data='toy_xsub', pretrained='work_dirs/moco/epoch_9.pth')
        init_cfg = dict(type='Pretrained', checkpoint='work_dirs/moco/epoch_9.pth')
        assert cfg.model.backbone.init_cfg == init_cfg and cfg.work_dir.endswith('_from-moco')


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


def test_dumped_config_is_whole(tmp_path, monkeypatch):
    parameters = dict(data='uiprmd_xsub', modality='bone', share='10p', pretrained='work_dirs/x')
    cfg = read('finetune/sttformer_pretrained.py', **parameters)
    cfg.dump(str(tmp_path / 'dumped.py'))
    assert '$' not in (tmp_path / 'dumped.py').read_text()
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, 'none')
    assert Config.fromfile(tmp_path / 'dumped.py')._cfg_dict == cfg._cfg_dict
