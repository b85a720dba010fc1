"""Parameters of the configs: data set, layout, modality, views, share of labels and more.

A config reads them from environment variables (``'{{$DATA:ntu60_xsub}}'``), which MMEngine
substitutes in its text; the tools take them as options and set the variables while reading it.
"""

import argparse
import ast
import logging
import os
import os.path as osp
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Union

from mmengine.config import Config
from mmengine.logging import MMLogger

from deeprank_plugin.engine.encoders import read_checkpoint, read_checkpoint_config
from deeprank_plugin.engine.hooks.head_init_hook import CLASSIFIERS
from deeprank_plugin.layouts import find_layout
from deeprank_plugin.models.data_preprocessor import MODALITIES

from .data_file import derive_from_several, derive_variables, name_data
from .failures import exit_with_error

SHARES = ('all', '10p', '5p', '1p')
STUDENT_VIEWS = ('weak', 'strong', 'strong_swap')
CHOICES = dict(modality=MODALITIES, views=STUDENT_VIEWS, share=SHARES, head_init=CLASSIFIERS)
VARIABLES = dict(
    data='DATA',
    layout='LAYOUT',
    modality='MODALITY',
    views='VIEWS',
    share='SHARE',
    segments='SEGMENTS',
    head_init='HEAD_INIT',
    pretrained='PRETRAINED',
    holdout_subjects='HOLDOUT_SUBJECTS',
)
FILES = ('.pkl', '.pickle', '.npz')
UNSAFE = re.compile(r'[\\\'"\n{}]')  # would break the string literal in the config


def parameters_of(args: argparse.Namespace) -> Dict:
    """The options of ``add_parameters`` as arguments of :func:`load_config`."""
    return {name: getattr(args, name) for name in (*VARIABLES, 'num_classes')}


def load_config(
    path: str,
    data: Union[None, str, Sequence[str]] = None,
    modality: Optional[str] = None,
    share: Optional[str] = None,
    pretrained: Optional[str] = None,
    num_classes: Optional[int] = None,
    layout: Optional[str] = None,
    views: Optional[str] = None,
    segments: Optional[int] = None,
    head_init: Optional[str] = None,
    holdout_subjects: Optional[Sequence[str]] = None,
) -> Config:
    """Read a config with its parameters; the environment or the config sets those not given.

    Args:
        path (str): Config file.
        data (str or list[str], optional): Name in ``configs/_base_/data``, or an annotation file;
            several files for pretraining.
        modality (str, optional): 'joint', 'bone' or 'motion'.
        share (str, optional): One of ``SHARES``.
        pretrained (str, optional): Checkpoint or work dir of the encoder.
        num_classes (int, optional): Number of classes in an annotation file.
        layout (str, optional): Layout of an annotation file: a name, or a JSON file.
        views (str, optional): One of ``STUDENT_VIEWS``, what training shows the network.
        segments (int, optional): Equal parts of the time that are pooled separately.
        head_init (str, optional): First weights of the classifier, 'random' or 'logreg'.
        holdout_subjects (Sequence[str], optional): Subjects of the training split that take the
            place of the test split.

    Raises:
        SystemExit: With one sentence, if the file does not exist, a value is unknown, or the config
            does not have a parameter that is given.
    """
    if not osp.isfile(path):
        exit_with_error(f'config file {path!r} does not exist.')
    if os.getcwd() not in sys.path:  # custom_imports finds what lies there, as with `python -m`
        sys.path.append(os.getcwd())
    files = [data] if isinstance(data, str) else list(data or ())
    values: Dict[str, object] = dict(data=' '.join(files) or data, layout=layout)
    values.update(modality=modality, share=share, pretrained=pretrained, segments=segments)
    values.update(views=views, head_init=head_init)
    values.update(holdout_subjects=holdout_subjects and ','.join(map(str, holdout_subjects)))
    given = check_values(values)
    variables = {VARIABLES[name]: value for name, value in given.items()}
    variables.update(look_up_files(files, num_classes, layout))
    for name, of_file in dict(num_classes=num_classes, layout=layout).items():
        if of_file is not None and variables.get('DATA') != 'custom':
            if not reads(path, 'DATA'):
                exit_with_error(f'{path} has its data set already: leave {option(name)} out.')
            exit_with_error(f'{option(name)} needs an annotation file: use it with --data FILE.')
    with environment(variables), quiet():
        cfg = read_file(path)
    for name in given:
        if VARIABLES[name] not in cfg.env_variables:
            readable = [n for n, variable in VARIABLES.items() if reads(path, variable)]
            exit_with_error(
                f'{path} has no parameter {name}; it has: {", ".join(readable) or "none"}. '
                f'Leave {option(name)} out.'
            )
    if len(files) > 1 and 'share' in cfg:
        exit_with_error(f'{path} trains a classifier, which takes one --data FILE.')
    check_environment(cfg)
    set_work_dir(cfg, path, given.get('pretrained'))
    return cfg


