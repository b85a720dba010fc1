"""Options that several tools share."""

import argparse
import os.path as osp
import re

from mmengine.config import DictAction

from deeprank_plugin.layouts import LAYOUTS

from .parameters import SHARES


class OptionAction(DictAction):
    """MMEngine's ``KEY=VALUE``, except that a value naming a file or folder is taken literally.

    MMEngine splits values at commas and drops spaces, which would tear such paths apart.
    """

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """Parse the values; one without '=' is an error of the command line."""
        for value in values:
            if '=' not in value:
                parser.error(f'{option_string} {value!r}: expected KEY=VALUE')
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(value: str):
        if re.search(r'[ ,()\[\]]', value) and osp.exists(value):
            return value
        return DictAction._parse_iterable(value)


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add the parameters of the configs (configs/README.md)."""
    group = parser.add_argument_group('parameters of the config')
    group.add_argument(
        '--data',
        metavar='NAME|FILE',
        help='data set and split, such as ntu60_xview, or your own annotation file',
    )
    group.add_argument(
        '--layout',
        metavar='NAME|JSON',
        help=f'joints of an annotation FILE: {", ".join(LAYOUTS)}, or a JSON file (default: the '
        'one that its numbers of joints and coordinates fit)',
    )
    group.add_argument('--modality', help='joint, bone or motion')
    group.add_argument('--share', help=f'share of labels for finetuning: {", ".join(SHARES)}')
    group.add_argument(
        '--pretrained',
        metavar='CHECKPOINT',
        help='checkpoint or work dir of the encoder (default: the DeepRank run)',
    )
    group.add_argument(
        '--num-classes',
        type=int,
        help='classes of an annotation FILE (default: counted in the file)',
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    add_parameters(parser)
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints; default: ./work_dirs/<config name>_<parameters>',
    )
    parser.add_argument('--seed', type=int, help='random seed; overrides the config')
    parser.add_argument(
        '--diff-rank-seed', action='store_true', help='give every process its own seed'
    )
    parser.add_argument(
        '--deterministic', action='store_true', help='choose deterministic cuDNN algorithms'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='override entries of the config, e.g. train_cfg.max_epochs=10 key="[a,b]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
