"""What a training run will do, in words: batch, learning rate, steps."""

import copy

from mmaction.registry import DATA_SAMPLERS, DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from deeprank_plugin.datasets.samplers import count_passes

from .failures import exit_with_error


def describe_batch(cfg: Config, processes: int, auto_scale_lr: bool) -> str:
    """Batch size and learning rate of a run, and the batch size of its config."""
    size = cfg.train_dataloader.batch_size
    batch = size * processes
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    rate = cfg.optim_wrapper.optimizer.lr
    if auto_scale_lr and base:
        rate = rate * batch / base
    text = f'batch {processes} x {size} = {batch}, learning rate {rate:g}'
    if base and batch != base:
        text += f'; the config sets {cfg.optim_wrapper.optimizer.lr:g} for a batch of {base}'
        text += '' if auto_scale_lr else ' (--auto-scale-lr scales it)'
    return text


def describe_steps(cfg: Config, processes: int) -> str:
    """How many training steps a run will make, of how many samples.

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
    passes = count_passes(least, epochs, batches) if epochs else 1
    text = f'{samples} samples, {batches * passes} steps an epoch'
    if passes > 1:
        text += f' ({passes} passes of {batches})'
    if epochs is None:
        return text
    return f'{text}, {epochs} epochs: {batches * passes * epochs} steps a run'