def check_values(values: Mapping[str, object]) -> Dict[str, str]:
    """The parameters that are given, as text; exits with an error if one cannot be right."""
    given = {name: str(value) for name, value in values.items() if value is not None}
    for name, value in given.items():
        if not value or UNSAFE.search(value):
            exit_with_error(
                f'{option(name)} {value!r} is empty or contains a quote, a brace or a backslash.'
            )
    for name, choices in CHOICES.items():
        check_choice(option(name), given.get(name), choices)
    check_number('--segments', given.get('segments'))
    return given


def look_up_files(
    files: List[str], num_classes: Optional[int], layout: Optional[str]
) -> Dict[str, str]:
    """Variables of annotation files; none for the name of a data set."""
    named = [file for file in files if not (osp.isfile(file) or file.endswith(FILES))]
    if not named and len(files) == 1:
        return derive_variables(files[0], num_classes, layout)
    if not named and files:
        return derive_from_several(files, num_classes, layout)
    if len(files) > 1:
        exit_with_error(
            f'--data {named[0]!r} is no annotation file; expected one name, or files only (.pkl, '
            '.npz).'
        )
    return {}


def read_file(path: str) -> Config:
    """``Config.fromfile``, with a one-sentence error for a value without a base config."""
    try:
        return Config.fromfile(path)
    except FileNotFoundError as error:
        found = re.search(r'([^"\']*_base_/(?:\./)?data)/([^"\']*)\.py', str(error))
        if found and osp.isdir(found[1]):
            known = sorted(file.stem for file in Path(found[1]).glob('*.py'))
            known.remove('custom')
            exit_with_error(
                f'data set {found[2]!r} is not known; expected one of {", ".join(known)}. The '
                'option --data also takes an annotation file (.pkl, .npz); the environment '
                'variable DATA takes names only: for a file set DATA=custom, ANN_FILE and the '
                'other variables of configs/_base_/data/custom.py.'
            )
        exit_with_error(f'config {path!r} names a base config that does not exist: {error}')
    except (KeyError, ValueError) as error:
        for name in ('share', 'views'):
            value = os.environ.get(VARIABLES[name])
            check_choice(f'the environment variable {VARIABLES[name]}', value, CHOICES[name])
        check_number('the environment variable SEGMENTS', os.environ.get('SEGMENTS'))
        if isinstance(error, ValueError):  # raised by the config itself
            exit_with_error(f'{path}: {error}')
        raise


def read_again(path: str, cfg: Config, modality: str) -> Config:
    """The config for another modality, with all other variables that ``cfg`` was read with."""
    with environment({**cfg.env_variables, VARIABLES['modality']: modality}), quiet():
        return read_file(path)


def option(name: str) -> str:
    """The option that sets a parameter."""
    return f'--{name.replace("_", "-")}'


def check_choice(name: str, value: Optional[str], choices) -> None:
    """Exit with an error if a given value is unknown."""
    if value is not None and value not in choices:
        exit_with_error(f'{name} {value!r} is not known; expected one of {", ".join(choices)}.')


def check_environment(cfg: Config) -> None:
    """Exit with an error if an environment variable that the config reads is unknown."""
    for name, choices in CHOICES.items():
        value = cfg.env_variables.get(VARIABLES[name])
        if value != 'auto':
            check_choice(f'the environment variable {VARIABLES[name]}', value, choices)
    check_number('the environment variable SEGMENTS', cfg.env_variables.get('SEGMENTS'))


