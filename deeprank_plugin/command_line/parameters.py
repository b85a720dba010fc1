"""Parameters of the configs: data set, modality, share of labels, pretrained encoder.

A config reads them from environment variables (``'{{$DATA:ntu60_xsub}}'``), which MMEngine
substitutes in its text; the tools take them as options and set the variables while they read it.
"""

import argparse
import ast
import logging
import os
import os.path as osp
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, Optional

from mmengine.config import Config
from mmengine.logging import MMLogger

from deeprank_plugin.engine.encoders import read_checkpoint, read_checkpoint_config
from deeprank_plugin.models.data_preprocessor import MODALITIES

from .data_file import find_facts
from .failures import refuse

SHARES = ('all', '10p', '5p', '1p')
VARIABLES = dict(data='DATA', modality='MODALITY', share='SHARE', pretrained='PRETRAINED')
UNSAFE = re.compile(r'[\\\'"\n{}]')  # would end the string of the config that takes the value


def parameters_of(args: argparse.Namespace) -> Dict:
    """The options of ``add_parameters`` as arguments of :func:`load_config`."""
    return {name: getattr(args, name) for name in (*VARIABLES, 'num_classes')}


def load_config(
    path: str,
    data: Optional[str] = None,
    modality: Optional[str] = None,
    share: Optional[str] = None,
    pretrained: Optional[str] = None,
    num_classes: Optional[int] = None,
) -> Config:
    """Read a config with its parameters; without one, the environment's or the config's own stands.

    Args:
        path (str): Config file.
        data (str, optional): Name in ``configs/_base_/data``, or an annotation file.
        modality (str, optional): 'joint', 'bone' or 'motion'.
        share (str, optional): One of ``SHARES``.
        pretrained (str, optional): Checkpoint or work dir of the encoder.
        num_classes (int, optional): Of an annotation file.

    Raises:
        SystemExit: With one sentence, if there is no such file, if a value is not known, or if the
            config does not read a parameter that is given.
    """
    if not osp.isfile(path):
        refuse(f'config file {path!r} does not exist.')
    given = dict(data=data, modality=modality, share=share, pretrained=pretrained)
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if not value or UNSAFE.search(value):
            refuse(f'--{name} {value!r} is empty or holds a quote, a brace or a backslash.')
    check_choice('--modality', modality, MODALITIES)
    check_choice('--share', share, SHARES)
    variables = {VARIABLES[name]: value for name, value in given.items()}
    if data is not None and (osp.isfile(data) or data.endswith(('.pkl', '.pickle', '.npz'))):
        variables.update(find_facts(data, num_classes))
    elif num_classes is not None:
        refuse('--num-classes is for an annotation file: give it with --data FILE.')
    with environment(variables), quiet():
        cfg = read_file(path)
    for name in given:
        if VARIABLES[name] not in cfg.env_variables:
            readable = [n for n, variable in VARIABLES.items() if reads(path, variable)]
            refuse(
                f'{path} has no parameter {name}; it has: {", ".join(readable) or "none"}. '
                f'Leave --{name} out.'
            )
    for name, choices in dict(modality=MODALITIES, share=SHARES).items():
        value = cfg.env_variables.get(VARIABLES[name])
        check_choice(f'the environment variable {VARIABLES[name]}', value, choices)
    set_work_dir(cfg, path, given.get('pretrained'))
    return cfg


def read_file(path: str) -> Config:
    """``Config.fromfile``, with one sentence for a value that names no base config."""
    try:
        return Config.fromfile(path)
    except FileNotFoundError as error:
        found = re.search(r'([^"\']*_base_/(?:\./)?data)/([^"\']*)\.py', str(error))
        if found and osp.isdir(found[1]):
            known = sorted(file.stem for file in Path(found[1]).glob('*.py'))
            known.remove('custom')
            refuse(
                f'data set {found[2]!r} is not known; expected one of {", ".join(known)}, or an '
                'annotation file (.pkl, .npz), by --data or the environment variable DATA.'
            )
        refuse(f'config {path!r} names a base config that does not exist: {error}')
    except (KeyError, ValueError):
        check_choice('the environment variable SHARE', os.environ.get('SHARE'), SHARES)
        raise


def check_choice(name: str, value: Optional[str], choices) -> None:
    """Refuse a value that is given and not known."""
    if value is not None and value not in choices:
        refuse(f'{name} {value!r} is not known; expected one of {", ".join(choices)}.')


@contextmanager
def environment(variables: Dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
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
    """Without MMEngine's line for each variable and file."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def reads(path: str, variable: str) -> bool:
    """Whether a config, or one that it inherits, reads a variable."""
    probe = dict(DATA='ntu60_xsub', MODALITY='joint', SHARE='all', PRETRAINED='auto')[variable]
    with environment({variable: probe}), quiet():
        return variable in read_file(path).env_variables


def set_work_dir(cfg: Config, path: str, pretrained: Optional[str]) -> None:
    """Name the work dir after the config file and its parameters, where it does not do so itself.

    Encoders that were named show in it: ``..._from-<run>``.
    """
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
        cfg.work_dir = osp.join('./work_dirs', '_'.join(parts))
    if pretrained is not None:
        cfg.work_dir += f'_from-{name_run(pretrained)}'


def name_run(checkpoint: str) -> str:
    """Name of the run that wrote a checkpoint, or of a file that stands alone."""
    path = Path(checkpoint)
    if re.fullmatch(r'(epoch|iter|best)_.*\.pth', path.name):
        return path.resolve().parent.name
    return path.resolve().name if path.is_dir() else path.stem


def require_same_run(cfg: Config, checkpoint: str) -> None:
    """Refuse to resume a run whose parameters were others."""
    try:
        before = read_checkpoint_config(read_checkpoint(checkpoint))
    except (ValueError, OSError):
        return  # no config in it, or no readable file: what loads it says so
    for name in VARIABLES:
        values = [config.get(name) for config in (before, cfg)]
        if name == 'pretrained':
            values = [value and osp.normpath(value) for value in values]
        if None not in values and values[0] != values[1]:
            refuse(
                f'{checkpoint} is of a run with {name} {values[0]!r}, and this one has '
                f'{values[1]!r}: resume it with --{name} {values[0]}, or name another --work-dir.'
            )
