#!/usr/bin/env python
"""Run a downstream protocol: all streams and seeds of a config, one JSON file and one table.

Each run is one call of tools/train.py (of tools/dist_train.sh with --gpus) and one of
tools/test.py. Completed runs are skipped: the same command resumes where it was interrupted.

Example:
    # finetuning with 10 % of the labels, five seeds, joint encoder of a DeepRank run
    python tools/run_protocol.py configs/finetune/stgcn_pretrained.py work_dirs/protocols/semi \\
        --checkpoint work_dirs/deeprank_stgcn_ntu60_xsub_joint --share 10p --seeds 0 1 2 3 4
    # three streams of one MV-DeepRank run, and their fusion
    python tools/run_protocol.py configs/finetune/stgcn_pretrained.py work_dirs/protocols/3s \\
        --checkpoint work_dirs/mv-deeprank_stgcn_ntu60_xsub --streams joint bone motion
    # three DeepRank runs; from scratch
    ... --streams joint bone --checkpoint joint=work_dirs/<a> bone=work_dirs/<b>
    ... --checkpoint none
    # raw coordinates, without any encoder
    python tools/run_protocol.py configs/finetune/raw_knn.py work_dirs/raw --checkpoint none \\
        --share 10p --seeds 0 1 2 --cfg-options test_evaluator.k=1
"""

import argparse
import hashlib
import json
import os
import os.path as osp
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

TOOLS = Path(__file__).resolve().parent
sys.path.insert(0, str(TOOLS / 'analysis'))

import numpy as np
from dumps import load_predictions
from mmengine.config import Config

from deeprank_plugin.command_line import (
    OptionAction,
    exit_with_error,
    has_weights,
    load_config,
    merge_or_exit,
    print_warnings,
    repeat_data,
    require_writable,
    run_or_exit,
)
from deeprank_plugin.command_line.arguments import DataAction
from deeprank_plugin.command_line.data_file import find_labelled_shares, hash_data, hash_file
from deeprank_plugin.command_line.encoder_files import check_streams, find_checkpoints
from deeprank_plugin.command_line.parameters import SHARES
from deeprank_plugin.command_line.plan import describe_streams, read_streams
from deeprank_plugin.engine.recovery.checkpoints import find_latest
from deeprank_plugin.evaluation.functional import classification_metrics
from deeprank_plugin.models.data_preprocessor import MODALITIES

PARAMETERS = ('data', 'layout', 'num_classes', 'share', 'views', 'segments', 'head_init')
PARAMETERS += ('holdout_subjects',)
LOUD = re.compile(r'WARNING - (.*(?:WERE TRAINED ON|OTHER SETTINGS|was pretrained).*)')
"""What the tools warn of that makes a result another one than it looks."""
METRICS = {'acc/top1': 'top-1', 'acc/top5': 'top-5', 'acc/mean_class': 'mean class'}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of finetuning, linear probe or k-NN')
    parser.add_argument('out', type=Path, help='folder of the results; reuse it to resume')
    parser.add_argument(
        '--checkpoint',
        nargs='+',
        required=True,
        metavar='FILE',
        help='pretrained checkpoint or work dir; one for each stream as joint=FILE; or none',
    )
    parser.add_argument('--streams', nargs='+', default=['joint'], choices=MODALITIES)
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--data', action=DataAction, help='as for train.py, but one file')
    for option in ('--layout', '--views', '--segments', '--head-init'):
        parser.add_argument(option, help='as for train.py')
    parser.add_argument('--num-classes', type=int, help='as for train.py')
    parser.add_argument('--holdout-subjects', nargs='+', help='as for train.py')
    parser.add_argument(
        '--share', choices=SHARES, help='share of labelled samples; each seed draws its own'
    )
    parser.add_argument('--gpus', type=int, default=1, help='processes of a run (%(default)s)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the actual over the base batch size, as train.py does',
    )
    parser.add_argument('--weights', nargs='+', type=float, help='of the streams in the fusion')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='as for train.py'
    )
    args = parser.parse_args(repeat_data(sys.argv[1:]))
    if isinstance(args.data, list):
        exit_with_error(
            f'--data {" ".join(args.data)}: a protocol trains and tests on one data set. To '
            'pretrain on several files, give them to tools/train.py with a pretraining config, '
            'and its work dir as --checkpoint here.'
        )
    return args


# ---------------------------------------------------------------------- settings


