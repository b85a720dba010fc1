#!/usr/bin/env python
"""Write the features of a config's test data to an .npz file, and print their k-NN accuracy.

The features have the shape (N, D); with MVDeepRank (N, streams, D), with a k-NN for each stream.
With configs/finetune/raw_knn.py they are the raw coordinates. The k-NN is that of tools/test.py: a
share of the labels (--share) and test_evaluator.k mean the same.
"""

import argparse
import copy
import os.path as osp
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from tqdm import tqdm

import deeprank_plugin  # noqa: F401
from deeprank_plugin.apis.inference import choose_encoder
from deeprank_plugin.command_line import (
    OptionAction,
    add_parameters,
    build_runner,
    find_checkpoint,
    load_config,
    merge_or_exit,
    parameters_of,
    require_writable,
    run_or_exit,
)
from deeprank_plugin.engine.encoder_loading import load_encoder
from deeprank_plugin.engine.extraction import calibrate_batch_norm, leaf_configs
from deeprank_plugin.evaluation import KNNMetric


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of pretraining or of k-NN')
    parser.add_argument('out', type=Path, help='.npz file: features, labels, names, splits')
    parser.add_argument(
        '--checkpoint',
        help='file, or work dir for its latest; default: a random encoder, BatchNorm calibrated',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the random encoder (%(default)s)')
    parser.add_argument('--work-dir', help='where MMEngine writes its log')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, help='as for train.py')
    add_parameters(parser)
    args = parser.parse_args()
    if args.out.suffix != '.npz':
        parser.error(f'OUT {args.out}: expected a file that ends in .npz')
    return args


def main() -> None:
    """Read the config and extract."""
    args = parse_args()
    cfg = load_config(args.config, **parameters_of(args))
    merge_or_exit(cfg, args.cfg_options or {})
    cfg.work_dir = args.work_dir or osp.join('work_dirs', Path(args.config).stem)
    cfg.load_from = args.checkpoint and find_checkpoint(args.checkpoint)
    cfg.randomness = dict(seed=args.seed)
    require_writable(str(args.out.parent), 'folder', 'OUT')
    run_or_exit(lambda: extract(args, cfg))


@torch.no_grad()
def extract(args: argparse.Namespace, cfg: Config) -> None:
    """Build the model, extract, write."""
    bank_split = cfg.test_evaluator.get('bank_split')
    if bank_split is None:
        raise ValueError(
            f'{args.config} has the test_evaluator {cfg.test_evaluator.get("type")}; expected '
            'KNNMetric, and splits for it: take the config of pretraining, or a *_knn.py'
        )
    runner = build_runner(cfg)
    loader = runner.test_loop.dataloader
    if args.checkpoint:
        load_encoder(runner)
        runner.load_or_resume()
    else:
        runner.model.init_weights()
        bank = copy.deepcopy(cfg.test_dataloader)
        for leaf in leaf_configs(bank.dataset):  # as for the first labels: nothing of the test part
            leaf.split = bank_split
            if leaf.get('subjects'):
                leaf.subjects.part = 'train'
        calibrate_batch_norm(runner, runner.build_dataloader(bank, seed=args.seed))
    model = runner.model.eval()
    encoder = choose_encoder(model)
    found = []
    for batch in tqdm(loader, desc='Extracting features', disable=None):
        data = model.data_preprocessor(batch, False)
        for feature, sample in zip(encoder(data['inputs']).cpu(), data['data_samples']):
            meta = sample.metainfo
            found.append((feature, int(sample.gt_label), meta['frame_dir'], meta['split']))
    features, labels, names, splits = zip(*found)
    streams = dict(streams=model.modalities) if features[0].dim() == 2 else {}
    np.savez(
        args.out,
        features=torch.stack(features).numpy(),
        labels=labels,
        names=names,
        splits=splits,
        **streams,
    )
    print(f'{args.out}: {len(labels)} features of shape {tuple(features[0].shape)}')
    samples = []
    for feature, *known in found:
        feat = dict(zip(model.modalities, feature)) if streams else feature
        samples.append(dict(zip(('gt_label', 'frame_dir', 'split'), known), feat=feat))
    for k in sorted({1, cfg.test_evaluator.get('k', 20)}):
        metric = KNNMetric(bank_split, k, topk=(1,), labels=cfg.test_evaluator.get('labels'))
        metric.process(None, samples)
        for name, value in metric.compute_metrics(metric.results).items():
            if name.endswith('top1'):
                print(f'{name[:-5]} {k}-NN top-1: {value:.4f}'.lstrip())


if __name__ == '__main__':
    main()
