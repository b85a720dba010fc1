"""The project's configs from pretraining to k-NN, by MMAction2's own tools and by ours."""

import json
from pathlib import Path

import mmaction
import pytest
import torch
from helpers import ROOT, run_tool

import deeprank_plugin  # noqa: F401  lets torch.load open MMEngine's checkpoints

pytestmark = pytest.mark.slow

CONFIGS = ROOT / 'configs'
OURS, THEIRS = ROOT / 'tools', Path(mmaction.__file__).parent / '.mim' / 'tools'
TINY = [
    'model.backbone.base_channels=4',
    'default_hooks.checkpoint.interval=1',
    *(f'{loader}.num_workers=0' for loader in ('val_dataloader', 'test_dataloader')),
    *(f'{loader}.persistent_workers=False' for loader in ('val_dataloader', 'test_dataloader')),
]
TRAINED = [
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.batch_size=12',
]


FINETUNE, LINEAR, KNN = (
    CONFIGS / 'finetune' / f'stgcn-w16_{kind}.py' for kind in ('pretrained', 'linear', 'knn')
)
DEEPRANK = CONFIGS / 'deeprank' / 'deeprank_stgcn-w16.py'


def run(tool, *arguments):
    result = run_tool(tool, *arguments, DATA='toy_xsub')
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


def figures(work_dir):
    lines = []
    for path in sorted(Path(work_dir).rglob('2*.json')):
        lines += [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    merged = {}
    for line in lines:
        merged.update(line)
    return merged


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_random_walks):
    """Annotations of 48 random walks, and a pretrained encoder made by MMAction2's train.py."""
    folder = tmp_path_factory.mktemp('whole')
    write_random_walks(folder / 'toy.pkl', 48, 36)
    run(
        THEIRS / 'train.py',
        *(DEEPRANK, '--work-dir', folder / 'pretrain', '--seed', '0', '--cfg-options'),
        *(*TINY, *TRAINED, *data_options(folder, 'train', 'val', 'test'), *PRETRAIN_OPTIONS),
    )
    return folder


PRETRAIN_OPTIONS = [
    'model.head.in_channels=16',
    'default_hooks.relabel.interval=1',
    'default_hooks.relabel.max_rounds=2',
    'train_dataloader.dataset.holdout.share=0.1',
    'val_dataloader.dataset.holdout.share=0.1',
    'train_cfg.val_interval=1',
]


def data_options(folder, *parts):
    return [f'{part}_dataloader.dataset.ann_file={folder / "toy.pkl"}' for part in parts]


def test_pretraining_by_their_tool(folder):
    logged = figures(folder / 'pretrain')
    assert logged['relabel/round'] == 2
    assert 0 <= logged['relabel/flipped'] <= 1
    checkpoint = torch.load(folder / 'pretrain' / 'epoch_2.pth')
    assert checkpoint['relabel']['bank']['features'].shape == (36, 16)


def finetune_options(folder, checkpoint):
    return [
        *('--cfg-options', *TINY, *TRAINED, *data_options(folder, 'train', 'val', 'test')),
        *('model.cls_head.in_channels=16', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1'),
        f'model.backbone.init_cfg.checkpoint={checkpoint}',
    ]


def test_finetuning_from_the_pretraining_work_dir_by_our_tool(folder):
    options = finetune_options(folder, folder / 'pretrain')  # the folder: its latest checkpoint
    work_dir = folder / 'finetune'
    printed = run(OURS / 'train.py', FINETUNE, '--work-dir', work_dir, *options)
    assert 'loaded the weights under' in printed and 'epoch_2.pth' in printed
    validated = figures(work_dir)['acc/top1']
    for tool in (OURS, THEIRS):
        printed = run(
            tool / 'test.py',
            *(FINETUNE, work_dir / 'epoch_1.pth'),
            *('--work-dir', folder / f'test_{tool.parent.name}', '--cfg-options', *TINY),
            *(*data_options(folder, 'test'), 'model.cls_head.in_channels=16'),
        )
        assert f'acc/top1: {validated:.4f}' in printed


def test_linear_probe_leaves_the_encoder_alone(folder):
    options = finetune_options(folder, folder / 'pretrain' / 'epoch_2.pth')
    work_dir = folder / 'linear'
    run(OURS / 'train.py', LINEAR, '--work-dir', work_dir, *options)
    before = torch.load(folder / 'pretrain' / 'epoch_2.pth')['state_dict']
    after = torch.load(work_dir / 'epoch_1.pth')['state_dict']
    encoder = [key for key in after if key.startswith('backbone.')]
    assert len(encoder) > 100
    for key in encoder:
        assert torch.equal(before[key], after[key]), key
    assert 'acc/top1' in figures(work_dir)


def test_semi_supervised_uses_the_listed_samples_only(folder):
    names = [f's{index:02d}' for index in range(24)]
    (folder / 'labels.txt').write_text('\n'.join(names))
    options = finetune_options(folder, folder / 'pretrain' / 'epoch_2.pth')
    run(
        *(
            OURS / 'train.py',
            FINETUNE,
            '--work-dir',
            folder / 'semi',
            *options,
        ),
        f'train_dataloader.dataset.labels={folder / "labels.txt"}',
    )
    assert torch.load(folder / 'semi' / 'epoch_1.pth')['meta']['iter'] == 24 // 12


def test_knn_by_both_tools_and_both_models(folder):
    """A RecognizerGCN and DeepRank give the same neighbours."""
    options = ['--cfg-options', *TINY, *data_options(folder, 'test')]
    checkpoint = folder / 'pretrain' / 'epoch_2.pth'
    found = []
    for tool, path, more in (
        (OURS, KNN, []),
        (THEIRS, KNN, []),
        (OURS, DEEPRANK, ['model.head.in_channels=16']),
    ):
        options_of = [
            option for option in options if 'knn' not in str(path) or 'val_' not in option
        ]
        printed = run(
            *(tool / 'test.py', path, checkpoint, '--work-dir', folder / 'knn'),
            *(*options_of, *more),
        )
        line = [line for line in printed.splitlines() if 'knn/top1' in line][-1]
        found.append(line[line.index('knn/top1') : line.index('data_time')])
    assert found[0] == found[1] == found[2]
    assert 'knn/num_bank: 36' in found[0]