def check_number(name: str, value: Optional[str]) -> None:
    """Exit with an error if a given value is no number from 1."""
    if value is not None and not re.fullmatch(r'[1-9]\d*', value):
        exit_with_error(f'{name} {value!r} is out of range; expected an integer from 1.')


@contextmanager
def environment(variables: Dict[str, str]) -> Iterator[None]:
    """Set environment variables within the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the line that MMEngine logs for each variable and file."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def reads(path: str, variable: str) -> bool:
    """Whether a config, or one that it inherits from, reads a variable."""
    probes = dict(DATA='custom', LAYOUT='nturgb+d', MODALITY='joint', VIEWS='weak', SHARE='all')
    probes.update(PRETRAINED='auto', SEGMENTS='1', HEAD_INIT='auto', HOLDOUT_SUBJECTS='none')
    with environment(probes), quiet():
        return variable in read_file(path).env_variables


def set_work_dir(cfg: Config, path: str, pretrained: Optional[str]) -> None:
    """Name the work dir after the config file and its parameters, unless the config names it.

    An explicit ``pretrained`` is appended: ``..._from-<run>``; in pretraining, which by default
    has none, also that of the environment.
    """
    if pretrained is None and 'share' not in cfg:
        pretrained = cfg.get('pretrained')
    targets = [
        target.id
        for node in ast.parse(Path(path).read_text(encoding='utf-8')).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    if cfg.get('work_dir') is None or 'work_dir' not in targets:
        values = [cfg.get(name) for name in ('data', 'modality', 'share')]
        parts = [osp.splitext(osp.basename(path))[0], *(v for v in values if isinstance(v, str))]
        cfg.work_dir = osp.join('./work_dirs', '_'.join(parts)) + cfg.get('variant', '')
    if pretrained not in (None, 'none'):
        cfg.work_dir += f'_from-{name_run(pretrained)}'


def name_run(checkpoint: str) -> str:
    """Name of the run that wrote a checkpoint, or of a standalone file."""
    path = Path(checkpoint)
    if re.fullmatch(r'(epoch|iter|best)_.*\.pth', path.name):
        return path.resolve().parent.name
    return path.resolve().name if path.is_dir() else path.stem


def require_same_run(cfg: Config, checkpoint: str) -> None:
    """Exit with an error if the run to resume had different parameters."""
    try:
        before = read_checkpoint_config(read_checkpoint(checkpoint))
    except (ValueError, OSError):
        return  # without a config, or unreadable: loading it reports that
    # data and encoder are named after the subjects that are held out: compare these first
    for name in sorted(VARIABLES, key=lambda name: name != 'holdout_subjects'):
        values = [config.get(name) for config in (before, cfg)]
        if name == 'pretrained':
            values = [value and osp.normpath(value) for value in values]
        if name == 'layout' and require_same_joints(before, cfg, checkpoint):
            continue
        if None not in values and values[0] != values[1]:
            given = name_file(before) if name == 'data' else values[0]
            exit_with_error(
                f'{checkpoint} is from a run with {name} {values[0]!r}, but this one has '
                f'{values[1]!r}: resume it with {option(name)} {given}, or name another '
                '--work-dir.'
            )


def name_file(config: Mapping) -> str:
    """What ``--data`` was: the annotation files where ``data`` is named after them, else a name."""
    data = config['data']
    if config.get('holdout_subjects', 'none') != 'none':
        data = data.rpartition('_without-')[0]
    files = config.get('train_files', config.get('ann_file'))
    files = [files] if isinstance(files, str) else list(files or ())
    return ' '.join(files) if '+'.join(map(name_data, files)) == data else data


def require_same_joints(before: Mapping, cfg: Config, checkpoint: str) -> bool:
    """Exit with an error if the run to resume had another layout, whatever its file is called.

    Returns:
        bool: Whether both configs hold the layout itself.
    """
    try:
        one, other = (find_layout(config['body']) for config in (before, cfg))
    except (KeyError, TypeError, ValueError, OSError):
        return False
    if one != other:
        exit_with_error(
            f'{checkpoint} is from a run with layout {before.get("layout")!r} of other joints, '
            f'pairs, names or sides than {cfg.get("layout")!r} now: resume it with that layout, '
            'or name another --work-dir.'
        )
    return True
