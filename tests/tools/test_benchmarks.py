"""Benchmarks on tiny inputs: they run, write their figures, and compare equal things."""

import json
import sys
import warnings

import gpu
import gpu_hours
import gpu_measuring
import pytest
import ranking_loss
import run_all
import sttformer_speed
import torch
from helpers import ROOT, run_tool

from deeprank_plugin.models import STTFormer

FOLDER = ROOT / 'tools' / 'benchmark'
TINY = dict(
    ranking_loss='--batch-size 6 --channels 8 --hidden 8 --sizes 4 --repeats 1 --step-batch 0',
    input_pipeline='--repeats 2 --batch-size 2 --profile',
    handover='--tiny',
    absent_bodies='--batch-size 2 --frames 6 --repeats 1',
    sttformer_speed='--batch-sizes 1 --frames 6 --repeats 1',
    relabelling='--sequences 4 --frames 8 --width 4 --numbers 40 --clusters 2 --batches 8 '
    '--channels 4 --repeats 1',
    growth='--numbers 64 --frames 4 --channels 4',
    streaming='--tiny',
    gpu='--device cpu --tiny --networks stgcn --ways default fp32 bf16_compiled',
)


def start(name, *options):
    return run_tool(f'benchmark/{name}.py', *options)


def figures(name, folder, *more):
    out = folder / 'out.json'
    result = start(name, *TINY[name].split(), '--out', out, *more)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='memory is read from /proc')
def test_ranking_loss_gives_the_gathered_numbers(tmp_path):
    content = figures('ranking_loss', tmp_path)
    pairs, gathered, one = content['rows']
    assert pairs['way'] == 'pairs' and gathered['time_ratio'] > 0
    assert pairs['relative_difference'] < 1e-3 and one['triplets'] == 24
    assert content['conditions']['torch']


@pytest.mark.slow
def test_input_pipelines_give_the_same_clip(tmp_path):
    content = figures('input_pipeline', tmp_path)
    assert content['conditions']['difference'] < 2e-4  # float32 positions there
    assert {row['pipeline'] for row in content['rows']} >= {'ours', 'MMAction2', 'plain PyTorch'}
    assert all(row['us_per_sample'] > 0 for row in content['rows'])


@pytest.mark.slow
@pytest.mark.parametrize('frames', [[], ['--frames', 4, 5]], ids=['equal', 'different'])
def test_batches_are_handed_over(tmp_path, frames):
    rows = figures('handover', tmp_path, *frames)['rows']
    assert [row['way'] for row in rows] == ['list', 'stacked'] and rows[0]['ratio'] == 1
    assert all(row['ms_per_batch'] > 0 for row in rows)


@pytest.mark.slow
def test_absent_bodies_change_no_feature(tmp_path):
    rows = figures('absent_bodies', tmp_path)['rows']
    assert len(rows) == 6 and all(row['difference'] < 1e-5 and row['ratio'] > 0 for row in rows)


@pytest.mark.slow
def test_sttformer_equals_the_formulas(tmp_path):
    rows = figures('sttformer_speed', tmp_path)['rows']
    assert [row['way'] for row in rows] == ['plain', 'ours']
    assert all(row['difference'] < 1e-4 and row['seconds'] > 0 for row in rows)


