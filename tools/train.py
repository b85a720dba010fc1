"""Train from a config: pretraining, finetuning, linear probe.

Example:
    python tools/train.py configs/deeprank/deeprank_stgcn.py --data ntu60_xview --modality bone
    python tools/train.py configs/finetune/stgcn_pretrained.py --data ntu60_xview --share 10p
    python tools/train.py configs/deeprank/deeprank_stgcn.py --data my_annotations.pkl
    python tools/train.py configs/deeprank/deeprank_stgcn.py --data mine.pkl theirs.pkl
    bash tools/dist_train.sh configs/deeprank/deeprank_stgcn.py 4 --seed 0

Exit codes: 0, the run finished; 143, stopped by SIGTERM, continue with --resume; 1, the run failed,
for example with a full disk or a NaN loss; 2, the request is invalid.
"""

import argparse
import os.path as osp
import sys
from typing import Optional

from mmengine.config import Config

from deeprank_plugin import compat
from deeprank_plugin.command_line import (
    add_common_arguments,
    build_runner,
    exit_with_error,
    read_config,
    repeat_data,
    require_checkpoint,
    require_same_run,
    run_or_exit,
)
from deeprank_plugin.engine.recovery.checkpoints import describe_torn, find_resumable, is_whole


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint; without a name, from the latest one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs an accelerator)')
    parser.add_argument('--no-validate', action='store_true', help='train without validation')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the actual over the base batch size',
    )
    add_common_arguments(parser)
    return parser.parse_args(repeat_data(sys.argv[1:]))


def set_amp(cfg: Config, args: argparse.Namespace) -> None:
    """Enable mixed precision if requested; exit with an error if that is impossible."""
    wrapper = cfg.get('optim_wrapper') or {}
    wrapper_type = wrapper.get('type', 'OptimWrapper')
    if args.amp:
        if wrapper_type not in ('OptimWrapper', 'AmpOptimWrapper'):
            exit_with_error(
                f'--amp cannot change optim_wrapper.type {wrapper_type!r}; expected '
                "'OptimWrapper' or 'AmpOptimWrapper': set mixed precision in the config."
            )
        wrapper_type = wrapper['type'] = 'AmpOptimWrapper'
        wrapper.setdefault('loss_scale', 'dynamic')
    if wrapper_type == 'AmpOptimWrapper' and not compat.has_accelerator():
        exit_with_error(
            'mixed precision (--amp, or AmpOptimWrapper in the config) needs an accelerator, and '
            'none was found: train without it here.'
        )


def set_resume(cfg: Config, resume: Optional[str]) -> Optional[str]:
    """Set ``--resume`` in the config, with the latest complete checkpoint.

    MMEngine silently starts from scratch if the work dir has no checkpoint yet.

    Returns:
        str, optional: A notice to log: there is nothing to resume from, or only an older one.
    """
    if resume == 'auto':
        cfg.resume, cfg.load_from = True, None
    elif resume is not None:
        cfg.resume, cfg.load_from = True, resume
    if cfg.get('load_from'):
        require_checkpoint(cfg.load_from)
        if cfg.get('resume') and osp.isfile(cfg.load_from) and not is_whole(cfg.load_from):
            exit_with_error(
                f'{describe_torn(cfg.load_from)}: name another with --resume CHECKPOINT.'
            )
        if cfg.get('resume'):
            require_same_run(cfg, cfg.load_from)
    if not cfg.get('resume') or cfg.get('load_from'):
        return None
    try:
        cfg.load_from, notices = find_resumable(cfg.work_dir)
    except ValueError as error:
        exit_with_error(str(error))
    if cfg.load_from is None:
        cfg.resume = False
        return f'Nothing to resume from in {cfg.work_dir}: training starts from the beginning.'
    require_same_run(cfg, cfg.load_from)
    return ' '.join(notices) or None


def build_and_train(cfg: Config, notice: Optional[str]) -> None:
    """Train, after a notice of :func:`set_resume`."""
    runner = build_runner(cfg)
    if notice is not None:
        runner.logger.warning(notice) if cfg.resume else runner.logger.info(notice)
    runner.train()


def main() -> None:
    """Read the config and train."""
    args = parse_args()
    cfg = read_config(args)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    set_amp(cfg, args)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            exit_with_error(
                f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in '
                f'{args.config!r}, which has none.'
            )
        cfg.auto_scale_lr.enable = True
    notice = set_resume(cfg, args.resume)
    run_or_exit(lambda: build_and_train(cfg, notice), cfg.work_dir)


if __name__ == '__main__':
    main()
