"""The demo: jobs that fit the configs, progress, failures, the table."""

import json
import re
import runpy
from io import StringIO

import pytest
from helpers import ROOT
from rich.console import Console

from deeprank_plugin.command_line import load_config

WRITER = """
import json, pathlib, time
path = pathlib.Path('run/now/vis_data/20.json')
path.parent.mkdir(parents=True)
with path.open('w') as file:
    for epoch in (1, 2, 3, 4):
        print(json.dumps(dict(epoch=epoch, loss=1 / epoch)), file=file)
        file.flush()
        time.sleep(0.1)
    print(json.dumps({'acc/top1': 0.625, 'step': 4}), file=file)
    file.write('{"torn')
"""


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The names of tools/demo.py, which writes to an empty folder."""
    demo = runpy.run_path(str(ROOT / 'tools' / 'demo.py'))
    monkeypatch.setitem(demo['Job'].log.fget.__globals__, 'OUT', tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'logs').mkdir()
    return demo


def show(demo, jobs, **options):
    output = StringIO()
    display = demo['Display'](Console(file=output, width=160, **options))
    with display.bars:
        demo['run_jobs'](jobs, 2, display)
    return output.getvalue()


def test_jobs_fit_the_configs(demo):
    jobs = [job for jobs, _ in demo['list_stages']() for job in jobs]
    assert len({job.log for job in jobs}) == len(jobs)
    for job in jobs:
        paths = [path for path in map(str, job.command) if path.startswith(('tools/', 'configs/'))]
        assert paths and all((ROOT / path).is_file() for path in paths)
    for name, config in (('pretrain', demo['PRETRAIN']), ('finetune', demo['FINETUNE'])):
        cfg = load_config(str(ROOT / config), data='toy_xsub')
        assert cfg.train_cfg.max_epochs == demo['EPOCHS'][name]
        assert max(cfg.param_scheduler[0].get('milestones', [0])) < cfg.train_cfg.max_epochs
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            lengths = {s.clip_len for s in loader.dataset.pipeline if s.type == 'CropResize'}
            assert lengths <= {24}
    random, pretrained = (
        [job for job in jobs if job.title.startswith(f'Finetune {name}')]
        for name in ('random', 'pretrained')
    )
    assert len(random) == len(pretrained) == len(demo['SEEDS'])
    for one, other in zip(random, pretrained):  # they differ in encoder and folder alone
        differing = set(map(str, one.command)) ^ set(map(str, other.command))
        assert {re.sub(r'(random|pretrained)_\d', '<run>', part) for part in differing} == {
            *(str(one.folder.parent / '<run>'), 'model.backbone.init_cfg=None'),
            *('--pretrained', str(one.folder.parent / 'pretrain')),
        }


def test_progress_without_a_terminal_is_a_line_for_each_epoch(demo, tmp_path):
    job = demo['Job']('Some run', ['-c', WRITER], tmp_path / 'run', 4)
    lines = show(demo, [job]).splitlines()
    expected = r'Some run: epoch 4/4, loss 0.25(, test 62.5%)?, \d+ s left'
    assert re.fullmatch(expected, lines[-2]), lines
    assert re.fullmatch(r'Some run: epoch 4/4, loss 0.25, test 62.5%, done in \d+ s', lines[-1])
    assert len(lines) <= 5 and not any('\x1b' in line for line in lines)
    assert job.log.read_text().startswith('$ python -c')


def test_progress_on_a_terminal_is_a_bar(demo, tmp_path):
    job = demo['Job']('Some run', ['-c', WRITER], tmp_path / 'run', 4)
    shown = show(demo, [job], force_terminal=True)
    assert 'epoch 4/4, loss 0.25, test 62.5%' in shown and '\x1b[' in shown
    assert 's left' not in shown and 'done in' not in shown


def test_a_failure_shows_the_log_and_ends_the_others(demo):
    bad = demo['Job']('Bad run', ['-c', 'raise SystemExit("no space left")'])
    slow, waiting = (demo['Job'](name, ['-c', 'import time; time.sleep(60)']) for name in 'ab')
    with pytest.raises(SystemExit, match='(?s)no space left.*Bad run.*bad_run.log'):
        show(demo, [slow, bad, waiting])
    assert slow.process.wait(10) and not hasattr(waiting, 'process')


def test_table(demo, tmp_path):
    for seed, score in enumerate((0.5, 0.6, 0.7)):
        for name, gain in (('random', 0), ('pretrained', 0.1)):
            path = tmp_path / f'{name}_{seed}' / 'now' / 'vis_data' / '20.json'
            path.parent.mkdir(parents=True)
            entries = [dict(epoch=1), {'acc/top1': score + gain}]
            path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries))
    results = {
        name: dict(knn=0.1 * number, linear=0.2 * number)
        for number, name in enumerate(demo['ENCODERS'], start=1)
    }
    output = StringIO()
    Console(file=output, width=100).print(demo['make_table'](results))
    rows = [re.findall(r'\d+\.\d', line) for line in output.getvalue().splitlines()]
    assert [row for row in rows if row] == [
        ['10.0', '20.0', '30.0'],
        ['20.0', '40.0', '60.0'],
        ['60.0', '10.0', '70.0', '10.0'],
    ]