def read_options(options: Sequence[str]) -> Dict:
    """Parse ``--cfg-options`` into a dict."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options if options else {}


def collect_settings(args: argparse.Namespace, cfg: Config, checkpoints: Dict) -> Dict:
    """Everything that the results depend on, except streams and seeds."""
    return dict(
        config=osp.basename(args.config),
        config_sha256=hashlib.sha256(cfg.pretty_text.encode()).hexdigest(),
        checkpoints={
            stream: path and dict(file=osp.basename(path), sha256=hash_file(path))
            for stream, path in checkpoints.items()
        },
        data=hash_data(cfg),
        share=', '.join(f'{100 * s:g}p' for s in find_labelled_shares(cfg).values()) or None,
        gpus=args.gpus,
        auto_scale_lr=args.auto_scale_lr,
        cfg_options=sorted(args.cfg_options),
    )


def record_settings(folder: Path, settings: Dict) -> None:
    """Record the settings of a stream; exit with an error if the folder has different ones."""
    path = folder / 'settings.json'
    if path.is_file():
        before = json.loads(path.read_text())
        if before.get('share') == 'all':  # as an older version recorded --share all
            before['share'] = None
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed == ['data']:
            known = before.get('data')
            if known is None:
                exit_with_error(
                    f'{folder} holds results without a record of their data: name another folder, '
                    'or remove this one.'
                )
            files = [path for path, digest in settings['data'].items() if known.get(path) != digest]
            exit_with_error(
                f'{folder} holds results of other contents of {", ".join(files) or "the data"}: '
                'name another folder, or remove this one.'
            )
        if changed:
            exit_with_error(
                f'{folder} holds results with another {changed[0]} ({before.get(changed[0])!r}, '
                f'now {settings[changed[0]]!r}): name another folder, or remove this one.'
            )
        return
    require_writable(str(folder), 'folder', 'OUT')
    write_json(path, settings)


# ---------------------------------------------------------------------- the runs


def run_tool(command: List, log: Path) -> None:
    """Run one tool with its output in a file; if it fails, exit with the last lines.

    What it warns of loudly is warned of here, too.
    """
    environment = dict(os.environ, PYTHON=sys.executable)  # for dist_train.sh
    with open(log, 'a') as file:
        result = subprocess.run(
            list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    if result.returncode:
        tail = log.read_text().strip().splitlines()[-5:]
        exit_with_error(
            f'{" ".join(map(str, command[:3]))} ... failed, see {log}:\n  ' + '\n  '.join(tail)
        )
    for sentence in LOUD.findall(log.read_text()):
        warnings.warn(sentence, stacklevel=2)


def common_options(args: argparse.Namespace, cfg: Config, stream: str) -> Tuple[List, List]:
    """Parameters and ``--cfg-options`` for training and testing one stream."""
    parameters, options = [], list(args.cfg_options)
    for name in PARAMETERS:
        value = getattr(args, name)
        if value is not None:
            values = value if isinstance(value, list) else [value]
            parameters += [f'--{name.replace("_", "-")}', *values]
    if 'modality' in cfg:
        parameters += ['--modality', stream]
    else:  # a config without parameters, such as a project's
        options.append(f'model.data_preprocessor.modality={stream}')
    return parameters, options


def run_one(args, cfg: Config, stream: str, checkpoint, seed: int) -> Dict:
    """Metrics of one stream with one seed; a completed run is not repeated."""
    folder = args.out / stream / f'seed_{seed}'
    done = folder / 'result.json'
    if done.is_file():
        metrics = json.loads(done.read_text())
        if 'acc/mean1' not in metrics:
            return metrics
    else:
        metrics = train_and_test(args, cfg, stream, checkpoint, seed, folder)
    if 'acc/mean1' in metrics:  # MMAction2's, of other classes than the mean of the fused scores
        try:
            scored = load_predictions(folder / 'scores.pkl')
        except (ValueError, OSError) as error:
            exit_with_error(f'{error}. To test again, remove {done}.')
        del metrics['acc/mean1']
        metrics['acc/mean_class'] = classification_metrics(scored.scores, scored.labels).mean_class
    write_json(done, metrics)
    return metrics


def train_and_test(
    args, cfg: Config, stream: str, checkpoint, seed: int, folder: Path
) -> Dict[str, float]:
    """Train (if the config trains) and test; metrics as MMEngine's evaluator names them."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters, options = common_options(args, cfg, stream)
    seeds = [f'{key}.seed={seed}' for key in find_labelled_shares(cfg)]
    trained = checkpoint
    if cfg.get('train_dataloader') is not None:
        train_options, train_parameters = list(options), list(parameters)
        if checkpoint is None:
            train_options.append('model.backbone.init_cfg=None')
        elif 'pretrained' in cfg:
            train_parameters += ['--pretrained', checkpoint]
        else:
            train_options += [
                'model.backbone.init_cfg.type=Pretrained',
                f'model.backbone.init_cfg.checkpoint={checkpoint}',
            ]
        train_options += seeds
        if args.gpus > 1:
            command = ['bash', TOOLS / 'dist_train.sh', args.config, args.gpus]
        else:
            command = [sys.executable, TOOLS / 'train.py', args.config]
        command += ['--seed', seed, '--work-dir', folder, '--resume']
        if args.auto_scale_lr:
            command.append('--auto-scale-lr')
        command += [*train_parameters, '--cfg-options', *train_options]
        run_tool(command, folder / 'train.log')
        trained = find_latest(str(folder))
        options.append('model.backbone.init_cfg=None')
    else:
        options += seeds
    command = [sys.executable, TOOLS / 'test.py', args.config, *filter(None, [trained])]
    command += ['--work-dir', folder / 'test', '--dump', folder / 'scores.pkl']
    command += parameters
    command += ['--cfg-options', *options] if options else []
    run_tool(command, folder / 'test.log')
    latest = max((folder / 'test').glob('*/*.json'), key=lambda path: path.stat().st_mtime)
    metrics = json.loads(latest.read_text().splitlines()[-1])
    return {k: v for k, v in metrics.items() if '/' in k and isinstance(v, float)}


