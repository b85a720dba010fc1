"""Checkpoints that survive a kill or a full disk at any time."""

import os.path as osp
from typing import Dict, List, Optional

from mmaction.registry import HOOKS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from deeprank_plugin.engine.recovery.checkpoints import (
    RECORD,
    WHOLE_FILES,
    find_resumable,
    require_folder,
    write_whole,
)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, for runs that may be killed at any time.

    - Checkpoints and ``last_checkpoint`` are written whole or not at all (``WholeFileBackend``).
    - The oldest checkpoint is removed after the new one is on disk, not before.
    - A run resumes from the newest *whole* checkpoint, and logs which ones it skipped.
    - The checkpoint of an epoch is written before the epoch is validated; a run that
      ended in between is validated when it resumes, so its logs and decisions stay the same.

    Args:
        backend_args (dict, optional): Arguments of MMEngine's file backend. Defaults to
            ``dict(backend='whole')``, unless ``file_client_args`` is set.
        **kwargs: As for ``CheckpointHook``.
    """

    def __init__(self, *args, backend_args: Optional[Dict] = None, **kwargs) -> None:
        if backend_args is None and kwargs.get('file_client_args') is None:
            backend_args = dict(WHOLE_FILES)
        super().__init__(*args, backend_args=backend_args, **kwargs)

    def before_run(self, runner) -> None:
        """Choose the checkpoint to resume from, the same in all processes."""
        trains = isinstance(runner._train_loop, BaseLoop)
        if not trains or not runner._resume or runner._load_from is not None:
            return
        found = find_resumable(runner.work_dir) if is_main_process() else (None, [])
        shared = [found]
        broadcast_object_list(shared)
        runner._load_from, sentences = shared[0]
        for sentence in sentences:
            runner.logger.warning(sentence)

    def before_train(self, runner) -> None:
        """Run the validation that a failure prevented."""
        super().before_train(runner)
        loop = runner.train_loop
        if runner._resume and isinstance(loop, EpochBasedTrainLoop):
            if loop.epoch >= loop.max_epochs:
                runner.logger.info(
                    f'This run is finished (epoch {loop.epoch} of {loop.max_epochs}): nothing is '
                    'left to train. To train longer, raise train_cfg.max_epochs.'
                )
        self._own_best()
        if runner._resume and misses_validation(runner):
            runner.logger.info(
                f'The checkpoint was saved before the validation of epoch {runner.epoch}: '
                'validating now.'
            )
            runner.val_loop.run()

    def _own_best(self) -> None:
        """Replace the best checkpoint in the own folder; the work dir may have been renamed."""
        best = getattr(self, 'best_ckpt_path', None)
        if best is not None:
            self.best_ckpt_path = osp.join(self.out_dir, osp.basename(best))
        for key, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            if path is not None:
                self.best_ckpt_path_dict[key] = osp.join(self.out_dir, osp.basename(path))

    def after_val_epoch(self, runner, metrics) -> None:
        """Record that the epoch has been validated, and save the best checkpoint."""
        if isinstance(runner._train_loop, BaseLoop):
            runner.message_hub.update_info('validated', runner.epoch)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step, meta) -> None:
        save_whole(self, runner, step, meta)


def save_whole(hook: CheckpointHook, runner, step: int, meta: Dict) -> None:
    """Save a checkpoint by a hook's settings, and then remove the hook's outdated ones.

    Args:
        hook (CheckpointHook): MMEngine's or a subclass; says where, what and how many to keep.
        runner (Runner): Its state is saved.
        step (int): Epoch or iteration in the file's name.
        meta (dict): The completed ``epoch`` and ``iter``.
    """
    require_folder(runner.work_dir)
    outdated: List[int] = []
    if hook.max_keep_ckpts > 0 and (not hook.keep_ckpt_ids or hook.keep_ckpt_ids[-1] != step):
        kept = [*hook.keep_ckpt_ids, step]
        outdated = kept[: -hook.max_keep_ckpts]
        hook.keep_ckpt_ids.append(step)  # a deque that drops the oldest
        # includes the outdated one: if this run cannot remove it, the resumed one does
        runner.message_hub.update_info('keep_ckpt_ids', kept)
    filename = hook.filename_tmpl.format(step)
    hook.last_ckpt = hook.file_backend.join_path(hook.out_dir, filename)
    runner.message_hub.update_info('last_ckpt', hook.last_ckpt)
    runner.save_checkpoint(
        hook.out_dir,
        filename,
        hook.file_client_args,
        save_optimizer=hook.save_optimizer,
        save_param_scheduler=hook.save_param_scheduler,
        meta=meta,
        by_epoch=hook.by_epoch,
        backend_args=hook.backend_args,
        **hook.args,
    )
    if not is_main_process():
        return
    write_whole(osp.join(runner.work_dir, RECORD), hook.last_ckpt.encode())
    for old in outdated:
        path = hook.file_backend.join_path(hook.out_dir, hook.filename_tmpl.format(old))
        if hook.file_backend.isfile(path):
            hook.file_backend.remove(path)


def save_early_end(runner) -> None:
    """Save the last epoch of a run that ends before ``max_epochs``, unless it has been saved.

    MMEngine's ``CheckpointHook`` saves the last epoch only where that is ``max_epochs``. Here each
    such hook, or a subclass, that saves by epoch and has ``save_last`` set saves it after all.
    """
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook) or not (hook.by_epoch and hook.save_last):
            continue
        saved = osp.basename(runner.message_hub.get_info('last_ckpt', ''))
        if saved != hook.filename_tmpl.format(runner.epoch):
            save_whole(hook, runner, runner.epoch, dict(epoch=runner.epoch, iter=runner.iter))


def save_best(runner, filename: str) -> None:
    """Save the weights of a run that is best so far, whole or not at all; nothing to resume from.

    Args:
        runner (Runner): Its state is saved, without optimiser and schedule, as by ``save_best`` of
            MMEngine's ``CheckpointHook``.
        filename (str): Name of the file in the work dir; replaced.
    """
    require_folder(runner.work_dir)
    runner.save_checkpoint(
        runner.work_dir,
        filename,
        save_optimizer=False,
        save_param_scheduler=False,
        meta=dict(epoch=runner.epoch, iter=runner.iter),
        backend_args=dict(WHOLE_FILES),
    )


def misses_validation(runner) -> bool:
    """Whether the last epoch of a resumed run should have been validated and was not."""
    loop = runner.train_loop
    if runner.val_loop is None or not isinstance(loop, EpochBasedTrainLoop) or loop.epoch < 1:
        return False
    loop._decide_current_val_interval()
    last = loop.epoch == loop.max_epochs
    due = loop.epoch >= loop.val_begin and (loop.epoch % loop.val_interval == 0 or last)
    return due and runner.message_hub.get_info('validated', 0) < loop.epoch
