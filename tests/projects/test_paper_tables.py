"""The steps of every table exist, are done once, and end in a table."""

import json
import sys
from argparse import ArgumentParser

import pytest
from helpers import ROOT
from mmengine.config import DictAction

from deeprank_plugin.command_line import load_config

sys.path.insert(0, str(ROOT / 'projects' / 'paper_tables'))

import run as tool  # noqa: E402
import steps as module  # noqa: E402
from figures import FIGURES, Figure  # noqa: E402
from steps import DIGITS, PAPER, SMALL, Step, Study, order_steps  # noqa: E402
from tables import TABLES, Cell, Table  # noqa: E402

SKELETONS = [table for table in TABLES if table != 'table9']
CASES = [(table, SMALL, data) for table in SKELETONS for data in ('toy_xsub', 'uiprmd_xsub')]
CASES.remove(('table8', SMALL, 'toy_xsub'))
CASES += [(table, PAPER, 'ntu60_xsub') for table in SKELETONS if table != 'table5']
CASES += [('table9', PAPER, 'cifar100'), ('table9', DIGITS, 'digits')]
CASES += [('table5', PAPER, 'ntu120_xsub')]


def find(cfg, path):
    """The value at a dotted path."""
    for key in path.split('.'):
        cfg = cfg[int(key)] if key.isdigit() else cfg[key]
    return cfg


@pytest.mark.parametrize('table, preset, data', CASES)
def test_configs_exist_and_options_meet_them(tmp_path, table, preset, data):
    made = TABLES[table](Study(preset, tmp_path), data)
    assert all(len(cells) == len(made.columns) for _, cells in made.rows)
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    checked = set()
    steps = order_steps([cell.step for _, cells in made.rows for cell in cells if cell])
    assert len({step.command for step in steps}) == len(steps)
    for step in steps:
        assert (
            (ROOT / step.config).is_file() or not step.config and 'make_digits' in step.command[1]
        )
        command = list(step.command)
        if '--cfg-options' not in command or str(command) in checked:
            continue
        options = command[command.index('--cfg-options') + 1 :]
        signature = (step.config.split('_')[0], step.parameters, tuple(options))
        if signature in checked:
            continue
        checked.add(signature)
        pairs = zip(step.parameters[::2], step.parameters[1::2])
        cfg = load_config(str(ROOT / step.config), **{key[2:]: value for key, value in pairs})
        for option in options:
            path, _, value = option.partition('=')
            parent, _, key = path.rpartition('.')
            assert find(cfg, parent) is not None, option
            if key not in ('classifier', 'num_triplets', 'normalize', 'views'):
                assert key in find(cfg, parent) or key == 'max_rounds', option
        cfg.merge_from_dict(parser.parse_args(['--cfg-options', *options]).cfg_options)


@pytest.mark.parametrize('name', FIGURES)
@pytest.mark.parametrize('preset, data', [(SMALL, 'uiprmd_xsub'), (PAPER, 'ntu60_xsub')])
def test_figures_share_pretraining_with_the_tables(tmp_path, name, preset, data):
    study = Study(preset, tmp_path)
    trained = set()
    for table in ('table1', 'table3', 'table4', 'table6'):
        for _, cells in TABLES[table](study, data).rows:
            trained.update(step.key for step in order_steps([c.step for c in cells if c]))
    steps = order_steps([FIGURES[name](study, data).step])
    assert len({step.key for step in steps}) == len(steps)
    for step in steps:
        kind = step.key.split('/')[0]
        assert kind in ('pretrain', 'features', 'figures') and (ROOT / step.command[1]).is_file()
        if kind == 'pretrain':
            assert step.key in trained, step.key
        for other in step.needs:
            assert any(str(tmp_path / other.key) in part for part in step.command)
    assert steps[-1].key == f'figures/{name}_{data}'


