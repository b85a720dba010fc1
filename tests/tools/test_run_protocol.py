"""run_protocol.py from an MV-DeepRank checkpoint to fused results, interrupted and resumed."""

import importlib.util
import json
import pickle
import re
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT, output_of, run_tool
from mmaction.evaluation import mean_class_accuracy

import deeprank_plugin  # noqa: F401  lets torch.load open MMEngine's checkpoints

FINETUNE = ROOT / 'configs/finetune/stgcn-w16_pretrained.py'
KNN = ROOT / 'configs/finetune/stgcn-w16_knn.py'
PRETRAIN = ROOT / 'configs/mv_deeprank/mv-deeprank_stgcn-w16.py'


def options(*parts):
    found = ['model.backbone.base_channels=4']
    for part in parts:
        found += [
            f'{part}_dataloader.num_workers=0',
            f'{part}_dataloader.persistent_workers=False',
        ]
    return found


@pytest.fixture(scope='module')
def folder(tmp_path_factory, write_random_walks):
    """Random walks in 12 classes, and three encoders pretrained for one epoch.

    The path holds blanks and commas, which MMEngine's options would take apart.
    """
    folder = tmp_path_factory.mktemp('proto col, views=self,other')
    write_random_walks(folder / 'toy.pkl', 60, 48)
    output_of(
        *('train.py', PRETRAIN, '--data', folder / 'toy.pkl', '--work-dir', folder / 'mv'),
        *('--seed', '0', '--cfg-options'),
        *(*options('train', 'val', 'test'), 'train_dataloader.batch_size=12'),
        *('model.head.in_channels=16', 'default_hooks.relabel.interval=1'),
        *('default_hooks.relabel.max_rounds=1', 'default_hooks.checkpoint.interval=1'),
        *('train_dataloader.dataset.holdout.share=0.1', 'val_dataloader.dataset.holdout.share=0.1'),
    )
    return folder


