"""Test a checkpoint with its config.

Example:
    python tools/test.py configs/finetune/stgcn_scratch.py work_dirs/<run>/epoch_100.pth \\
        --data ntu60_xview --dump s.pkl
    python tools/test.py configs/finetune/stgcn_knn.py work_dirs/deeprank_stgcn_ntu60_xsub_joint
    python tools/test.py configs/finetune/raw_knn.py --data ntu60_xview
    bash tools/dist_test.sh configs/finetune/stgcn_scratch.py work_dirs/<run>/epoch_100.pth 4
"""

import argparse
import os.path as osp

from mmengine.runner import Runner

from deeprank_plugin.command_line import (
    add_common_arguments,
    build_runner,
    exit_with_error,
    find_checkpoint,
    has_weights,
    read_config,
    require_checkpoint,
    require_writable,
    run_or_exit,
)
from deeprank_plugin.engine.encoder_loading import load_encoder


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint file, or work dir for its latest; none if the model has no weights',
    )
    parser.add_argument('--dump', metavar='FILE', help='write all predictions to this .pkl file')
    add_common_arguments(parser)
    return parser.parse_intermixed_args()  # the checkpoint may come after options


def add_dump(cfg, path: str) -> None:
    """Make the evaluator also write the predictions to a file."""
    if not path.endswith(('.pkl', '.pickle')):
        exit_with_error(f'--dump {path!r}: the file must end in .pkl or .pickle.')
    require_writable(osp.dirname(osp.abspath(path)), 'folder of --dump', '--dump')
    evaluators = cfg.test_evaluator
    evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
    cfg.test_evaluator = evaluators + [dict(type='DumpResults', out_file_path=path)]


def load_and_test(runner: Runner) -> None:
    """Load an encoder on its own, where that is all that is needed, and test."""
    load_encoder(runner)
    runner.test()


def main() -> None:
    """Read the config and test."""
    args = parse_args()
    if args.checkpoint is not None:
        if osp.isdir(args.checkpoint):
            args.checkpoint = find_checkpoint(args.checkpoint)
        require_checkpoint(args.checkpoint)
    cfg = read_config(args)
    if cfg.get('test_evaluator') is None:
        exit_with_error(f'config {args.config!r} has no test_evaluator, so it cannot be tested.')
    if args.dump is not None:
        add_dump(cfg, args.dump)
    if cfg.launcher != 'none' and not has_weights(cfg):
        exit_with_error(
            f'--launcher {cfg.launcher}: {args.config} has no weights, and PyTorch distributes '
            'only models that have some; test it in one process, without a launcher.'
        )
    cfg.load_from = args.checkpoint
    cfg.resume = False
    run_or_exit(lambda: load_and_test(build_runner(cfg)))


if __name__ == '__main__':
    main()
