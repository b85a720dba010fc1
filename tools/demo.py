#!/usr/bin/env python
"""Full demo on toy data: pretrain without labels, then classify with 10 % of the labels.

Runs the project's tools, a few at a time, and prints one table: raw coordinates, a random encoder
and the pretrained one. Everything is written to work_dirs/demo, with the output of each tool in
work_dirs/demo/logs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Dict, List, Optional, Tuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]

OUT = Path('work_dirs/demo')
PRETRAIN, FINETUNE = 'configs/demo/segrank_toy.py', 'configs/demo/finetune_toy.py'
EPOCHS = dict(pretrain=21, finetune=108)  # of these configs
SEEDS = (0, 1, 2)  # of finetuning; each draws its own 10 % of the labels
ENCODERS = dict(raw='raw coordinates', random='random encoder', pretrained='pretrained encoder')
DATA = ('--data', OUT / 'toy.pkl')
EXAMPLE = 'S001C002P002R001A004'  # a test sequence to animate: a kick, seen from the front


@dataclass
class Job:
    """A tool to run. One that trains logs each epoch to a JSON file in ``folder``."""

    title: str
    command: List[Any]
    folder: Optional[Path] = None
    epochs: Optional[int] = None
    every: int = 1  # epochs from one line to the next, where stdout is no terminal
    begun: float = field(default_factory=time.time)

    @property
    def log(self) -> Path:
        """What the tool prints."""
        return OUT / 'logs' / f'{self.title.lower().replace(" ", "_").replace(",", "")}.log'

    def start(self) -> None:
        """Start the tool."""
        self.begun = time.time()
        command = [sys.executable, *map(str, self.command)]
        with self.log.open('w') as file:
            file.write(f'$ python {" ".join(command[1:])}\n')
            file.flush()
            self.process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
            )


def extract(title: str, name: str, config: str, *options) -> Job:
    """Features of all toy sequences, written to ``<name>.npz``."""
    command = ['tools/analysis/extract_features.py', config, OUT / f'{name}.npz', *DATA]
    return Job(title, [*command, '--work-dir', OUT / 'extract', *options])


def train(title: str, name: str, config: str, epochs: int, seed: int, *options) -> Job:
    """A training run in the folder ``name``."""
    folder = OUT / name
    command = ['tools/train.py', config, *DATA, '--work-dir', folder, '--seed', seed, *options]
    return Job(title, command, folder, epochs, every=1 if config == PRETRAIN else 20)


def finetune(seed: int, name: str, *options) -> Job:
    """Finetuning of an encoder with 10 % of the labels."""
    title = f'Finetune {name}, seed {seed}'
    return train(
        *(title, f'{name}_{seed}', FINETUNE, EPOCHS['finetune'], seed, '--share', '10p'),
        *('--segments', 4, '--head-init', 'logreg', *options),
        f'train_dataloader.dataset.labels.seed={seed}',
    )


def list_stages() -> List[Tuple[List[Job], int]]:
    """Jobs, and how many of them run at once, with one thread each.

    Those of a stage need what the stages before have written. Pretraining, which takes longest,
    has a core of its own; three finetunings share two cores better than two and then one.
    """
    toy = Job('Make toy data', ['tools/data/make_toy.py', OUT / 'toy.pkl', '--force'])
    random = [
        finetune(seed, 'random', '--cfg-options', 'model.backbone.init_cfg=None') for seed in SEEDS
    ]
    before = [
        train('Pretrain without labels', 'pretrain', PRETRAIN, EPOCHS['pretrain'], 0),
        extract('Features, random encoder', 'random', PRETRAIN),
        extract('Features, raw coordinates', 'raw', 'configs/finetune/raw_knn.py'),
        *random,
    ]
    pretrained = OUT / 'pretrain'
    after = [
        extract('Features, pretrained', 'pretrained', PRETRAIN, '--checkpoint', pretrained),
        *(
            finetune(seed, 'pretrained', '--pretrained', pretrained, '--cfg-options')
            for seed in SEEDS
        ),
    ]
    run = OUT / f'pretrained_{SEEDS[0]}'
    example = Job(
        'Animate a prediction',
        [
            *('tools/demo_skeleton.py', run / Path(FINETUNE).name),
            *(run / f'epoch_{EPOCHS["finetune"]}.pth', OUT / 'toy.pkl', '--split', 'xsub_val'),
            *('--names', EXAMPLE, '--topk', 3, '--out-dir', OUT / 'example'),
        ],
    )
    return [([toy], 1), (before, 2), (after, 3), ([example], 1)]


def read_log(folder: Path) -> List[Dict]:
    """The entries that a run has written to its JSON log so far."""
    paths = sorted(folder.glob('*/vis_data/2*.json'))
    lines = paths[-1].read_text().splitlines(keepends=True) if paths else []
    return [json.loads(line) for line in lines if line.endswith('\n')]


def describe(entries: List[Dict], epochs: Optional[int]) -> str:
    """Epoch and last metrics of a run, in words; nothing of a tool that does not train."""
    last = {key: value for entry in entries for key, value in entry.items()}
    names = {
        'epoch': f'epoch {{}}/{epochs}',
        'loss': 'loss {:.2f}',
        'relabel/knn': '1-NN {:.0%}',
        'acc/top1': 'test {:.1%}',
    }
    return ', '.join(text.format(last[key]) for key, text in names.items() if key in last)


class Display:
    """Live bars on a terminal, with metrics and time left; elsewhere a line for every few epochs.

    Args:
        console (Console): Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.live = console.is_terminal
        self.console = console
        self.bars = Progress(
            TextColumn('{task.description}'),
            BarColumn(10),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn('{task.fields[metrics]}'),
            console=console,
            disable=not self.live,
        )
        self.tasks: Dict[str, Any] = {}
        self.shown: Dict[str, int] = {}

    def update(self, job: Job) -> None:
        """Show how far a job is."""
        entries = read_log(job.folder) if job.folder else []
        epoch = max((entry.get('epoch', 0) for entry in entries), default=0)
        text = describe(entries, job.epochs)
        if job.title not in self.tasks:
            self.tasks[job.title] = self.bars.add_task(job.title, total=job.epochs, metrics='')
        self.bars.update(self.tasks[job.title], completed=epoch, metrics=text)
        if self.live or epoch < self.shown.get(job.title, 0) + job.every:
            return
        self.shown[job.title] = epoch
        left = (time.time() - job.begun) / epoch * ((job.epochs or epoch) - epoch)
        self.print(f'{job.title}: {text}, {left:.0f} s left')

    def finish(self, job: Job) -> None:
        """Show that a job has ended."""
        text = describe(read_log(job.folder), job.epochs) if job.folder else ''
        total = job.epochs or 1
        self.bars.update(self.tasks[job.title], total=total, completed=total, metrics=text)
        if not self.live:
            seconds = f'done in {time.time() - job.begun:.0f} s'
            self.print(f'{job.title}: {", ".join(filter(None, [text, seconds]))}')

    def print(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def run_jobs(jobs: List[Job], at_once: int, display: Display) -> None:
    """Run jobs, ``at_once`` at a time.

    Raises:
        SystemExit: If one fails; shows the end of its log.
    """
    waiting, running = list(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(waiting.pop(0))
                running[-1].start()
            for job in list(running):
                code = job.process.poll()
                display.update(job)
                if code is None:
                    continue
                running.remove(job)
                if code:
                    tail = '\n'.join(job.log.read_text().splitlines()[-15:])
                    raise SystemExit(f'{tail}\nerror: {job.title!r} failed; its log is {job.log}')
                display.finish(job)
            time.sleep(0.3)
    finally:
        for job in running:
            job.process.kill()


def evaluate_features(path: Path) -> Dict:
    """1-NN and linear probe of extracted features, with the test features and labels."""
    import numpy as np
    import torch

    from deeprank_plugin.evaluation.functional.knn import knn_scores, topk_accuracy
    from deeprank_plugin.evaluation.functional.logistic import fit_logistic_regression

    found = np.load(path)
    features, labels, bank = found['features'], found['labels'], found['splits'] == 'xsub_train'
    parts = map(torch.from_numpy, (features[~bank], features[bank], labels[bank]))
    scores = knn_scores(*parts, k=1).numpy()
    probe = fit_logistic_regression(features[bank], labels[bank], labels.max() + 1)
    predicted = (features[~bank] @ probe.weight.T + probe.bias).argmax(axis=1)
    return dict(
        knn=topk_accuracy(scores, labels[~bank], (1,))[0],
        linear=(predicted == labels[~bank]).mean(),
        features=features[~bank],
        labels=labels[~bank],
    )


def finetuned(name: str) -> List[float]:
    """Test accuracies of a row's finetuning runs; none of raw coordinates."""
    runs = [read_log(OUT / f'{name}_{seed}') for seed in SEEDS]
    return [entry['acc/top1'] for entries in runs for entry in entries if 'acc/top1' in entry]


def write_plots(rounds: List[Dict], results: Dict[str, Dict]) -> None:
    """Write the plots of the rounds and the t-SNE of the features."""
    from sklearn.manifold import TSNE

    from deeprank_plugin.datasets.toy.actions import CLASS_NAMES
    from deeprank_plugin.visualization.training import plot_embeddings, plot_rounds

    plot_rounds(rounds).savefig(OUT / 'rounds.png')
    shown = {
        f'{ENCODERS[name]}, 1-NN {results[name]["knn"]:.1%}': results[name]['features']
        for name in ('random', 'pretrained')
    }
    points = {
        title: TSNE(init='pca', random_state=0).fit_transform(found)
        for title, found in shown.items()
    }
    labels = results['pretrained']['labels']
    plot_embeddings(points, labels, CLASS_NAMES).savefig(OUT / 'tsne.png')


def make_table(results: Dict[str, Dict]) -> Table:
    """Test accuracy in %: rows of measures, a column for each kind of features."""
    table = Table(title='Test accuracy in %, toy actions, unseen subjects', title_justify='left')
    table.add_column('')
    for name in ENCODERS.values():
        table.add_column(name, justify='right')
    for title, key in (('1-NN', 'knn'), ('linear probe', 'linear')):
        table.add_row(title, *(f'{100 * results[name][key]:.1f}' for name in ENCODERS))
    cells = []
    for name in ENCODERS:
        scores = [100 * score for score in finetuned(name)]
        cells.append(f'{mean(scores):.1f} ± {stdev(scores):.1f}' if scores else '')
    table.add_row(f'10 % of the labels, finetuned, {len(SEEDS)} seeds', *cells)
    return table


def main() -> None:
    """Run the jobs, write the plots, print the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    os.chdir(ROOT)
    os.environ['OMP_NUM_THREADS'] = (
        '1'  # of this process, which loads NumPy later, and of the tools
    )
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / 'logs').mkdir(parents=True)
    begun = time.time()
    console = Console(width=None if sys.stdout.isatty() else 100)
    display = Display(console)
    with display.bars:
        for jobs, at_once in list_stages():
            run_jobs(jobs, at_once, display)
    prefix = 'relabel/'
    rounds = [
        {key[len(prefix) :]: value for key, value in entry.items() if key.startswith(prefix)}
        for entry in read_log(OUT / 'pretrain')
        if 'relabel/round' in entry
    ]
    with console.status('Linear probes and t-SNE'):
        results = {name: evaluate_features(OUT / f'{name}.npz') for name in ENCODERS}
        write_plots(rounds, results)
    knn = ', '.join(f'{entry["knn"]:.1%}' for entry in rounds)
    console.print(make_table(results))
    (example,) = (OUT / 'example').glob('*.gif')
    console.print(
        f"""
1-NN among the training sequences, before pretraining and after each round: {knn}
Both encoders are finetuned for the same number of steps. Toy data and a short run: no evidence for
real data (for that, see docs/results.md).

Written in {time.time() - begun:.0f} seconds, all in {OUT}:
  tsne.png, rounds.png   the features before and after pretraining; metrics over the rounds
  {example.relative_to(OUT)}
                         an unseen sequence, animated, with its prediction
  pretrain, pretrained_0 the pretrained and the finetuned network, their configs and logs
  logs                   the output of each tool, its command in the first line

To use your own data, write it in MMAction2's annotation format (docs/data.md), and
  python tools/train.py configs/segrank/segrank_stgcn.py --data FILE.pkl
  python tools/train.py configs/finetune/stgcn_pretrained.py --data FILE.pkl --segments 4 \\
      --pretrained work_dirs/segrank_stgcn_FILE_joint""",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


if __name__ == '__main__':
    main()