@pytest.mark.slow
def test_relabelling_has_three_parts_and_a_picture(tmp_path):
    rows = figures('relabelling', tmp_path, '--picture', tmp_path / 'cost.png')['rows']
    assert [row['part'] for row in rows] == ['extraction'] * 2 + ['round'] * 2 + ['batch']
    assert rows[0]['throughput'] == 1 and rows[3]['clusters'] == 2
    assert (tmp_path / 'cost.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.slow
def test_gpu_has_every_part_on_a_cpu(tmp_path):
    rows = figures('gpu', tmp_path)['rows']
    assert list(dict.fromkeys(row['part'] for row in rows)) == list(gpu.PARTS)
    assert [row['way'] for row in rows[:3]] == ['default', 'fp32', 'bf16_compiled']
    assert all(row['samples_s'] > 0 for row in rows if row['part'] in ('steps', 'mv', 'loader'))
    assert [row['encoders'] for row in rows if row['part'] == 'mv'] == ['one by one', 'at once']


@pytest.mark.slow
def test_streaming_has_both_ways(tmp_path):
    rows = figures('streaming', tmp_path)['rows']
    ways = ['batch 1', 'batch 2', 'push, 1 person', 'push, 2 persons']
    assert [row['way'] for row in rows] == ways and all(row['windows_s'] > 0 for row in rows)
    assert all(row['store_ms'] < row['classify_ms'] <= row['classify_p99_ms'] for row in rows[2:])


@pytest.mark.slow
def test_growth(tmp_path):
    (row,) = figures('growth', tmp_path)['rows']
    assert row['number'] == 64 and row['bank_mib'] == 64 * 4 * 4 / 2**20
    assert row['file_mib'] > 64 * 4 * 75 * 4 / 2**20  # all coordinates are in the file
    result = start('growth', '--numbers', 10)
    assert result.returncode == 2 and 'a batch' in result.stderr


@pytest.mark.slow
def test_run_all_says_what_was_reached(tmp_path):
    command = ('--only', 'input_pipeline', '--out-dir', tmp_path, '--options')
    result = start('run_all', *command, TINY['input_pipeline'])
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'Targets' in result.stdout
    targets = json.loads((tmp_path / 'targets.json').read_text())['rows']
    assert [row['target'] for row in targets] == ['>= 15', '>= 3']
    for row, least in zip(targets, (15, 3)):
        assert row['met'] == ('yes' if row['measured'] >= least else 'NO')
    assert (tmp_path / 'input_pipeline.txt').is_file()


@pytest.mark.slow
def test_run_all_names_what_failed(tmp_path):
    command = ('--only', 'growth', '--out-dir', tmp_path, '--options', '--numbers 10')
    result = start('run_all', *command)
    assert result.returncode == 1 and 'failed: growth' in result.stderr


def test_projected_hours():
    steps = [
        dict(network='stgcn', way='default', samples_s=1000.0, step_ms=64.0),
        dict(network='stgcn', way='bf16', samples_s=2000.0, step_ms=32.0),
    ]
    found = dict(
        steps=steps,
        mv=[dict(network='stgcn', encoders='one by one', samples_s=250.0, peak_mib=30000.0)],
        extraction=[dict(network='stgcn', samples_s=4000.0, to_bare_loop=0.8)],
    )
    rows = {(row['row'], row['way']): row for row in gpu_hours.project(found, gpu.CONFIGS)}
    assert len(rows) == 12  # of ST-GCN, in two ways
    epochs, extractions = 150 * 0.95, 5
    row = rows['DeepRank, 3s-ST-GCN', 'default']
    seconds = 3 * 40091 * (epochs / 1000 + extractions / 4000)
    assert row['pretrain_h_X-Sub'] == pytest.approx(seconds / 3600)
    assert row['finetune_h_X-View'] == pytest.approx(3 * 37646 * 100 / 1000 / 3600)
    row = rows['MV-DeepRank, 3s-ST-GCN', 'bf16']  # pretrained once, twice as fast as by default
    seconds = 40091 * (epochs / 500 + 3 * extractions / 4000)
    assert row['pretrain_h_X-Sub'] == pytest.approx(seconds / 3600)
    found['loader'] = [dict(workers=4, samples_s=500.0), dict(workers=12, samples_s=800.0)]
    row = gpu_hours.project(found, gpu.CONFIGS)[0]
    assert row['finetune_h_X-Sub'] == pytest.approx(40091 * 100 / 800 / 3600)
    aims = {row['what']: row['met'] for row in gpu_hours.compare_with_aims(found)}
    assert aims['extraction / bare loop, ST-GCN'] == 'NO'
    assert aims['100 epochs of DeepRank, ST-GCN, X-Sub, hours'] == 'yes'
    assert len(aims) == 2
    with pytest.raises(ValueError, match='--only steps ... hours'):
        gpu_hours.project({}, gpu.CONFIGS)


def test_waits_are_counted_by_place(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, 'set_sync_debug_mode', modes.append)

    def call():
        if modes == ['warn']:
            for _ in range(2):
                warnings.warn('called a synchronizing CUDA operation', stacklevel=1)
            warnings.warn('something else', stacklevel=1)

    found = gpu_measuring.count_waits(call, 'cuda')
    ((place, number),) = found.items()
    assert place.startswith('test_benchmarks.py:') and number == 2
    assert modes == ['warn', 'default'] and gpu_measuring.count_waits(call, 'cpu') is None


def test_utilisation_is_that_of_the_gpu_in_use(monkeypatch):
    commands = []
    monkeypatch.setattr(gpu_measuring.subprocess, 'Popen', lambda c, **_: commands.append(c))
    for visible in ('2,3', ''):
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
        gpu_measuring.Watch(on_gpu=True)
    assert ['--id=2' in commands[0], '--id=0' in commands[1]] == [True, True]


@pytest.mark.parametrize('module', [gpu, ranking_loss, sttformer_speed])
@pytest.mark.parametrize(
    'device, there, message',
    [
        (
            'cuda:1',
            True,
            "'cuda:1'; expected cpu, or cuda: choose the card by CUDA_VISIBLE_DEVICES",
        ),
        ('card', False, "'card'; expected cpu, or cuda"),
        ('cuda', False, 'cuda, and PyTorch finds no GPU; expected cpu'),
    ],
)
def test_devices(monkeypatch, capsys, module, device, there, message):
    monkeypatch.setattr(sys, 'argv', ['benchmark', '--device', device])
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: there)
    with pytest.raises(SystemExit):
        module.parse_args()
    assert message in capsys.readouterr().err


def test_sttformer_speed_leaves_the_model_as_it_is():
    model = STTFormer(num_joints=3, blocks=[[4, 4, 2]])
    stride = model.blocks[0].temporal[0].weight.stride()
    fast = sttformer_speed.compiled_copy(model)
    assert model.blocks[0].temporal[0].weight.stride() == stride
    assert fast.blocks[0].temporal[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_share_of_a_step_on_a_gpu_is_that_of_64_samples(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    command = ['ranking_loss.py', '--step-batch', '4', '--device']
    for device, expected in (('cuda', 64), ('cpu', 4)):
        monkeypatch.setattr(sys, 'argv', [*command, device])
        assert ranking_loss.parse_args().step_batch == expected
    measured = dict(part='share of a step', step='measured', batch=64, share_percent=3.0)
    assert run_all.SHARE([measured]) == 3.0


def test_extraction_is_measured_with_labels():
    assert gpu.RandomSequences(3, 4)[2]['data_samples'].gt_label.tolist() == [2]
