"""When the encoder's own features become the new ranking labels (Sec. V-B)."""

import math
import time
from typing import Dict, List, Optional

from mmaction.registry import HOOKS
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import BaseLoop

from deeprank_plugin.engine.extraction import (
    Extracted,
    build_extraction_loader,
    calibrate_batch_norm,
    describe,
    extract,
)
from deeprank_plugin.engine.recovery.non_finite import stop
from deeprank_plugin.evaluation.functional.health import COLLAPSED_SPREAD, find_collapse
from deeprank_plugin.models.utils import FeatureBank, unwrap

from ..initializers import list_some


@HOOKS.register_module()
class RelabelHook(Hook):
    """Extracts the features of the whole training split and hands them to ``model.relabel``.

    The first time before training, then at the end of each round: every ``interval`` epochs, or
    when a validation figure has stopped improving. The labels change between a validation and the
    next epoch, so that an epoch is validated with the labels that it was trained with. The run ends
    with round ``max_rounds``; the features are then extracted once more to report on them.

    Features that are not finite end the run with the names of their samples in the work dir (see
    :mod:`deeprank_plugin.engine.recovery.non_finite`); features that are all alike are warned of.

    Several processes extract a part each and hold the same bank, which is compared by its hash.

    The bank and the state of the rounds travel in the checkpoint: a run that is resumed goes on
    with the labels that it had; ``WholeCheckpointHook`` makes up for a validation that it missed.

    The hook knows no algorithm: a model needs mode 'tensor', ``relabel(features, names, labels)``
    and ``health(features, labels)``, both returning what to log, and ``bank``. Where a model has
    ``pseudo_labels``, a training sampler with ``set_labels`` is given them.

    Args:
        interval (int, optional): Epochs of a round. Defaults to None.
        monitor (str, optional): Instead of ``interval``: the validation figure whose plateau ends
            a round, such as 'rank/loss'. Defaults to None.
        rule (str): 'less' or 'greater': which is better. Defaults to 'less'.
        patience (int): Validations without improvement that end a round. Defaults to 5.
        min_delta (float): Improvement that counts. Defaults to 1e-3.
        max_rounds (int, optional): Rounds after which the run ends; None trains to the end of
            ``max_epochs``. Defaults to None.
        calibrate (bool): Set BatchNorm's running statistics by one pass over the data before the
            first labels. Defaults to True.
        reset_optimizer (bool): Forget the optimiser's state (momentum) at each renewal.
            Defaults to False.
        pipeline (list, optional): Test pipeline. Defaults to that of ``val_dataloader``.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        interval: Optional[int] = None,
        monitor: Optional[str] = None,
        rule: str = 'less',
        patience: int = 5,
        min_delta: float = 1e-3,
        max_rounds: Optional[int] = None,
        calibrate: bool = True,
        reset_optimizer: bool = False,
        pipeline: Optional[List[Dict]] = None,
    ) -> None:
        if (interval is None) == (monitor is None):
            raise ValueError(
                f'interval={interval} and monitor={monitor!r}; expected exactly one of them: '
                "set interval=30 for rounds of 30 epochs, or monitor='rank/loss' for a plateau"
            )
        for name, value in dict(
            interval=interval, patience=patience, max_rounds=max_rounds
        ).items():
            if value is not None and value < 1:
                raise ValueError(f'{name}={value} must be at least 1')
        if rule not in ('less', 'greater'):
            raise ValueError(f"rule={rule!r} is not known; expected 'less' or 'greater'")
        self.interval = interval
        self.monitor = monitor
        self.sign = 1 if rule == 'less' else -1
        self.patience = patience
        self.min_delta = min_delta
        self.max_rounds = max_rounds
        self.calibrate = calibrate
        self.reset_optimizer = reset_optimizer
        self.pipeline = pipeline
        self.state = dict(
            round=0,  # rounds completed
            epochs=0,  # epochs of this round
            best=math.inf,
            waited=0,  # validations since the best
            due=False,  # the labels are renewed before the next epoch
        )
        self._loaded: Optional[Dict] = None
        self._loader = None

    # ------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Put the bank and the state of the rounds into the checkpoint."""
        bank = unwrap(runner.model).bank
        checkpoint['relabel'] = dict(
            state=dict(self.state), bank=None if bank is None else bank.state_dict()
        )

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Keep what the checkpoint holds until it is clear whether the run is a resumed one."""
        self._loaded = checkpoint.get('relabel')

    def _restore(self, runner) -> None:
        if self._loaded is None:
            raise KeyError(
                'the checkpoint to resume from holds no ranking labels; expected one that was '
                'saved with RelabelHook: resume from a pretraining checkpoint, or start anew with '
                'load_from and without resume'
            )
        self.state.update(self._loaded['state'])
        if self._loaded['bank'] is not None:
            unwrap(runner.model).bank = FeatureBank.from_state_dict(self._loaded['bank'])
            require_same_bank(runner)
            hand_over(runner)
        self._loaded = None  # validation loops ask again

    # ------------------------------------------------------------------ when

    def before_train(self, runner) -> None:
        """Make the first labels, or go on with those of the checkpoint."""
        if get_world_size() > 1 and not getattr(unwrap(runner.model), 'gather', True):
            runner.logger.info(
                f'gather=False: each of {get_world_size()} processes ranks the triplets of its own '
                'batch, and the gradients are averaged: fewer triplets than one process has with '
                'the whole batch, and other gradients.'
            )
        self._loader = build_extraction_loader(runner, self.pipeline)
        if not runner._resume or self._loaded is None and runner.epoch == 0:
            if self.calibrate:
                calibrate_batch_norm(runner, self._loader)
            self._loaded = None  # weights may come from elsewhere, labels do not
            self._relabel(runner)
            return
        self._restore(runner)
        if self._spent:
            runner.train_loop.stop_training = True

    def before_test(self, runner) -> None:
        """Ranking of held-out samples needs the checkpoint's bank."""
        if self._loaded is not None:
            self._restore(runner)

    before_val = before_test

    def before_train_epoch(self, runner) -> None:
        """Renew the labels if the last epoch ended a round."""
        if self.state['due']:
            self._relabel(runner)
            self.state.update(due=False, epochs=0, best=math.inf, waited=0)

    def after_train_epoch(self, runner) -> None:
        """Count the epoch; every ``interval`` epochs end a round."""
        self.state['epochs'] += 1
        if self.interval is not None and self.state['epochs'] >= self.interval:
            self._end_round(runner)

    def after_val_epoch(self, runner, metrics: Optional[Dict[str, float]] = None) -> None:
        """See whether the monitored figure has stopped improving."""
        if self.monitor is None or runner.train_loop is None:
            return
        if self.monitor not in metrics:
            raise KeyError(
                f'monitor={self.monitor!r} is not among the validation figures '
                f'{sorted(metrics)}; expected one of them: change monitor of RelabelHook, or add '
                "dict(type='RankMetric') to val_evaluator"
            )
        value = self.sign * metrics[self.monitor]
        if value < self.state['best'] - self.min_delta:
            self.state.update(best=value, waited=0)
        else:
            self.state['waited'] += 1
        if self.state['waited'] >= self.patience:
            self._end_round(runner)

    def after_train(self, runner) -> None:
        """Save what an early end left unsaved, and report on the final features."""
        for hook in runner.hooks:
            if self._spent and isinstance(hook, CheckpointHook) and runner.epoch % hook.interval:
                meta = dict(epoch=runner.epoch, iter=runner.iter)
                hook._save_checkpoint_with_step(runner, runner.epoch, meta=meta)
        extracted = extract(runner, self._loader)
        require_finite(runner, extracted)
        model = unwrap(runner.model)
        self._report(runner, model.health(extracted.features, extracted.labels))

    @property
    def _spent(self) -> bool:
        return self.max_rounds is not None and self.state['round'] >= self.max_rounds

    def _end_round(self, runner) -> None:
        self.state['round'] += 1
        if self._spent:
            runner.train_loop.stop_training = True
        else:
            self.state['due'] = True

    # ------------------------------------------------------------------ what

    def _relabel(self, runner) -> None:
        start = time.time()
        extracted = extract(runner, self._loader)
        require_finite(runner, extracted)
        figures = unwrap(runner.model).relabel(*extracted)
        require_same_bank(runner)
        figures['seconds'] = time.time() - start
        hand_over(runner)
        if self.state['round']:
            forget(runner, self.reset_optimizer)
        self._report(runner, figures)

    def _report(self, runner, figures: Dict[str, float]) -> None:
        """Log to the terminal, the JSON log and the other visual back ends.

        Besides the figures: the mean losses and accuracies of the last training epoch, and the last
        validation metrics.
        """
        scalars = runner.message_hub.log_scalars
        for key, history in scalars.items():
            mode, *groups, name = key.split('/')  # such as train/loss_rank, val/rank/joint/loss
            if mode == 'train' and name.startswith(('loss_', 'acc_')):
                value = history.mean(len(runner.train_dataloader))
            elif mode == 'val' and groups and 'num_' not in name:  # metrics, no times
                groups, value = groups[1:], history.current()  # without the metric's own prefix
            else:
                continue
            figures['/'.join([*groups, f'{mode}_{name}'])] = value
        figures = dict(round=self.state['round'], **{k: float(v) for k, v in figures.items()})
        runner.logger.info(f'Relabel [epoch {runner.epoch}]  {describe(figures)}')
        for key in find_collapse(figures):
            runner.logger.warning(
                f'The features of all samples are nearly alike at epoch {runner.epoch}: {key} '
                f'{figures[key]:.2g}; expected {COLLAPSED_SPREAD} or more. The encoder has '
                'collapsed, and labels made from its features are noise: stop, and train with a '
                'lower learning rate, gradients that are clipped or shorter rounds, from a '
                'checkpoint before the fall; in round 0, check the data '
                '(tools/data/check_annotations.py), the checkpoint that was loaded, and that '
                'RelabelHook.calibrate is on'
            )
        runner.visualizer.add_scalars(
            {f'relabel/{key}': value for key, value in figures.items()},
            step=runner.epoch,
            file_path=f'{runner.timestamp}.json',
        )


