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
from typing import Optional

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

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
from deeprank_plugin.engine import Pretrained
from deeprank_plugin.engine.exposure import describe_use
from deeprank_plugin.engine.identity import identify_model


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
    """Test; an encoder-only model (k-NN) loads its encoder from any checkpoint that has one."""
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    require_fit(model, runner._load_from)
    if runner._load_from is not None and all(
        key.startswith('backbone.') for key in model.state_dict()
    ):
        takes = identify_model(model)
        _ = runner.test_loop  # builds it: its data tell what the encoder is used on
        strict = (runner.cfg.get('default_hooks') or {}).get('strict_load') or {}
        allow_other = strict.get('allow_other', ())
        Pretrained(
            runner._load_from,
            modality=takes.modality,
            layout=takes.layout,
            allow_other=allow_other,
            segments=takes.segments or 1,
            use=describe_use(runner, 'tested' in allow_other),
        )(model.backbone)
        runner._load_from = None
    runner.test()


def require_fit(model: nn.Module, checkpoint: Optional[str]) -> None:
    """Check that there is a checkpoint if the model has weights, and none if it has none.

    Raises:
        ValueError: Says what to change.
    """
    if checkpoint is None and model.state_dict():
        raise ValueError(
            f'{type(model).__name__} has weights; expected a checkpoint of them: name it after the '
            'config'
        )
    if checkpoint is not None and not model.state_dict():
        raise ValueError(
            f'{type(model).__name__} has no weights here; expected no checkpoint: leave '
            f'{checkpoint!r} out'
        )


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
