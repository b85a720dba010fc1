"""What a training run will do, in words: batch, learning rate, steps."""

import copy
from typing import Dict, List, Mapping, Sequence

from mmaction.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from deeprank_plugin.datasets.samplers import count_passes

from .failures import exit_with_error
from .parameters import read_again
from .running import merge_or_exit


def read_streams(
    cfg: Config, path: str, streams: Sequence[str], options: Dict
) -> Dict[str, Config]:
    """The config of each stream: its own modality, and all else as ``cfg`` was read.

    Args:
        cfg (Config): Read from ``path``; without the parameter ``modality`` it is that of all.
        path (str): The config file.
        streams (Sequence[str]): Modalities.
        options (Dict): ``--cfg-options``.
    """
    found = {}
    for stream in streams:
        found[stream] = cfg
        if cfg.get('modality', stream) != stream:
            found[stream] = read_again(path, cfg, modality=stream)
            merge_or_exit(found[stream], options)
    return found


def describe_streams(cfgs: Mapping[str, Config], processes: int, auto_scale_lr: bool) -> List[str]:
    """Lines on batch, learning rate and steps; for each stream where they differ.

    Raises:
        SystemExit: With one sentence, if a run would make no step.
    """
    steps: Dict[str, str] = {}  # the data set is read once if it is the same
    streams_of: Dict[str, List[str]] = {}
    for stream, cfg in cfgs.items():
        key = str((cfg.train_dataloader, cfg.train_cfg, count_accumulated(cfg)))
        steps[key] = steps.get(key) or describe_steps(cfg, processes)
        lines = f'{describe_batch(cfg, processes, auto_scale_lr)}\n{steps[key]}'
        streams_of.setdefault(lines, []).append(stream)
    if len(streams_of) == 1:
        return list(streams_of)
    return [f'{", ".join(streams)}: {lines}' for lines, streams in streams_of.items()]


def describe_batch(cfg: Config, processes: int, auto_scale_lr: bool) -> str:
    """Batch size and learning rate of a run, and the batch size of its config.

    The batch is that of a step of the optimiser: of all processes, and all accumulated batches.
    """
    size, accumulated = cfg.train_dataloader.batch_size, count_accumulated(cfg)
    batch = size * processes * accumulated
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    rate = given = cfg.optim_wrapper.optimizer.lr
    if auto_scale_lr and base:
        rate = given * size * processes / base  # as MMEngine does, whatever is accumulated
    text = f'batch {processes} x {size}'
    text += f' x {accumulated} accumulated' if accumulated > 1 else ''
    text += f' = {batch}, learning rate {rate:g}'
    if base and (batch != base or rate != given):
        text += f'; the config sets {given:g} for a batch of {base}'
        if accumulated > 1:
            text += f' (--auto-scale-lr scales it for {processes} x {size}, without accumulation)'
        elif not auto_scale_lr:
            text += ' (--auto-scale-lr scales it)'
    return text


def count_accumulated(cfg: Config) -> int:
    """Batches of a process whose gradients a step of the optimiser takes."""
    return cfg.optim_wrapper.get('accumulative_counts', 1)


def describe_steps(cfg: Config, processes: int) -> str:
    """How many steps of the optimiser a run will make, of how many samples.

    Raises:
        SystemExit: With one sentence, if it would make none.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    samples = len(DATASETS.build(copy.deepcopy(cfg.train_dataloader.dataset)))
    each, size = -(-samples // processes), cfg.train_dataloader.batch_size
    sampler = dict(cfg.train_dataloader.get('batch_sampler') or {})
    if sampler:
        batches = len(DATA_SAMPLERS.build(dict(sampler, sampler=range(each), batch_size=size)))
    else:
        batches = each // size if cfg.train_dataloader.get('drop_last') else -(-each // size)
    if not batches:
        exit_with_error(
            f'{samples} samples on {processes} process(es) are fewer than a batch of {size} each, '
            'and drop_last=True leaves smaller batches out: no step would be made. Set '
            f'--cfg-options train_dataloader.batch_size={max(each, 1)} or less.'
        )
    epochs, least = cfg.train_cfg.get('max_epochs'), cfg.train_cfg.get('min_steps', 0)
    accumulated = count_accumulated(cfg)
    passes = count_passes(least, epochs, batches, accumulated) if epochs else 1
    unit = 'steps' if accumulated == 1 else 'batches'
    text = f'{samples} samples, {batches * passes} {unit} an epoch'
    if passes > 1:
        text += f' ({passes} passes of {batches})'
    if epochs is None:
        return text
    total = batches * passes * epochs
    text += f', {epochs} epochs: '
    if accumulated > 1:
        text += f'{total} batches, {accumulated} a step: '
    return f'{text}{-(-total // accumulated)} steps a run'