def test_paper_tables_have_the_rows_of_the_paper(tmp_path):
    study = Study(PAPER, tmp_path)
    assert len(TABLES['table1'](study, 'ntu60_xsub').rows) == 4
    assert len(TABLES['table3'](study, 'ntu60_xsub').rows) == 6
    table = TABLES['table4'](study, 'ntu60_xsub')
    assert table.columns[-1] == 'ntu60_xview fused' and len(table.rows) == 7
    (name, cells), *_ = table.rows
    assert name == 'DeepCluster, stgcn' and [c.paper for c in cells] == [89.4, 92.1, 93.0, 95.5]
    assert len(TABLES['table6'](study, 'ntu60_xsub').rows) == 7
    assert len(TABLES['table8'](study, 'ntu60_xsub').rows) == 14
    table = TABLES['table9'](study, 'cifar100')
    figures = [65.4, 65.3, 64.3, 64.8, 64.8, 64.6, 64.9, 66.0]
    assert [cells[0].paper for _, cells in table.rows] == [None, *figures]
    name, (average,) = table.rows[-2]
    assert name == 'DeepCluster, average' and table.rows[-1][0] == 'DeepRank'
    averaged = [average.step, *average.others]
    assert averaged == [cells[0].step for name, cells in table.rows if ', n = ' in name]


def test_tables_share_steps(tmp_path):
    study = Study(SMALL, tmp_path)
    keys = {}
    for table in ('table1', 'table2', 'table6'):
        (cells,) = [
            cells
            for name, cells in TABLES[table](study, 'uiprmd_xsub').rows
            if name in ('l2', 'FC', 'DeepRank')
        ]
        keys[table] = [cell.step.key for cell in cells]
    assert keys['table1'] == keys['table2'] == keys['table6']


def test_several_gpus_share_the_batch(tmp_path):
    step = Study(PAPER, tmp_path, gpus=4).pretrain('3s', 'stgcn', 'ntu60_xsub')
    assert step.command[:2] == ('bash', 'tools/dist_train.sh')
    assert 'train_dataloader.batch_size=16' in step.command


@pytest.mark.parametrize(
    'preset, data, share, config, size',
    [
        (PAPER, 'ntu60_xsub', None, None, 16),
        (PAPER, 'ntu60_xsub', '10p', 'configs/finetune/stgcn_linear.py', 16),
        (SMALL, 'uiprmd_xsub', '10p', None, 4),  # at the rate of a batch of 16
        (SMALL, 'toy_xsub', '1p', None, 2),
    ],
)
def test_several_gpus_share_the_batch_of_finetuning(tmp_path, preset, data, share, config, size):
    step = Study(preset, tmp_path, gpus=4).protocol('stgcn', data, None, share, config=config)
    assert f'--gpus 4 --cfg-options {" ".join(preset.finetune_options)}'.strip() in ' '.join(
        step.command
    )
    assert step.command[-1] == f'train_dataloader.batch_size={size}'


def test_a_batch_that_the_gpus_cannot_share(tmp_path, monkeypatch, capsys):
    arguments = ['run.py', 'table1', '--data', 'toy', '--out', str(tmp_path), '--gpus', '3']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(SystemExit) as ended:
        tool.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert 'a batch of 64, which 3 processes cannot share equally; expected --gpus to div' in said


def make_step(key, code, needs=()):
    return Step(key, ('python', '-c', code), needs, '', 0, 1.0, 'toy_xsub')


def test_a_step_is_run_once_and_a_failure_is_told(tmp_path):
    good = make_step('a/b', f"open(r'{tmp_path}/x', 'a').write('1')")
    assert not module.find_state(good, tmp_path)
    module.run_step(good, tmp_path)
    assert module.find_state(good, tmp_path) and (tmp_path / 'x').read_text() == '1'
    other = make_step('a/b', 'print(2)')
    with pytest.raises(ValueError, match='holds results of another command'):
        module.find_state(other, tmp_path)
    bad = make_step('c', "raise SystemExit('no data')")
    with pytest.raises(RuntimeError, match='step c failed:\n  no data'):
        module.run_step(bad, tmp_path)
    assert not module.find_state(bad, tmp_path)


