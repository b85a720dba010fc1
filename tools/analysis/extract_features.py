#!/usr/bin/env python
"""Write the features of a config's test data to an .npz file, and print their k-NN accuracy.

The features have the shape (N, D); with MVDeepRank (N, streams, D), with a k-NN for each stream.
With configs/finetune/raw_knn.py they are the raw coordinates.
"""

import argparse
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
from deeprank_plugin.engine.extraction import calibrate_batch_norm
from deeprank_plugin.evaluation.functional.knn import knn_scores, topk_accuracy


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='pretraining config, or finetune/raw_knn.py')
    parser.add_argument('out', type=Path, help='.npz file: features, labels, names, splits')
    parser.add_argument(
        '--checkpoint',
        help='file, or work dir for its latest; default: a random encoder, BatchNorm calibrated',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the random encoder (%(default)s)')
    parser.add_argument('--work-dir', help='where MMEngine writes its log')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, help='as for train.py')
    add_parameters(parser)
    return parser.parse_args()


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
    runner = build_runner(cfg)
    loader = runner.build_dataloader(cfg.test_dataloader, seed=args.seed)
    if args.checkpoint:
        runner.load_or_resume()
    else:
        runner.model.init_weights()
        calibrate_batch_norm(runner, loader)
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
    features, labels, splits = torch.stack(features).numpy(), np.array(labels), np.array(splits)
    bank = splits == cfg.test_evaluator.bank_split
    streams = {'': features}
    if features.ndim == 3:
        streams = {f'{m} ': features[:, index] for index, m in enumerate(model.modalities)}
    for name, stream in streams.items():
        for k in (1, 20):
            parts = (stream[~bank], stream[bank], labels[bank])
            scores = knn_scores(*map(torch.from_numpy, parts), k=k).numpy()
            print(f'{name}{k}-NN top-1: {topk_accuracy(scores, labels[~bank], (1,))[0]:.4f}')


if __name__ == '__main__':
    main()
