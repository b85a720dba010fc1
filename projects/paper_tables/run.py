#!/usr/bin/env python
"""Make one of the paper's tables or figures: pretrain, finetune, fuse or analyse, print.

Every step is a call of tools/train.py, tools/run_protocol.py or one of tools/analysis. Completed
steps are skipped, and tables and figures share steps: the same command resumes a killed run.

Example:
    python projects/paper_tables/run.py table4 --data ntu60 --gpus 4
    python projects/paper_tables/run.py table3 --data uiprmd --preset small
    python projects/paper_tables/run.py table6 --data uiprmd --pretrain-seeds 0 1 2
    python projects/paper_tables/run.py fig6 --data uiprmd
    python projects/paper_tables/run.py table6 --data ntu60 --dry-run
"""

import argparse
import json
import os
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np
from figures import FIGURES
from steps import (
    DIGITS,
    IMAGES,
    PAPER,
    ROOT,
    SAMPLES,
    SMALL,
    Step,
    Study,
    find_state,
    order_steps,
    read_config,
    run_step,
)
from tables import TABLES, Cell, Table

from deeprank_plugin.command_line import exit_with_error

DATA = {name.split('_')[0]: name for name in reversed(SAMPLES) if name != 'hdm05_xsub'}


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'name', choices=[*TABLES, *FIGURES], help='peers: all methods with 10 %% of the labels'
    )
    parser.add_argument(
        '--data', choices=DATA, help='default: ntu60; table5: ntu120; table9: cifar100'
    )
    parser.add_argument('--preset', choices=['paper', 'small'], help='default: by the data')
    parser.add_argument('--gpus', type=int, default=1, help='they share the batch (%(default)s)')
    parser.add_argument(
        '--seeds', type=int, nargs='+', help="seeds of finetuning (default: the preset's)"
    )
    parser.add_argument(
        '--pretrain-seeds', type=int, nargs='+', default=[0], help='of a table (%(default)s)'
    )
    parser.add_argument('--out', type=Path, help='default: work_dirs/paper_tables/PRESET')
    parser.add_argument('--dry-run', action='store_true', help='list the steps and their GPU hours')
    parser.add_argument(
        '--tflops', type=float, default=10.0, help='assumed rate of a GPU for --dry-run'
    )
    return parser.parse_args()


def estimate_hours(steps: List[Step], tflops: float) -> Dict[str, float]:
    """GPU hours of each step from its network's operations: a guess, not a measurement.

    Three times the forward pass for each sample and epoch, at the assumed rate.
    """
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope
    from torch.utils.flop_counter import FlopCounterMode

    import deeprank_plugin  # noqa: F401

    init_default_scope('mmaction')
    hours, known = {}, {}
    for step in steps:
        if step.runs == 0:
            hours[step.key] = 0.0
            continue
        cfg = read_config(step.config, step.parameters)
        shape = (1, 1, 32, 32, 3)
        if step.data not in IMAGES:
            test = cfg.test_dataloader.dataset.pipeline
            shape = (1, test[2].num_person, test[1].clip_len, 25, 3)
        backbone = dict(cfg.model.backbone)
        backbone.pop('init_cfg', None)
        name = str((backbone, shape))
        if name not in known:
            counter = FlopCounterMode(display=False)
            with counter, torch.no_grad():
                MODELS.build(backbone).eval()(torch.zeros(shape))
            known[name] = counter.get_total_flops()
        option = 'train_cfg.max_epochs='
        found = [part.removeprefix(option) for part in step.command if part.startswith(option)]
        epochs = int(found[0]) if found else cfg.train_cfg.max_epochs
        if step.key.startswith('features/'):
            epochs = 1 / 3  # one forward pass, of all splits
        samples = SAMPLES[step.data] * step.share * epochs
        if step.share < 1:
            samples = max(samples, cfg.train_cfg.min_steps * cfg.train_dataloader.batch_size)
        samples *= step.runs
        hours[step.key] = 3 * known[name] * samples / (tflops * 1e12) / 3600
    return hours


def read_cell(cells: Sequence[Optional[Cell]], out: Path) -> Optional[Dict]:
    """Mean and standard deviation, in percent, of one cell over the seeds of pretraining.

    The deviation is over pretraining seeds, each a mean over finetuning seeds; with one pretraining
    run or none, it is over finetuning seeds.
    """
    if cells[0] is None:
        return None
    trained = []  # for each pretraining seed, the accuracies of the finetuning seeds
    for cell in {cell.step.key: cell for cell in cells}.values():
        seeds = []
        for step in (cell.step, *cell.others):
            results = json.loads((out / step.key / 'results.json').read_text())['results']
            runs = results[cell.stream]['seeds'].values()
            seeds.append([100 * run['acc/top1'] for run in runs])
        trained.append(np.mean(seeds, axis=0))
    values = np.mean(trained, axis=1) if len(trained) > 1 else trained[0]
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return dict(mean=float(values.mean()), std=spread, single=np.asarray(trained).tolist())