@pytest.fixture
def changing(tmp_path, make_annotations, monkeypatch):
    """A step that is done, and functions that change what its results depend on."""
    config, data, needed = tmp_path / 'own.py', make_annotations(20), tmp_path / 'encoder'
    config.write_text(f"_base_ = '{ROOT}/configs/finetune/stgcn-w16_pretrained.py'\n")
    needed.mkdir()
    (needed / 'last_checkpoint').write_text(str(needed / 'epoch_1.pth'))
    (needed / 'epoch_1.pth').write_text('weights')
    step = make_step('finetune/x', '', (make_step('encoder', ''),))
    step = step._replace(config=str(config), parameters=('--data', data), runs=1)
    module.run_step(step, tmp_path)
    changes = {
        'environment variables VIEWS': lambda: monkeypatch.setenv('VIEWS', 'strong'),
        f'another version of {config}': lambda: config.write_text(
            config.read_text() + 'train_cfg = dict(max_epochs=3)'
        ),
        f'other contents of {data}': lambda: make_annotations(
            20, change=lambda content: content['annotations'][3].update(label=1)
        ),
        'other results of encoder': lambda: (needed / 'epoch_1.pth').write_text('others'),
    }
    yield step, changes
    forget()


def forget():
    """As in another process."""
    module.read_config.cache_clear()
    module.describe_inputs.cache_clear()


@pytest.mark.parametrize('number', range(4))
def test_what_has_changed_since_a_step_was_done(tmp_path, changing, number):
    step, changes = changing
    forget()
    assert module.find_state(step, tmp_path) == 'done before'
    forget()
    what, change = list(changes.items())[number]
    change()
    with pytest.raises(ValueError, match=f'finetune/x holds results .*{what}; name another --out'):
        module.find_state(step, tmp_path)


def test_a_step_of_an_older_version(tmp_path, changing):
    step, changes = changing
    path = tmp_path / step.key / 'step.json'
    path.write_text(json.dumps(dict(command=list(step.command))))
    assert 'without a record of its config' in module.find_state(step, tmp_path)


def test_order():
    first = make_step('first', '')
    second = make_step('second', '', (first,))
    assert [step.key for step in order_steps([second, first, second])] == ['first', 'second']


def write_results(folder, **figures):
    """Top-1 of each seed of each stream, as run_protocol.py writes it."""
    results = {
        stream: dict(seeds={seed: {'acc/top1': value} for seed, value in enumerate(values)})
        for stream, values in figures.items()
    }
    folder.mkdir(parents=True)
    (folder / 'results.json').write_text(json.dumps(dict(results=results)))


def test_from_results_to_a_table(tmp_path, monkeypatch, capsys):
    step = make_step('finetune/x', '')
    write_results(tmp_path / 'finetune' / 'x', joint=(0.49, 0.5, 0.51), fused=(0.625,))
    write_results(tmp_path / 'finetune' / 'y', joint=(0.61, 0.6, 0.65))
    other = make_step('finetune/y', '')
    table = Table('T', ['joint', 'fused'], [('row', [Cell(step, 'joint', 89.5), None])])
    table.rows.append(('other', [None, Cell(step, 'fused', None)]))
    table.rows.append(('mean', [Cell(step, 'joint', 64.9, (other,)), None]))
    monkeypatch.setitem(TABLES, 'table1', lambda study, data: table)
    monkeypatch.setattr(sys, 'argv', ['run.py', 'table1', '--data', 'toy', '--out', str(tmp_path)])
    tool.main()
    out = capsys.readouterr().out
    assert '| row | 50.0 ± 1.0 [89.5] |  |' in out and '| other |  | 62.5 |' in out
    assert '| mean | 56.0 ± 1.7 [64.9] |  |' in out  # of 55, 55 and 58
    content = json.loads((tmp_path / 'table1_toy_xsub.json').read_text())
    figure = content['rows']['row'][0]
    assert figure.pop('single') == [pytest.approx([49.0, 50.0, 51.0])]
    assert figure == pytest.approx(dict(mean=50.0, std=1.0, paper=89.5))
    tool.main()
    assert '(done before)' in capsys.readouterr().out


