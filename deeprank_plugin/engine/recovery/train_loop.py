"""A training loop that can resume in the middle of an epoch."""

import random
from typing import Any, Dict, Iterator, Optional

import numpy as np
import torch
from mmaction.registry import LOOPS
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import EpochBasedTrainLoop

from deeprank_plugin.datasets.samplers import FullEpochBatchSampler, count_passes
from deeprank_plugin.engine.loaders import require_batches
from deeprank_plugin.models.utils import unwrap


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs; resumes an epoch that ``TerminationHook`` has interrupted.

    Batches that were trained on are loaded again and skipped. This takes the time to load them, and
    brings data loaders and workers to where they were; then every random generator is restored.

    Args:
        min_steps (int): Least number of steps of the optimiser in the whole run, each of
            ``optim_wrapper.accumulative_counts`` batches. If it would have fewer, each epoch passes
            several times over all samples (``FullEpochBatchSampler``), so that a small share of
            labels is trained until it has converged, on the same schedule of epochs. Defaults to 0.
        **kwargs: As for ``EpochBasedTrainLoop``.

    Raises:
        ValueError: If the loader gives no batch, or has no ``FullEpochBatchSampler`` to repeat the
            samples.
    """

    unfinished: Optional[Dict[str, Any]] = None
    """The state of an interrupted epoch, from the checkpoint."""

    def __init__(self, *args, min_steps: int = 0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        require_batches(self.dataloader)
        wrapper = self.runner.optim_wrapper
        accumulated = getattr(wrapper, '_accumulative_counts', 1)
        if isinstance(wrapper, dict):  # MMEngine builds it after the loop
            accumulated = wrapper.get('accumulative_counts', 1)
        if min_steps * accumulated > self._max_iters:
            self._repeat_samples(min_steps, accumulated)

    def _repeat_samples(self, min_steps: int, accumulated: int) -> None:
        """Let each epoch pass over all samples as often as ``min_steps`` need it."""
        sampler = self.dataloader.batch_sampler
        if not isinstance(sampler, FullEpochBatchSampler):
            raise ValueError(
                f'train_cfg.min_steps={min_steps}, and the {type(sampler).__name__} of the '
                'training loader cannot repeat the samples; expected '
                "train_dataloader.batch_sampler=dict(type='FullEpochBatchSampler'): set it, or "
                'more max_epochs in place of min_steps'
            )
        batches = len(sampler.sizes())
        sampler.passes = count_passes(min_steps, self._max_epochs, batches, accumulated)
        self._max_iters = self._max_epochs * len(self.dataloader)
        self.runner.logger.info(
            f'An epoch passes {sampler.passes} times over the {len(self.dataloader.dataset)} '  # type: ignore[arg-type]
            f'training samples: {-(-self._max_iters // accumulated)} steps, at least {min_steps}.'
        )

    def run_epoch(self) -> None:
        """Train for one epoch, or for the rest of it."""
        self.runner.call_hook('before_train_epoch')
        if self.stop_training:  # a hook found that the last epoch, already validated, is enough
            self.val_begin = self._max_epochs + 1
            return
        self.runner.model.train()
        batches = iter(self.dataloader)
        first = 0
        if self.unfinished is not None:
            first = self._skip(batches, self.unfinished)
            self.unfinished = None
        for index, data_batch in enumerate(batches, first):
            self.run_iter(index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _skip(self, batches: Iterator, state: Dict[str, Any]) -> int:
        """Skip the batches that were trained on; return their number."""
        found = dict(batches=len(self.dataloader), processes=get_world_size())
        expected = dict(batches=state['num_batches'], processes=len(state['processes']))
        if found != expected:
            raise ValueError(
                f'The checkpoint is from the middle of an epoch of {expected["batches"]} batches '
                f'on {expected["processes"]} process(es); this run has {found["batches"]} batches '
                f'on {found["processes"]}: resume with the same data, batch size and number of '
                'processes, or name the checkpoint of a whole epoch by --resume CHECKPOINT.'
            )
        self.runner.logger.info(
            f'Epoch {self._epoch + 1} resumes after batch {state["batches"]} of '
            f'{len(self.dataloader)}.'
        )
        for _ in range(state['batches']):
            next(batches)
        restore_process_state(self.runner.model, state['processes'][get_rank()])
        return state['batches']


def get_process_state(model: torch.nn.Module) -> Dict[str, Any]:
    """State that differs between processes within an epoch: random generators and buffers.

    BatchNorm's statistics are averaged over processes only at the end of an epoch.
    """
    state = dict(torch=torch.get_rng_state(), numpy=np.random.get_state(), python=random.getstate())
    if torch.cuda.is_available():
        state['cuda'] = torch.cuda.get_rng_state()
    if get_world_size() > 1:
        state['buffers'] = {n: b.detach().cpu().clone() for n, b in unwrapped_buffers(model)}
    return state


def restore_process_state(model: torch.nn.Module, state: Dict[str, Any]) -> None:
    """Restore the result of :func:`get_process_state`."""
    torch.set_rng_state(state['torch'].cpu())
    np.random.set_state(state['numpy'])
    random.setstate(state['python'])
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())
    for name, buffer in unwrapped_buffers(model):
        if 'buffers' in state:
            buffer.copy_(state['buffers'][name])


def unwrapped_buffers(model: torch.nn.Module):
    """Names and buffers of the model inside a distributed wrapper."""
    return unwrap(model).named_buffers()
