"""Saves and exits on SIGTERM, which batch systems send before they kill a job."""

import functools
import multiprocessing
import os
import os.path as osp
import signal
import sys
import threading
from multiprocessing.util import Finalize
from typing import Any, Dict, Optional

import torch
from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, all_reduce, barrier, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop
from torch.utils.data import DataLoader

from deeprank_plugin.engine.recovery.checkpoints import (
    INTERRUPTED,
    RECORD,
    WHOLE_FILES,
    require_folder,
    write_whole,
)
from deeprank_plugin.engine.recovery.train_loop import ResumableTrainLoop, get_process_state

EXIT_CODE = 128 + signal.SIGTERM  # as of a program that the signal ended


@HOOKS.register_module()
class TerminationHook(Hook):
    """On SIGTERM, finishes the current batch, saves ``interrupted.pth`` and exits with code 143.

    A resumed run continues with the next batch, and equals one that was never interrupted; its
    ``train_cfg`` needs ``type='ResumableTrainLoop'``. With another loop, nothing is saved in the
    middle of an epoch, and the run resumes from its last checkpoint.

    A single process stops after a batch of training, validation or relabelling. Several processes
    have to agree on the batch, which takes a collective and makes them wait for each other; they do
    so after every ``interval``-th training iteration and after the last one of an epoch. Workers of
    the data loaders, which receive the signal too, leave it to the main process.

    Args:
        interval (int): Training iterations between two such agreements. Defaults to 10. They must
            take less time than the batch system leaves between SIGTERM and the kill.

    Raises:
        ValueError: If ``interval`` is less than 1.
    """

    priority = 'LOWEST'  # after everything that belongs to a batch, including the scheduler's step

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f'interval={interval}; expected 1 or more batches')
        self.interval = interval
        self.received = False
        self.agreed = False  # all processes know that one has received it
        self._previous: Any = None
        self._unfinished: Optional[Dict] = None

    def before_run(self, runner) -> None:
        """Listen for the signal in a training run."""
        if not isinstance(runner._train_loop, BaseLoop):
            return
        shield_workers(runner.train_dataloader)
        if runner.val_loop is not None:
            shield_workers(runner.val_dataloader)
        if threading.current_thread() is threading.main_thread():  # Python allows no other
            self._previous = signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame) -> None:
        self.received = True

    def after_train(self, runner) -> None:
        """Restore the former handler of the signal."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None

    # ------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Save the state of the epoch in the checkpoint."""
        if self._unfinished is not None:
            checkpoint['unfinished'] = self._unfinished

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Pass the state of the epoch to the loop.

        Raises:
            TypeError: If the loop cannot resume in the middle of an epoch.
        """
        unfinished = checkpoint.get('unfinished')
        if unfinished is None or not runner._resume:
            return
        if not isinstance(runner._train_loop, ResumableTrainLoop):
            raise TypeError(
                'The checkpoint is from the middle of an epoch, where '
                f'{type(runner._train_loop).__name__} cannot resume; expected '
                "train_cfg=dict(type='ResumableTrainLoop', ...): set it, or name the checkpoint "
                'of a whole epoch by --resume CHECKPOINT'
            )
        runner._train_loop.unfinished = unfinished

    # ------------------------------------------------------------------ stopping

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Stop after this batch, if a process got the signal and no gradients are pending."""
        if get_world_size() == 1:
            self.agreed = self.received
        elif not self.agreed and (
            self.every_n_train_iters(runner, self.interval)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            asked = torch.tensor(float(self.received))
            all_reduce(asked, 'max')
            self.agreed = bool(asked)
        if not self.agreed:
            return
        if (runner.iter + 1) % getattr(runner.optim_wrapper, '_accumulative_counts', 1):
            return
        if isinstance(runner._train_loop, ResumableTrainLoop):
            meta = dict(epoch=runner.epoch, iter=runner.iter + 1)
            self._save(runner, meta, batches=batch_idx + 1)
        self._leave(runner)

    def after_val_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Stop between two epochs, in their validation or relabelling."""
        if not self.received or get_world_size() > 1:
            return
        if runner.iter:  # otherwise there is nothing to save
            self._save(runner, dict(epoch=runner.epoch, iter=runner.iter))
        self._leave(runner)

    def after_extraction_iter(self, runner) -> None:
        """Stop while features are extracted, in the same way."""
        self.after_val_iter(runner, 0)

    def _save(self, runner, meta: Dict, batches: int = 0) -> None:
        require_folder(runner.work_dir)
        runner.call_hook('before_saving')
        if batches:
            self._unfinished = dict(
                batches=batches,
                num_batches=len(runner.train_dataloader),
                processes=all_gather_object(get_process_state(runner.model)),
            )
        runner.save_checkpoint(
            runner.work_dir,
            INTERRUPTED,
            meta=meta,
            by_epoch=False,
            backend_args=dict(WHOLE_FILES),
        )
        if is_main_process():
            path = osp.join(runner.work_dir, INTERRUPTED)
            write_whole(osp.join(runner.work_dir, RECORD), path.encode())
        barrier()  # a process that has ended may take the others with it

    def _leave(self, runner) -> None:
        path = osp.join(runner.work_dir, RECORD)
        latest = 'none yet, the run has to start over'
        if osp.isfile(path):
            with open(path) as file:
                latest = repr(file.read().strip())
        runner.logger.warning(
            f'Stopped by SIGTERM in epoch {runner.epoch + 1}. Last checkpoint: {latest}. The same '
            'command with --resume continues from there.'
        )
        runner.visualizer.close()
        sys.exit(EXIT_CODE)


def shield_workers(loader: DataLoader) -> None:
    """Make the workers of a loader ignore SIGTERM until the main process ends.

    Otherwise they die, and the main process fails with them.
    """
    loader.worker_init_fn = functools.partial(
        _leave_termination_to_parent, loader.worker_init_fn, exit_flag()
    )


@functools.cache
def exit_flag():
    """A flag in shared memory, set when this process exits and its workers must obey SIGTERM."""
    flag = multiprocessing.RawValue('b', 0)
    # multiprocessing runs this before it ends the workers, also in child processes
    Finalize(None, setattr, args=(flag, 'value', 1), exitpriority=0)
    return flag


def _leave_termination_to_parent(then, flag, worker_id: int) -> None:
    def obey(number, frame) -> None:
        if flag.value:
            os._exit(0)  # as PyTorch does where its main process ends it

    signal.signal(signal.SIGTERM, obey)
    if then is not None:
        then(worker_id)