def protocol(folder, out, *more):
    return [
        *('run_protocol.py', FINETUNE, out, '--data', folder / 'toy.pkl', *more),
        '--cfg-options',
        *(*options('train', 'val', 'test'), 'model.cls_head.in_channels=16'),
        *('train_dataloader.batch_size=4', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2'),
        'train_cfg.min_steps=0',
        'default_hooks.checkpoint.interval=1',
    ]


@pytest.mark.slow
def test_streams_fusion_and_resume(folder):
    out = folder / 'semi'
    command = protocol(
        *(folder, out, '--checkpoint', folder / 'mv', '--share', '10p'),
        *('--streams', 'joint', 'motion', '--seeds', '3'),
    )
    printed = output_of(*command)
    assert 'batch 1 x 4 = 4' in printed and 'for a batch of 16' in printed
    results = json.loads((out / 'results.json').read_text())['results']
    assert set(results) == {'joint', 'motion', 'fused'}
    # one sample of every class is labelled, and each stream began from its own encoder
    log = (out / 'motion' / 'seed_3' / 'train.log').read_text()
    assert '12 of 48 samples' in log and 'a share of 0.1 of each class, drawn by seed 3' in log
    assert "under 'streams.motion.backbone.'" in log
    # the fusion is the one of the dumped scores
    hits = []
    dumps = [
        pickle.loads((out / stream / 'seed_3' / 'scores.pkl').read_bytes())
        for stream in ('joint', 'motion')
    ]
    for first, second in zip(*dumps):
        assert first['frame_dir'] == second['frame_dir']
        total = first['pred_score'].double() + second['pred_score'].double()
        hits.append(int(total.argmax()) == int(first['gt_label']))
    assert results['fused']['seeds']['3']['acc/top1'] == pytest.approx(np.mean(hits))

    # a run that was cut after its first epoch is finished, others are not touched
    cut, kept = out / 'joint' / 'seed_3', out / 'motion' / 'seed_3'
    (cut / 'result.json').unlink()
    (cut / 'epoch_2.pth').unlink()
    (cut / 'last_checkpoint').write_text(str(cut / 'epoch_1.pth'))
    times = {path: path.stat().st_mtime for path in kept.rglob('*')}
    output_of(*command)
    assert json.loads((out / 'results.json').read_text())['results'] == results
    assert 'resumed epoch: 1' in (cut / 'train.log').read_text()
    assert {path: path.stat().st_mtime for path in kept.rglob('*')} == times

    # other settings do not mix with these results
    other = run_tool(*command[:-1], 'default_hooks.checkpoint.interval=2')
    assert other.returncode == 2
    assert 'results with another' in other.stderr and 'name another folder' in other.stderr


@pytest.fixture
def tool(monkeypatch):
    """The tool as a module."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    spec = importlib.util.spec_from_file_location('run_protocol', ROOT / 'tools/run_protocol.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture
def call(tool, tmp_path, make_annotations, monkeypatch, capsys):
    """A function that runs the tool without training: commands of its runs, and what it printed.

    Each test gives ``metrics`` and dumps ``scores``.
    """
    data = make_annotations(40)

    def call(config, *more, metrics={'acc/top1': 0.5}, scores=()):
        commands = []

        def run_tool(command, log):
            commands.append(' '.join(map(str, command)))
            if 'test.py' in commands[-1]:
                folder = log.parent / 'test' / 'now'
                folder.mkdir(parents=True, exist_ok=True)
                (folder / 'now.json').write_text(json.dumps(metrics))
                (log.parent / 'scores.pkl').write_bytes(pickle.dumps(scores))

        monkeypatch.setattr(tool, 'run_tool', run_tool)
        given = ['x', str(config), str(tmp_path / 'out'), '--data', data, '--checkpoint', 'none']
        monkeypatch.setattr(sys, 'argv', [*given, *more])
        tool.main()
        return commands, capsys.readouterr().out

    return call


@pytest.mark.parametrize('source', ['option', 'environment', 'config', 'bank'])
def test_each_seed_draws_its_own_labels(call, tmp_path, monkeypatch, source):
    config, more, key = FINETUNE, ['--seeds', '0', '7'], 'train_dataloader.dataset.labels'
    if source == 'option':
        more += ['--share', '10p']
    elif source == 'config':
        config = tmp_path / 'own.py'
        labels = 'labels=dict(share=0.1, _delete_=True)'
        config.write_text(f"_base_ = '{FINETUNE}'\ntrain_dataloader = dict(dataset=dict({labels}))")
    else:
        monkeypatch.setenv('SHARE', '10p')
    if source == 'bank':
        config, key = ROOT / 'configs/finetune/raw_knn.py', 'test_evaluator.labels'
    commands, _ = call(config, *more)
    drawn = [[seed for seed in (0, 7) if f'{key}.seed={seed}' in text] for text in commands]
    assert drawn == ([[0], [7]] if source == 'bank' else [[0], [], [7], []])  # train, test
    settings = tmp_path / 'out' / 'joint' / 'settings.json'
    recorded = json.loads(settings.read_text())
    assert recorded['share'] == '10p'


def test_folders_of_an_older_version(call, tmp_path, monkeypatch, capsys):
    call(FINETUNE)
    settings = tmp_path / 'out' / 'joint' / 'settings.json'
    settings.write_text(json.dumps(dict(json.loads(settings.read_text()), share='all')))
    assert call(FINETUNE, '--share', 'all')[0] == []
    # all seeds of a folder had the same labels where SHARE, not --share, gave the share
    monkeypatch.setenv('SHARE', '10p')
    settings.unlink()
    call(FINETUNE)
    settings.write_text(json.dumps(dict(json.loads(settings.read_text()), share=None)))
    with pytest.raises(SystemExit):
        call(FINETUNE)
    assert "results with another share (None, now '10p')" in capsys.readouterr().err


def test_mean_of_the_classes_that_occur(call, tmp_path, capsys):
    labels, found = np.array([0, 0, 0, 1]), [0, 0, 2, 1]  # class 2 is found where it is not
    scores = np.eye(3)[found]
    mmaction = float(mean_class_accuracy(scores, labels))
    assert mmaction == pytest.approx((2 / 3 + 1 + 0) / 3)
    dump = [
        dict(frame_dir=f's{index}', pred_score=row, gt_label=np.array([label]))
        for index, (row, label) in enumerate(zip(scores, labels))
    ]
    metrics = {'acc/top1': 0.75, 'acc/mean1': mmaction}
    _, printed = call(FINETUNE, metrics=metrics, scores=dump)
    assert '| top-1 | mean class |' in printed and '| 75.0  | 83.3       |' in printed
    folder = tmp_path / 'out' / 'joint' / 'seed_0'
    result = json.loads((folder / 'result.json').read_text())
    assert result == pytest.approx({'acc/top1': 0.75, 'acc/mean_class': (2 / 3 + 1) / 2})

    # a run that an older version has completed
    (folder / 'result.json').write_text(json.dumps(metrics))
    commands, again = call(FINETUNE)
    assert '| 75.0  | 83.3       |' in again and commands == []
    (folder / 'result.json').write_text(json.dumps(metrics))
    (folder / 'scores.pkl').unlink()
    with pytest.raises(SystemExit):
        call(FINETUNE)
    assert f'To test again, remove {folder / "result.json"}.' in capsys.readouterr().err


def test_table_of_means_and_sample_deviations(tool):
    runs = {0: {'acc/top1': 0.5, 'acc/top5': 1.0}, 1: {'acc/top1': 0.7, 'acc/top5': 1.0}}
    summary = tool.summarise(runs)
    assert summary['acc/top1']['mean'] == pytest.approx(0.6)
    assert summary['acc/top1']['std'] == pytest.approx(0.2 / 2**0.5)
    single = dict(seeds={0: runs[0]}, summary=tool.summarise({0: runs[0]}))
    table = tool.format_table(dict(joint=dict(seeds=runs, summary=summary), bone=single))
    assert '| 60.0 ± 14.1 | 100.0 ± 0.0 | 50.0, 70.0' in table
    assert '| bone   | 50.0        | 100.0       | 50.0' in table


def test_what_the_tools_warn_of_loudly_is_passed_on(tool, tmp_path):
    said = ['a.pth was trained: THE TEST SAMPLES, OR SOME, WERE TRAINED ON', 'of no matter']
    text = '\n'.join(f'11/28 13:00:15 - mmengine - WARNING - {line}' for line in said)
    with pytest.warns(UserWarning) as found:
        tool.run_tool([sys.executable, '-c', f'print({text!r})'], tmp_path / 'log')
    assert [str(warning.message) for warning in found] == said[:1]


@pytest.mark.parametrize('option', [('--seeds', '1', '1'), ('--streams', 'bone', 'bone')])
def test_one_of_them_twice(tool, monkeypatch, capsys, option):
    monkeypatch.setattr(sys, 'argv', ['x', str(FINETUNE), 'out', '--checkpoint', 'none', *option])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2 and 'one of them twice' in capsys.readouterr().err


def test_another_file_under_the_same_name(tool, tmp_path, make_annotations, capsys, monkeypatch):
    path = make_annotations(20)
    monkeypatch.setattr(
        *(sys, 'argv', ['run_protocol.py', str(FINETUNE), 'out', '--checkpoint', 'none']),
    )
    args = tool.parse_args()

    def record():
        cfg = tool.load_config(str(FINETUNE), data=path)
        tool.record_settings(tmp_path / 'out', tool.collect_settings(args, cfg, dict(joint=None)))

    record()
    record()
    make_annotations(20, shape=(25, 3), bodies=2)
    with pytest.raises(SystemExit):  # the number of bodies is in the config
        record()
    assert 'results with another config_sha256' in capsys.readouterr().err
    make_annotations(20, change=lambda content: content['annotations'][3].update(label=1))
    with pytest.raises(SystemExit) as ended:
        record()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f'results of other contents of {path}: name another folder' in said
    settings = tmp_path / 'out' / 'settings.json'
    recorded = json.loads(settings.read_text())
    del recorded['data']
    settings.write_text(json.dumps(recorded))
    with pytest.raises(SystemExit):
        record()
    assert 'results without a record of their data' in capsys.readouterr().err


@pytest.mark.slow
def test_knn_of_a_published_stream_and_from_scratch(folder):
    output_of('publish_encoder.py', folder / 'mv' / 'epoch_1.pth', folder / 'encoder.pth')
    (published,) = folder.glob('encoder_joint-*.pth')
    printed = output_of(
        *('run_protocol.py', KNN, folder / 'knn', '--data', folder / 'toy.pkl'),
        *('--checkpoint', published),
        *('--cfg-options', *options('test')),
    )
    assert '| joint' in printed and 'knn/top1' in printed
    without = ('--checkpoint', 'none', '--share', 'all')
    printed = output_of(*protocol(folder, folder / 'scratch', *without))
    log = (folder / 'scratch' / 'joint' / 'seed_0' / 'train.log').read_text()
    assert 'loaded the weights under' not in log
    assert 'top-1' in printed


@pytest.mark.parametrize(
    'more, message',
    [
        (['--checkpoint', 'nowhere.pth'], 'does not exist'),
        (['--checkpoint', 'bone=a.pth', '--streams', 'joint'], 'one for each as joint=FILE'),
        (['--checkpoint', 'none', '--data', 'toy'], 'is not known; expected one of hdm05_xsub'),
        (['--checkpoint', 'none', '--weights', '1', '2'], 'give one for each'),
        (['--checkpoint', 'FOREIGN'], 'holds the encoder of bone'),
        (['--checkpoint', 'none', '--data', 'a.pkl', 'b.pkl'], 'a.pkl b.pkl: .*tools/train.py'),
    ],
)
def test_errors(tool, monkeypatch, capsys, tmp_path, more, message):
    if 'FOREIGN' in more:
        config = "model = dict(type='DeepRank', data_preprocessor="
        config += "dict(type='SkeletonPreprocessor', modality='bone'))"
        content = dict(state_dict={'backbone.w': torch.ones(1)}, meta=dict(cfg=config))
        torch.save(content, tmp_path / 'bone.pth')
        more = ['--checkpoint', str(tmp_path / 'bone.pth')]
    monkeypatch.setattr(
        sys, 'argv', ['run_protocol.py', str(FINETUNE), str(tmp_path / 'out'), *more]
    )
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, sentence)
    assert not (tmp_path / 'out').exists()
