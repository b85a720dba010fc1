#!/usr/bin/env python
"""Full demo on toy data: pretrain without labels, then classify with 10 % of the labels.

Runs the project's tools in sequence and prints one table. Everything is written to work_dirs/demo,
with the log of each step in work_dirs/demo/logs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

OUT = Path('work_dirs/demo')
TRAIN = 'tools/train.py'
PRETRAIN, FINETUNE = 'configs/demo/deeprank_toy.py', 'configs/demo/finetune_toy.py'
EXTRACT = 'tools/analysis/extract_features.py'
CHECKPOINT = OUT / 'pretrain' / 'epoch_24.pth'
DATA = ('--data', OUT / 'toy.pkl')
STEPS = {
    'Make the toy data': ['tools/data/make_toy.py', OUT / 'toy.pkl', '--force'],
    'Features of a random encoder': [EXTRACT, PRETRAIN, OUT / 'random.npz', *DATA],
    'Pretrain without labels': [
        *(TRAIN, PRETRAIN, *DATA, '--work-dir', OUT / 'pretrain', '--seed', '0'),
    ],
    'Features of the pretrained encoder': [
        *(EXTRACT, PRETRAIN, OUT / 'pretrained.npz', *DATA, '--checkpoint', CHECKPOINT),
    ],
    'Finetune the pretrained encoder': [
        *(TRAIN, FINETUNE, *DATA, '--share', '10p', '--pretrained', OUT / 'pretrain'),
        *('--work-dir', OUT / 'finetune', '--seed', '0'),
    ],
    'Train the same network from scratch': [
        *(TRAIN, FINETUNE, *DATA, '--share', '10p', '--work-dir', OUT / 'scratch', '--seed', '0'),
        *('--cfg-options', 'model.backbone.init_cfg=None'),
    ],
}


def run_steps() -> float:
    """Run the tools and return the total time in seconds.

    Raises:
        SystemExit: If a step fails; shows the end of its log.
    """
    start = time.time()
    (OUT / 'logs').mkdir(parents=True)
    for number, (title, command) in enumerate(STEPS.items(), start=1):
        command = [str(part) for part in command]
        if EXTRACT in command:
            command += ['--work-dir', str(OUT / 'extract')]
        print(f'[{number}/{len(STEPS)}] {title}\n      python {" ".join(command)}', flush=True)
        log, begun = OUT / 'logs' / f'{number}_{title.lower().replace(" ", "_")}.log', time.time()
        with log.open('w') as file:
            result = subprocess.run(
                [sys.executable, *command], stdout=file, stderr=subprocess.STDOUT, check=False
            )
        if result.returncode:
            tail = '\n'.join(log.read_text().splitlines()[-15:])
            raise SystemExit(f'{tail}\nerror: this step failed; the full log is {log}')
        print(f'      {time.time() - begun:.0f} s', flush=True)
    return time.time() - start


def read_log(folder: Path) -> list:
    """Read the entries of a run's JSON log."""
    (path,) = (p for p in folder.glob('*/vis_data/2*.json'))
    return [json.loads(line) for line in path.read_text().splitlines()]


def evaluate_features(path: Path) -> dict:
    """Evaluate extracted features by k-NN and linear probe; with the test features and labels."""
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from deeprank_plugin.evaluation.functional.knn import knn_scores, topk_accuracy

    found = np.load(path)
    features, labels, bank = found['features'], found['labels'], found['splits'] == 'xsub_train'
    parts = (features[~bank], features[bank], labels[bank])
    scores = knn_scores(*map(torch.from_numpy, parts), k=5).numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(features[bank], labels[bank])
    return dict(
        knn=topk_accuracy(scores, labels[~bank], (1,))[0],
        linear=probe.score(features[~bank], labels[~bank]),
        features=features[~bank],
        labels=labels[~bank],
    )


def write_plots(rounds: list, before: dict, after: dict) -> None:
    """Write the plots of the rounds and the t-SNE of the features."""
    from sklearn.manifold import TSNE

    from deeprank_plugin.datasets.toy.actions import CLASS_NAMES
    from deeprank_plugin.visualization.training import plot_embeddings, plot_rounds

    plot_rounds(rounds).savefig(OUT / 'rounds.png')
    points = {
        title: TSNE(init='pca', random_state=0).fit_transform(result['features'])
        for title, result in (('Random encoder', before), ('After DeepRank', after))
    }
    plot_embeddings(points, before['labels'], CLASS_NAMES).savefig(OUT / 'tsne.png')


def print_table(rounds: list, before: dict, after: dict, accuracy: dict, seconds: float) -> None:
    """Print the results."""
    print('\nToy actions, cross-subject. Toy data and a short run: they show that all parts work')
    print('together, not how good the method is (for that, see docs/results.md).\n')
    print('round   ranking accuracy     labels    1-NN on train')
    print('        train    held out    flipped   (leave-one-out)')
    for entry in rounds:
        cells = [entry.get(key) for key in ('train_acc_rank', 'val_acc', 'flipped', 'knn')]
        text = ['      -' if cell is None else f'{100 * cell:6.1f}%' for cell in cells]
        print(f'{entry["round"]:5.0f} {text[0]} {text[1]:>11} {text[2]:>10} {text[3]:>15}')
    print('\ntest accuracy                         before      after pretraining')
    for name, key in (('5-NN', 'knn'), ('linear probe (logistic regression)', 'linear')):
        print(f'{name:<36} {100 * before[key]:6.1f}% {100 * after[key]:15.1f}%')
    print('\ntop-1 with 10 % of the labels    from scratch     pretrained')
    print(f'{"":<36} {100 * accuracy["scratch"]:6.1f}% {100 * accuracy["finetune"]:15.1f}%')
    print(f'\nseconds: {seconds:.0f}')


def main() -> None:
    """Run the steps, write the plots, print the table."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    os.chdir(ROOT)
    shutil.rmtree(OUT, ignore_errors=True)
    seconds = run_steps()
    prefix = 'relabel/'
    rounds = [
        {key[len(prefix) :]: value for key, value in entry.items() if key.startswith(prefix)}
        for entry in read_log(OUT / 'pretrain')
        if 'relabel/round' in entry
    ]
    before, after = (evaluate_features(OUT / f'{n}.npz') for n in ('random', 'pretrained'))
    accuracy = {
        name: [e['acc/top1'] for e in read_log(OUT / name) if 'acc/top1' in e][-1]
        for name in ('scratch', 'finetune')
    }
    write_plots(rounds, before, after)
    print_table(rounds, before, after, accuracy, seconds)
    print(f"""
All files are in {OUT}:
  rounds.png, tsne.png    metrics over the rounds; features before and after
  pretrain/epoch_24.pth   the pretrained encoder, next to its logs and TensorBoard files
  logs/                   the output of each step

To use your own data, write it in MMAction2's annotation format (docs/data.md), and
  python tools/train.py configs/deeprank/deeprank_stgcn.py --data FILE.pkl
  python tools/train.py configs/finetune/stgcn_pretrained.py --data FILE.pkl""")


if __name__ == '__main__':
    main()
