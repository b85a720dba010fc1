"""A hook that ends its own process at a given moment, and what else goes wrong in test runs."""

import builtins
import errno
import os
import signal
from pathlib import Path

import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook

from deeprank_plugin.engine.recovery import checkpoints
from deeprank_plugin.models.utils import unwrap

KINDS = ('train', 'val', 'extract', 'labelled', 'save', 'write', 'replaced')


@HOOKS.register_module()
class KillAt(Hook):
    """Sends its own process a signal at the ``number``-th event of a kind, counted from the start.

    SIGTERM goes to its workers as well; signal 'error' raises one.

    Kinds: a batch of 'train', 'val' or 'extract' has ended; the labels are new ('labelled'); in
    ``torch.save`` ('save'); half of a file's bytes are written ('write'); a file has got its name
    ('replaced'). Without a kind it only writes ``events.txt``: one kind a line.
    """

    priority = 'VERY_LOW'  # so that TerminationHook sees the same batch

    def __init__(self, kind=None, number=1, signal='SIGKILL', rank=0):
        self.kind, self.number, self.signal, self.rank = kind, number, signal, rank
        self.counts = dict.fromkeys(KINDS, 0)

    def happen(self, kind):
        self.counts[kind] += 1
        if self.kind is None:
            with open(self.folder / 'events.txt', 'a') as file:
                file.write(f'{kind}\n')
        elif (self.kind, self.number) == (kind, self.counts[kind]) and get_rank() == self.rank:
            if self.signal == 'error':
                raise RuntimeError('an error of the test')
            if self.signal == 'SIGTERM':  # workers of the data loaders get it too
                os.killpg(0, signal.SIGTERM)
            else:
                os.kill(os.getpid(), getattr(signal, self.signal))

    def before_run(self, runner):
        self.folder = Path(runner.work_dir)
        model = unwrap(runner.model)
        relabel, save, replace = model.relabel, torch.save, os.replace

        def new_relabel(*args):
            metrics = relabel(*args)
            self.happen('labelled')
            return metrics

        def new_save(content, file, **kwargs):
            save(content, file, **kwargs)
            if 'state_dict' not in content:  # what processes send each other
                return
            file.truncate(file.tell() // 2)
            self.happen('save')
            file.seek(0)
            save(content, file, **kwargs)

        def new_replace(source, target):
            replace(source, target)
            self.happen('replaced')

        def new_open(path, mode='r', **kwargs):
            file = open(path, mode, **kwargs)
            if mode == 'wb':
                write = file.write

                class HalfWritten:
                    def __enter__(self):
                        return self

                    def __exit__(self, *args):
                        file.close()

                    def __getattr__(self, name):
                        return getattr(file, name)

                    def write(_, content):
                        write(content[: len(content) // 2])
                        file.flush()
                        self.happen('write')
                        write(content[len(content) // 2 :])

                return HalfWritten()
            return file

        model.relabel = new_relabel
        torch.save, os.replace, checkpoints.open = new_save, new_replace, new_open

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.happen('train')

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.happen('val')

    def after_extraction_iter(self, runner):
        self.happen('extract')


@HOOKS.register_module()
class FullDisk(Hook):
    """From the ``number``-th checkpoint on, files cannot be written beyond half of its size."""

    def __init__(self, number=1):
        self.number, self.count = number, 0

    def before_save_checkpoint(self, runner, checkpoint):
        self.count += 1
        if self.count < self.number:
            return

        class Full:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *args):
                self.file.close()

            def write(self, content):
                self.file.write(content[: len(content) // 2])
                self.file.flush()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        checkpoints.open = lambda path, mode: Full(builtins.open(path, mode))


@HOOKS.register_module()
class RemoveWorkDir(Hook):
    """Moves the work dir away after an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            os.rename(runner.work_dir, f'{runner.work_dir}_moved')
