"""Options that several tools share."""

import argparse
import os.path as osp
import re
from typing import List, Sequence

from mmengine.config import DictAction

from deeprank_plugin.layouts import LAYOUTS

from .parameters import FILES, SHARES, STUDENT_VIEWS


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


class DataAction(argparse.Action):
    """A name or file; a list if the option is repeated."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        before = getattr(namespace, self.dest)
        if before is not None:
            values = [*([before] if isinstance(before, str) else before), values]
        setattr(namespace, self.dest, values)


def repeat_data(arguments: Sequence[str]) -> List[str]:
    """``--data a.pkl b.pkl`` as ``--data a.pkl --data b.pkl``, wherever the config follows."""
    repeated: List[str] = []
    follows = False
    for argument in arguments:
        follows = bool(repeated and repeated[-1] == '--data') or (
            follows and argument.endswith(FILES)
        )
        if follows and repeated[-1] != '--data':
            repeated.append('--data')
        repeated.append(argument)
    return repeated


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add the parameters of the configs (docs/reference/configs.md)."""
    group = parser.add_argument_group('parameters of the config')
    group.add_argument(
        '--data',
        action=DataAction,
        metavar='NAME|FILE',
        help='data set and split, such as ntu60_xview, or your own annotation file; several of '
        'them to pretrain on',
    )
    group.add_argument(
        '--layout',
        metavar='NAME|JSON',
        help=f'joints of an annotation FILE: {", ".join(LAYOUTS)}, or a JSON file (default: the '
        'one that its numbers of joints and coordinates fit)',
    )
    group.add_argument('--modality', help='joint, bone or motion')
    group.add_argument(
        '--views',
        help=f'what training shows the network: {", ".join(STUDENT_VIEWS)} (default: weak, '
        'the paper; SegRank: strong)',
    )
    group.add_argument('--share', help=f'share of labels for finetuning: {", ".join(SHARES)}')
    group.add_argument(
        '--segments',
        type=int,
        help='equal parts of the time that classifier or k-NN see apart (default: 1)',
    )
    group.add_argument(
        '--head-init',
        help="the classifier's first weights: random, or logreg (fitted to the encoder's features)",
    )
    group.add_argument(
        '--pretrained',
        metavar='CHECKPOINT',
        help='checkpoint or work dir of the encoder (default: the DeepRank run; in pretraining '
        'none, a new encoder)',
    )
    group.add_argument(
        '--holdout-subjects',
        nargs='+',
        metavar='SUBJECT',
        help='subjects of the training split that take the place of the test split, to choose '
        'settings by: 1 5',
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
