"""Parameters of the configs: --data, --modality, --share, --pretrained, by our tools and others."""

import json
import re
from pathlib import Path

import mmaction
import pytest
from helpers import ROOT, output_of, run_tool
from mmengine.config import Config

pytestmark = pytest.mark.slow

MV = str(ROOT / 'configs/mv_deeprank/mv-deeprank_stgcn-w16.py')
FINETUNE = str(ROOT / 'configs/finetune/stgcn-w16_pretrained.py')
SCRATCH = str(ROOT / 'configs/finetune/stgcn-w16_scratch.py')
KNN = str(ROOT / 'configs/finetune/stgcn-w16_knn.py')
OURS, THEIRS = ROOT / 'tools', Path(mmaction.__file__).parent / '.mim' / 'tools'

TINY = [
    'model.backbone.base_channels=4',
    'default_hooks.checkpoint.interval=1',
    *(
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val', 'test')
        for option in ('num_workers=0', 'persistent_workers=False', 'batch_size=12')
    ),
]
PRETRAIN = [
    'model.head.in_channels=16',
    'default_hooks.relabel.interval=1',
    'default_hooks.relabel.max_rounds=1',
    'train_dataloader.dataset.holdout.share=0.1',
    'val_dataloader.dataset.holdout.share=0.1',
    'train_cfg.val_interval=1',
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_random_walks):
    """Random walks, and three encoders that MV-DeepRank pretrained for one epoch."""
    folder = tmp_path_factory.mktemp('parameters')
    write_random_walks(folder / 'walks.pkl', 48, 36)
    output_of(
        *(OURS / 'train.py', MV, '--data', 'walks.pkl', '--seed', '0'),
        *('--cfg-options', *TINY, *PRETRAIN),
        cwd=folder,
    )
    return folder


def test_own_data_from_pretraining_of_three_streams_to_a_tenth_of_the_labels(folder):
    pretrained = folder / 'work_dirs' / 'mv-deeprank_stgcn-w16_walks'
    assert (pretrained / 'epoch_1.pth').is_file()
    dumped = Config.fromfile(pretrained / 'mv-deeprank_stgcn-w16.py')
    assert dumped.data == 'walks' and dumped.train_dataloader.dataset.ann_file == 'walks.pkl'
    finetune = [
        *(OURS / 'train.py', FINETUNE, '--data', 'walks.pkl', '--modality', 'bone'),
        *('--share', '10p', '--pretrained', 'work_dirs/mv-deeprank_stgcn-w16_walks'),
    ]
    options = [*TINY, 'model.cls_head.in_channels=16', 'train_cfg.max_epochs=1']
    options += [
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=4',
        'train_cfg.min_steps=0',
    ]
    printed = output_of(*finetune, '--cfg-options', *options, cwd=folder)
    assert "loaded the weights under 'streams.bone.backbone.'" in printed
    assert '12 of 36 samples of walks.pkl' in printed and 'drawn by seed 0' in printed
    name = 'stgcn-w16_pretrained_walks_bone_10p_from-mv-deeprank_stgcn-w16_walks'
    assert (folder / 'work_dirs' / name / 'epoch_1.pth').is_file()
    # another share does not resume it
    other = ['5p' if part == '10p' else part for part in finetune]
    other += ['--resume', '--work-dir', f'work_dirs/{name}', '--cfg-options', *options]
    result = run_tool(*other, cwd=folder)
    assert result.returncode == 2 and "is from a run with share '10p'" in result.stderr


def test_knn_of_one_stream_of_three(folder):
    found = {}
    for modality in ('joint', 'motion'):
        printed = output_of(
            *(OURS / 'test.py', KNN, 'work_dirs/mv-deeprank_stgcn-w16_walks'),
            *('--data', 'walks.pkl', '--modality', modality, '--cfg-options', TINY[0]),
            *(option for option in TINY if option.startswith('test_')),
            cwd=folder,
        )
        assert f"loaded the weights under 'streams.{modality}.backbone.'" in printed
        found[modality] = re.findall(r'knn/top1: [\d.]+', printed)[-1]
    features = output_of(
        *(OURS / 'test.py', MV, 'work_dirs/mv-deeprank_stgcn-w16_walks', '--data', 'walks.pkl'),
        *('--cfg-options', *TINY, 'model.head.in_channels=16'),
        cwd=folder,
    )
    for modality, text in found.items():
        (own,) = re.findall(rf'knn/{modality}/top1: ([\d.]+)', features)
        assert own == text.split(': ')[1]


def test_their_tools_take_the_environment(folder):
    variables = dict(DATA='toy_xsub', MODALITY='motion', SHARE='10p')
    options = [*TINY, 'model.cls_head.in_channels=16', 'train_cfg.max_epochs=1']
    options += [
        f'{part}_dataloader.dataset.ann_file=walks.pkl' for part in ('train', 'val', 'test')
    ]
    options += [
        'train_cfg.val_interval=1',
        'train_dataloader.batch_size=4',
        'train_cfg.min_steps=0',
    ]
    output_of(THEIRS / 'train.py', SCRATCH, '--cfg-options', *options, cwd=folder, **variables)
    work_dir = folder / 'work_dirs' / 'stgcn-w16_scratch_toy_xsub_motion_10p'
    dumped = Config.fromfile(work_dir / 'stgcn-w16_scratch.py')
    assert dumped.model.data_preprocessor.modality == 'motion'
    (log,) = work_dir.glob('*/vis_data/2*.json')
    validated = [json.loads(line) for line in log.read_text().splitlines()][-1]['acc/top1']
    printed = output_of(
        *(THEIRS / 'test.py', work_dir / 'stgcn-w16_scratch.py', work_dir / 'epoch_1.pth'),
        cwd=folder,
    )
    assert f'acc/top1: {validated:.4f}' in printed
