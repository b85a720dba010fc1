"""Benchmarks on tiny inputs: they run, write their figures, and compare equal things."""

import json
import sys

import pytest
from helpers import ROOT, run_tool

pytestmark = pytest.mark.slow

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
)


def start(name, *options):
    return run_tool(f'benchmark/{name}.py', *options)


def figures(name, folder, *more):
    out = folder / 'out.json'
    result = start(name, *TINY[name].split(), '--out', out, *more)
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(out.read_text())


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is read from /proc')
def test_ranking_loss_gives_the_gathered_numbers(tmp_path):
    content = figures('ranking_loss', tmp_path)
    pairs, gathered, one = content['rows']
    assert pairs['way'] == 'pairs' and gathered['time_ratio'] > 0
    assert pairs['relative_difference'] < 1e-3 and one['triplets'] == 24
    assert content['conditions']['torch']


def test_input_pipelines_give_the_same_clip(tmp_path):
    content = figures('input_pipeline', tmp_path)
    assert content['conditions']['difference'] < 2e-4  # float32 positions there
    assert {row['pipeline'] for row in content['rows']} >= {'ours', 'MMAction2', 'plain PyTorch'}
    assert all(row['us_per_sample'] > 0 for row in content['rows'])


@pytest.mark.parametrize('frames', [[], ['--frames', 4, 5]], ids=['equal', 'different'])
def test_batches_are_handed_over(tmp_path, frames):
    rows = figures('handover', tmp_path, *frames)['rows']
    assert [row['way'] for row in rows] == ['list', 'stacked'] and rows[0]['ratio'] == 1
    assert all(row['ms_per_batch'] > 0 for row in rows)


def test_absent_bodies_change_no_feature(tmp_path):
    rows = figures('absent_bodies', tmp_path)['rows']
    assert len(rows) == 6 and all(row['difference'] < 1e-5 and row['ratio'] > 0 for row in rows)


def test_sttformer_equals_the_formulas(tmp_path):
    rows = figures('sttformer_speed', tmp_path)['rows']
    assert [row['way'] for row in rows] == ['plain', 'ours']
    assert all(row['difference'] < 1e-4 and row['seconds'] > 0 for row in rows)


def test_relabelling_has_three_parts_and_a_picture(tmp_path):
    rows = figures('relabelling', tmp_path, '--picture', tmp_path / 'cost.png')['rows']
    assert [row['part'] for row in rows] == ['extraction'] * 2 + ['round'] * 2 + ['batch']
    assert rows[0]['throughput'] == 1 and rows[3]['clusters'] == 2
    assert (tmp_path / 'cost.png').read_bytes().startswith(b'\x89PNG')


def test_growth(tmp_path):
    (row,) = figures('growth', tmp_path)['rows']
    assert row['number'] == 64 and row['bank_mib'] == 64 * 4 * 4 / 2**20
    assert row['file_mib'] > 64 * 4 * 75 * 4 / 2**20  # all coordinates are in the file
    result = start('growth', '--numbers', 10)
    assert result.returncode == 2 and 'a batch' in result.stderr


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


def test_run_all_names_what_failed(tmp_path):
    command = ('--only', 'growth', '--out-dir', tmp_path, '--options', '--numbers 10')
    result = start('run_all', *command)
    assert result.returncode == 1 and 'failed: growth' in result.stderr