def require_finite(runner, extracted: Extracted) -> None:
    """Stop the run where features are NaN or infinite, naming the samples that they are of.

    Raises:
        NonFiniteError: In all processes.
    """
    finite = extracted.features.isfinite().flatten(1).all(dim=1)
    names = [name for name, good in zip(extracted.names, finite.tolist()) if not good]
    if names:
        stop(
            runner,
            f'relabel_{runner.epoch}',
            dict(
                what='features',
                lr=runner.optim_wrapper.get_lr(),
                samples=names,
                of_samples=len(extracted.names),
            ),
            f'the features of {len(names)} of {len(extracted.names)} samples ({list_some(names)}) '
            f'are not finite after epoch {runner.epoch}',
        )


def require_same_bank(runner) -> None:
    """Stop the run where processes would learn from different labels.

    Raises:
        RuntimeError: In all processes.
    """
    if get_world_size() == 1:
        return
    digests = all_gather_object(unwrap(runner.model).bank.digest())
    others = [str(rank) for rank, digest in enumerate(digests) if digest != digests[0]]
    if others:
        raise RuntimeError(
            f'process {", ".join(others)} of {len(digests)} holds another feature bank than '
            'process 0, and would learn from other labels; expected one and the same in all: see '
            'that all machines have the same annotation file and versions of packages and, for '
            '--resume, the same checkpoint'
        )


def hand_over(runner) -> None:
    """Give the training sampler the model's pseudo-labels, where it asks for some."""
    labels = getattr(unwrap(runner.model), 'pseudo_labels', None)
    if labels is None or not isinstance(runner._train_loop, BaseLoop):  # a test has none to feed
        return
    sampler = runner.train_dataloader.sampler
    if hasattr(sampler, 'set_labels'):
        sampler.set_labels(labels)


def forget(runner, everything: bool) -> None:
    """Drop the optimiser's state, of all parameters or of the heads that got new weights."""
    state, model = runner.optim_wrapper.optimizer.state, unwrap(runner.model)
    if everything:
        state.clear()
    elif getattr(model, 'reset_head', False):
        for head in model.ranking_heads():
            for parameter in head.parameters():
                state.pop(parameter, None)