def format_value(value: Optional[Dict]) -> str:
    """Our result, and the paper's in brackets."""
    if value is None:
        return ''
    text = f'{value["mean"]:.1f}'
    if value['std'] is not None:
        text += f' ± {value["std"]:.1f}'
    return text if value['paper'] is None else f'{text} [{value["paper"]:.1f}]'


def collect_rows(tables: Sequence[Table], out: Path) -> Dict[str, List[Optional[Dict]]]:
    """Results of each row of a table, over several seeds of pretraining."""
    rows = {}
    for same in zip(*(table.rows for table in tables)):
        columns = zip(*(cells for _, cells in same))
        rows[same[0][0]] = [
            column[0] and dict(read_cell(column, out), paper=column[0].paper) for column in columns
        ]
    return rows


def format_table(
    table: Table, rows: Dict[str, List[Optional[Dict]]], args, seeds: Sequence[int]
) -> str:
    """The table in Markdown."""
    lines = ['| | ' + ' | '.join(table.columns) + ' |', '|---' * (len(table.columns) + 1) + '|']
    for name, values in rows.items():
        lines.append(f'| {name} | ' + ' | '.join(map(format_value, values)) + ' |')
    finetuning = ', '.join(map(str, seeds))
    note = f'top-1 in %, mean ± std over seeds {finetuning} of finetuning'
    if len(args.pretrain_seeds) > 1:
        first = ', '.join(map(str, args.pretrain_seeds))
        note = (
            f'top-1 in %, mean ± std over seeds {first} of pretraining, each a mean over seeds '
            f'{finetuning} of finetuning (std over these where nothing is pretrained)'
        )
    return f'{table.title}\n\n' + '\n'.join(lines) + f"\n\n{note}; in brackets the paper's result."


def main() -> None:
    """Plan, run, print."""
    args = parse_args()
    name = args.data or dict(table5='ntu120', table9='cifar100').get(args.name, 'ntu60')
    data = DATA[name]
    if (name in IMAGES) != (args.name == 'table9'):
        expected = ' or '.join(IMAGES) if args.name == 'table9' else 'skeletons'
        exit_with_error(f'{args.name} with --data {name}: expected {expected}.')
    small = name in ('toy', 'uiprmd', 'digits')
    if args.preset is not None and (args.preset == 'small') != small:
        exit_with_error(
            f'--preset {args.preset} with --data {name}: expected small with toy, uiprmd or '
            'digits, paper '
            'with the others.'
        )
    if args.name in FIGURES and len(args.pretrain_seeds) > 1:
        exit_with_error(
            f'{args.name} is drawn from one pretraining: expected one of --pretrain-seeds.'
        )
    preset = PAPER if not small else DIGITS if name == 'digits' else SMALL
    if args.seeds:
        preset = preset._replace(seeds=tuple(args.seeds))
    out = (args.out or Path('work_dirs/paper_tables') / preset.name).resolve()
    os.chdir(ROOT)  # where the steps run: configs and data are named from there
    try:
        studies = [Study(preset, out, args.gpus, seed) for seed in args.pretrain_seeds]
        if args.name in FIGURES:
            figure = FIGURES[args.name](studies[0], data)
            steps = order_steps([figure.step])
        else:
            tables = [TABLES[args.name](study, data) for study in studies]
            rows = [cells for table in tables for _, cells in table.rows]
            cells = [cell for row in rows for cell in row if cell]
            steps = order_steps([step for cell in cells for step in (cell.step, *cell.others)])
        done = {step.key: find_state(step, out) for step in steps}
    except ValueError as error:
        exit_with_error(str(error))
    if args.dry_run:
        hours = estimate_hours(steps, args.tflops)
        for step in steps:
            state = 'done' if done[step.key] else f'{hours[step.key]:.3g} h'
            print(f'{state:>8}  {step.key}')
        left = sum(h for key, h in hours.items() if not done[key])
        print(f'{len(steps)} steps; about {left:.3g} GPU hours left at {args.tflops:g} TFLOP/s')
        return
    for number, step in enumerate(steps, start=1):
        print(f'[{number}/{len(steps)}] {step.key}', end=' ', flush=True)
        if done[step.key]:
            print(f'({done[step.key]})')
            continue
        print(flush=True)
        try:
            run_step(step, out)
        except RuntimeError as error:
            exit_with_error(str(error))
    if args.name in FIGURES:
        folder = out / figure.step.key
        print(f'\n{figure.title}\n')
        print((folder / 'step.log').read_text().strip())
        return
    rows = collect_rows(tables, out)
    text = format_table(tables[0], rows, args, preset.seeds)
    path = out / f'{args.name}_{data}.md'
    path.write_text(text + '\n')
    content = dict(title=tables[0].title, columns=list(tables[0].columns), rows=rows)
    content.update(pretrain_seeds=args.pretrain_seeds, seeds=list(preset.seeds))
    path.with_suffix('.json').write_text(json.dumps(content, indent=2) + '\n')
    print(f'\n{text}\n\n{path}')


if __name__ == '__main__':
    main()
