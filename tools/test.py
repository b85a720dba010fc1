"""Test a checkpoint with its config.

Example:
    python tools/test.py configs/finetune/<config>.py work_dirs/<run>/epoch_100.pth --dump s.pkl
    bash tools/dist_test.sh configs/finetune/<config>.py work_dirs/<run>/epoch_100.pth 4
"""

import argparse
import os.path as osp

from deeprank_plugin.command_line import (
    add_common_arguments,
    build_runner,
    read_config,
    refuse,
    require_checkpoint,
    require_writable,
    run_or_refuse,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dump', metavar='FILE', help='write all predictions to this .pkl file')
    add_common_arguments(parser)
    return parser.parse_args()


def add_dump(cfg, path: str) -> None:
    """Let the evaluator also write the predictions to a file."""
    if not path.endswith(('.pkl', '.pickle')):
        refuse(f'--dump {path!r}: the file must end in .pkl or .pickle.')
    require_writable(osp.dirname(osp.abspath(path)), 'folder of --dump', '--dump')
    evaluators = cfg.test_evaluator
    evaluators = list(evaluators) if isinstance(evaluators, (list, tuple)) else [evaluators]
    cfg.test_evaluator = evaluators + [dict(type='DumpResults', out_file_path=path)]


def main() -> None:
    args = parse_args()
    require_checkpoint(args.checkpoint)
    cfg = read_config(args)
    if cfg.get('test_evaluator') is None:
        refuse(f'config {args.config!r} has no test_evaluator: there is nothing to test with it.')
    if args.dump is not None:
        add_dump(cfg, args.dump)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    run_or_refuse(build_runner(cfg).test)


if __name__ == '__main__':
    main()