def test_spread_over_seeds_of_pretraining(tmp_path, monkeypatch, capsys):
    for seed, values in enumerate([(0.4, 0.5), (0.5, 0.6), (0.6, 0.8)]):
        write_results(tmp_path / f'finetune/{seed}', joint=values)
    write_results(tmp_path / 'finetune/scratch', joint=(0.3, 0.4))
    scratch = make_step('finetune/scratch', '')

    def make(study, data):
        own = make_step(f'finetune/{study.seed}', '')
        rows = [('own', [Cell(own, 'joint', 50.0)]), ('scratch', [Cell(scratch, 'joint', None)])]
        return Table('T', ['joint'], rows)

    monkeypatch.setitem(TABLES, 'table1', make)
    arguments = ['run.py', 'table1', '--data', 'toy', '--out', str(tmp_path)]
    monkeypatch.setattr(sys, 'argv', [*arguments, '--pretrain-seeds', '0', '1', '2'])
    tool.main()
    out = capsys.readouterr().out
    assert '| own | 56.7 ± 12.6 [50.0] |' in out  # of 45, 55 and 70
    assert '| scratch | 35.0 ± 7.1 |' in out  # of 30 and 40
    assert 'over seeds 0, 1, 2 of pretraining, each a mean over seeds 0, 1, 2 of finetuning' in out
    content = json.loads((tmp_path / 'table1_toy_xsub.json').read_text())
    assert content['pretrain_seeds'] == [0, 1, 2]
    assert content['rows']['own'][0]['single'][2] == pytest.approx([60.0, 80.0])


def test_each_seed_of_pretraining_has_its_own_steps(tmp_path):
    first, second = (
        order_steps(
            [c.step for _, cells in TABLES['peers'](study, 'uiprmd_xsub').rows for c in cells]
        )
        for study in (Study(SMALL, tmp_path), Study(SMALL, tmp_path, seed=1))
    )
    shared = {step.key for step in first} & {step.key for step in second}
    assert len(first) == len(second) and len(shared) == 2
    assert all('/scratch/' in key for key in shared)
    for step in second:
        if step.key.startswith('pretrain/'):
            assert step.command[step.command.index('--seed') + 1] == '1'
            assert step.key.endswith('seed=1') or '_seed=1_' in step.key


def test_a_figure_prints_what_its_tool_said(tmp_path, monkeypatch, capsys):
    step = make_step('figures/fig4', "print('joint: 28.9 %')")
    monkeypatch.setitem(FIGURES, 'fig4', lambda study, data: Figure('Fig. 4', step))
    monkeypatch.setattr(sys, 'argv', ['run.py', 'fig4', '--data', 'toy', '--out', str(tmp_path)])
    tool.main()
    assert capsys.readouterr().out.endswith('Fig. 4\n\njoint: 28.9 %\n')


def test_dry_run_and_errors(tmp_path, monkeypatch, capsys):
    arguments = ['run.py', 'table3', '--data', 'toy', '--out', str(tmp_path), '--dry-run']
    monkeypatch.setattr(sys, 'argv', arguments)
    tool.main()
    out = capsys.readouterr().out
    assert '12 steps; about' in out and not list(tmp_path.iterdir())
    for arguments, message in (
        (['table8', '--data', 'toy'], 'table8 transfers to a second data set'),
        (['table1', '--data', 'ntu60', '--preset', 'small'], '--preset small with --data ntu60'),
        (['table9', '--data', 'ntu60'], 'table9 with --data ntu60: expected cifar100 or digits'),
        (['fig6', '--pretrain-seeds', '0', '1'], 'fig6 is drawn from one pretraining'),
        (['table1', '--data', 'digits'], 'table1 with --data digits: expected skeletons'),
    ):
        monkeypatch.setattr(sys, 'argv', ['run.py', *arguments])
        with pytest.raises(SystemExit) as error:
            tool.main()
        assert error.value.code == 2 and message in capsys.readouterr().err