def fuse(args: argparse.Namespace, seed: int) -> Dict:
    """Metrics of the streams' fused scores, from tools/analysis/fuse_scores.py."""
    folder = args.out / 'fused' / f'seed_{seed}'
    folder.mkdir(parents=True, exist_ok=True)
    dumps = [args.out / stream / f'seed_{seed}' / 'scores.pkl' for stream in args.streams]
    command = [sys.executable, TOOLS / 'analysis' / 'fuse_scores.py', *dumps, '--out-dir', folder]
    if args.weights:
        command += ['--weights', *args.weights]
    run_tool(command, folder / 'fuse.log')
    fused = json.loads((folder / 'fused.json').read_text())['fusion']
    return {f'acc/{name}': fused[name] for name in ('top1', 'top5', 'mean_class')}


# ---------------------------------------------------------------------- the results


def write_json(path: Path, content: Dict) -> None:
    """Write a JSON file, whole or not at all."""
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(content, indent=2) + '\n')
    os.replace(temporary, path)


def summarise(runs: Dict[int, Dict]) -> Dict:
    """Mean and sample standard deviation (None for a single seed) of each metric over seeds."""
    summary = {}
    for key in next(iter(runs.values())):
        values = [run[key] for run in runs.values()]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        summary[key] = dict(mean=float(np.mean(values)), std=spread)
    return summary


def format_table(results: Dict[str, Dict]) -> str:
    """Format a Markdown table: streams in rows, metrics in columns, in percent."""
    keys = [k for k in next(iter(results.values()))['summary'] if 'num_' not in k]
    header = ['stream', *(METRICS.get(key, key) for key in keys), 'seeds (top-1)']
    rows = []
    for stream, result in results.items():
        cells = []
        for key in keys:
            metric = result['summary'].get(key)
            text = '' if metric is None else f'{100 * metric["mean"]:.1f}'
            if metric is not None and metric['std'] is not None:
                text += f' ± {100 * metric["std"]:.1f}'
            cells.append(text)
        singles = ', '.join(f'{100 * run[keys[0]]:.1f}' for run in result['seeds'].values())
        rows.append([stream, *cells, singles])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells, fill=' '):
        return (
            '| ' + ' | '.join(cell.ljust(width, fill) for cell, width in zip(cells, widths)) + ' |'
        )

    return '\n'.join([line(header), line([''] * len(header), '-'), *map(line, rows)])


def main() -> None:
    """Record the settings, run everything, write the results."""
    args = parse_args()
    for name in ('streams', 'seeds'):
        given = getattr(args, name)
        if len(set(given)) < len(given):
            exit_with_error(
                f'--{name} {" ".join(map(str, given))} has one of them twice: give each once.'
            )
    if args.weights and len(args.weights) != len(args.streams):
        exit_with_error(
            f'{len(args.weights)} --weights for {len(args.streams)} streams: give one for each.'
        )
    given = {name: getattr(args, name) for name in PARAMETERS}
    cfg = load_config(args.config, **given)
    merge_or_exit(cfg, read_options(args.cfg_options))
    trains = cfg.get('train_dataloader') is not None
    checkpoints = find_checkpoints(args.checkpoint, args.streams)
    if None in checkpoints.values() and not trains and has_weights(cfg):
        exit_with_error(f'{args.config} does not train: it needs a --checkpoint to test.')
    for path in filter(None, set(checkpoints.values())):
        check_streams(path, [stream for stream in checkpoints if checkpoints[stream] == path])
    if trains:
        cfgs = read_streams(cfg, args.config, args.streams, read_options(args.cfg_options))
        run_or_exit(lambda: print(*describe_streams(cfgs, args.gpus, args.auto_scale_lr), sep='\n'))
    settings = collect_settings(args, cfg, checkpoints)
    for stream in args.streams:
        own = dict(settings, checkpoints=settings['checkpoints'][stream])
        record_settings(args.out / stream, own)
    results = {}
    for stream in args.streams:
        runs = {}
        for seed in args.seeds:
            runs[seed] = run_one(args, cfg, stream, checkpoints[stream], seed)
            shown = ', '.join(f'{k} {v:.4f}' for k, v in runs[seed].items() if 'num_' not in k)
            print(f'{stream}, seed {seed}: {shown}', flush=True)
        results[stream] = dict(seeds=runs, summary=summarise(runs))
    if len(args.streams) > 1 and 'test_evaluator' in cfg and trains:
        runs = {seed: fuse(args, seed) for seed in args.seeds}
        results['fused'] = dict(seeds=runs, summary=summarise(runs))
    table = format_table(results)
    write_json(args.out / 'results.json', dict(settings=settings, results=results))
    (args.out / 'results.md').write_text(table + '\n')
    print(table)


if __name__ == '__main__':
    with print_warnings():
        main()
