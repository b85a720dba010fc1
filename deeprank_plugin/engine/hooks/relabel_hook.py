"""Makes the encoder's own features the new labels, round by round (Sec. V-B)."""

import time
from typing import Any, Callable, Dict, List, Optional

from mmaction.registry import HOOKS, TASK_UTILS
from mmengine.dist import all_gather_object, broadcast_object_list, get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop
from torch import Tensor

from deeprank_plugin.engine import reporting
from deeprank_plugin.engine.best_round import BestRound
from deeprank_plugin.engine.extraction import (
    build_extraction_loader,
    calibrate_batch_norm,
    extract_split,
)
from deeprank_plugin.engine.loaders import index_sampler
from deeprank_plugin.engine.recovery.checkpoint_hook import save_best, save_early_end
from deeprank_plugin.engine.relabel_schedule import RelabelSchedule
from deeprank_plugin.models.utils import FeatureBank, unwrap

TASK_UTILS.register_module(module=RelabelSchedule)


@HOOKS.register_module()
class RelabelHook(Hook):
    """Extracts the features of the whole training split and hands them to ``model.relabel``.

    It does so before training, and then after each round, when :class:`RelabelSchedule` says so.
    Labels change between a validation and the next epoch, so an epoch is validated with the labels
    it was trained on. A spent schedule ends the run; the last epoch is saved, and the features are
    extracted once more and reported (:mod:`deeprank_plugin.engine.reporting`), unless a relabelling
    has done so.

    Non-finite features end the run and their samples are named in the work dir (see
    :mod:`deeprank_plugin.engine.recovery.non_finite`); collapsed features cause a warning.

    Each of several processes extracts a part, and all hold the same bank, which is verified by its
    hash.

    The bank and the schedule's state are saved in the checkpoint, so a resumed run has the same
    labels; ``WholeCheckpointHook`` runs a validation that was missed.

    The hook is independent of the algorithm: a model needs mode 'tensor', ``bank``, and
    ``relabel(features, names)`` and ``compare(features)``, which return metrics to log. If a model
    has ``pseudo_labels``, they are passed to a training sampler that has ``set_labels``.

    Args:
        schedule (dict, optional): Config of a custom schedule. Defaults to None:
            :class:`RelabelSchedule`.
        calibrate (bool): Set BatchNorm's running statistics by one pass over the data before the
            first labels. Defaults to True.
        reset_optimizer (bool): Clear the optimiser's state (momentum) at each relabelling.
            Defaults to False.
        pipeline (list, optional): Test pipeline. Defaults to that of ``val_dataloader``.
        best (dict, optional): Arguments of :class:`BestRound`, such as ``dict(monitor=
            'effective_rank_var', patience=2)``: the weights after the round in which this metric is
            best are kept in the work dir as ``best_<monitor>.pth``, and the run ends after
            ``patience`` rounds without a better one (with :class:`ResumableTrainLoop`; any other
            loop trains one more epoch). Defaults to None.
        **kwargs: Arguments of the schedule: ``interval``, or ``monitor`` with ``rule``,
            ``patience`` and ``min_delta``; ``max_rounds``.

    Raises:
        ValueError: If an argument is out of range, or the run is not trained in epochs.
    """

    def __init__(
        self,
        schedule: Optional[Dict] = None,
        calibrate: bool = True,
        reset_optimizer: bool = False,
        pipeline: Optional[List[Dict]] = None,
        best: Optional[Dict] = None,
        **kwargs,
    ) -> None:
        self.schedule = TASK_UTILS.build({'type': 'RelabelSchedule', **(schedule or {}), **kwargs})
        self.calibrate = calibrate
        self.reset_optimizer = reset_optimizer
        self.pipeline = pipeline
        self.best = None if best is None else build_best(best)
        self._loaded: Optional[Dict] = None
        self._loader: Any = None

    # ------------------------------------------------------------------ checkpoints

    def before_save_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Put the bank and the schedule's state into the checkpoint."""
        bank = unwrap(runner.model).bank
        checkpoint['relabel'] = dict(
            state=self.schedule.state_dict(), bank=None if bank is None else bank.state_dict()
        )
        if self.best is not None:
            checkpoint['relabel']['best'] = self.best.state_dict()

    def after_load_checkpoint(self, runner, checkpoint: Dict) -> None:
        """Keep the checkpoint's labels until it is known whether the run is resumed."""
        self._loaded = checkpoint.get('relabel')

    def _restore(self, runner) -> None:
        if self._loaded is None:
            raise KeyError(
                'the checkpoint to resume from holds no ranking labels; expected one that was '
                'saved with RelabelHook: resume from a pretraining checkpoint, or start a new '
                'run with load_from and without resume'
            )
        self.schedule.load_state_dict(self._loaded['state'])
        if self.best is not None and 'best' in self._loaded:
            if not self.best.load_state_dict(self._loaded['best']):
                runner.logger.warning(
                    f'best.monitor={self.best.monitor!r} or its rule is not that of the '
                    'checkpoint: the rounds before count for nothing.'
                )
        if self._loaded['bank'] is not None:
            unwrap(runner.model).bank = FeatureBank.from_state_dict(self._loaded['bank'])
            require_same_bank(runner)
            set_sampler_labels(runner)
        self._loaded = None  # restored once: validation loops call this again

    # ------------------------------------------------------------------ when

    def before_train(self, runner) -> None:
        """Make the first labels, or restore those of the checkpoint."""
        require_epochs(runner.train_loop)
        unwrap(runner.model).scale_loss = loss_scaling(runner.optim_wrapper)
        self._loader = build_extraction_loader(runner, self.pipeline)
        if not runner._resume or self._loaded is None and runner.epoch == 0:
            if self.calibrate:
                calibrate_batch_norm(runner, self._loader)
            self._loaded = None  # load_from provides weights, but no labels
            self._relabel(runner)
            return
        self._restore(runner)
        self._stop_if_spent(runner)
        if self.spent:
            runner.logger.info(
                f'This run is finished: its {self.schedule.round} rounds are over after epoch '
                f'{runner.epoch}, and nothing is left to train.'
            )

    def before_test(self, runner) -> None:
        """Restore the bank, which the ranking of held-out samples needs."""
        if self._loaded is not None:
            self._restore(runner)

    before_val = before_test

    def before_train_epoch(self, runner) -> None:
        """Relabel if the last epoch ended a round."""
        if self.schedule.due:
            metrics = self._relabel(runner)
            self.schedule.start_round()
            self._compare_rounds(runner, metrics)

    def after_train_epoch(self, runner) -> None:
        """Count the epoch."""
        self.schedule.end_epoch()
        self._stop_if_spent(runner)

    def after_val_epoch(self, runner, metrics: Optional[Dict[str, float]] = None) -> None:
        """Pass the metrics to the schedule, in a training run."""
        if isinstance(runner._train_loop, BaseLoop):
            self.schedule.end_validation(metrics)
            self._stop_if_spent(runner)

    @property
    def spent(self) -> bool:
        """Whether the run is to end: after its last round, or because none became better."""
        return self.schedule.spent or (self.best is not None and self.best.spent)

    def _stop_if_spent(self, runner) -> None:
        if self.spent:
            runner.train_loop.stop_training = True

    def after_train(self, runner) -> None:
        """Save the last epoch of a run that ended early, and report on the final features."""
        if self.spent:
            save_early_end(runner)
        if self.best is not None and self.best.spent and runner.epoch == self.best.epoch:
            return  # the relabelling that ended the run has reported these features
        extracted = extract_split(runner, self._loader)
        model = unwrap(runner.model)
        metrics = reporting.measure_features(model, extracted)
        metrics.update(model.compare(extracted.features))
        metrics = reporting.report(runner, self.schedule.round, metrics)
        if self.best is not None and runner.epoch > self.best.epoch:
            self._compare_rounds(runner, metrics)

    def _compare_rounds(self, runner, metrics: Dict[str, float]) -> None:
        """Keep the weights if the round that is over is the best, or end the run."""
        if self.best is None:
            return
        shared = [metrics]  # losses of the own batches differ between processes
        broadcast_object_list(shared)
        (metrics,) = shared
        if self.best.update(metrics, runner.epoch):
            save_best(runner, self.best.filename)
            runner.logger.info(
                f'{self.best.filename}: the best round so far, {self.best.monitor} '
                f'{metrics[self.best.monitor]:.4g} after epoch {runner.epoch}'
            )
        elif self.best.spent:
            runner.logger.info(
                f'{self.best.monitor} has not become better in {self.best.waited} rounds: the run '
                f'ends after epoch {runner.epoch}.'
            )
        self._stop_if_spent(runner)

    # ------------------------------------------------------------------ what

    def _relabel(self, runner) -> Dict[str, float]:
        start, model = time.time(), unwrap(runner.model)
        extracted = extract_split(runner, self._loader)
        metrics = reporting.measure_features(model, extracted)
        metrics.update(model.relabel(extracted.features, extracted.names))
        metrics.update(reporting.measure_clusters(model, extracted))
        require_same_bank(runner)
        metrics['seconds'] = time.time() - start
        set_sampler_labels(runner)
        if self.schedule.round:
            reset_optimizer(runner, self.reset_optimizer)
        metrics = reporting.report(runner, self.schedule.round, metrics)
        if self.best is not None and not self.schedule.round:
            self.best.check(metrics)
        return metrics


def build_best(settings: Dict) -> BestRound:
    """:class:`BestRound` of these settings; raises a ``ValueError`` that says what it takes."""
    try:
        return BestRound(**settings)
    except TypeError as error:
        raise ValueError(
            f'best={settings!r} of RelabelHook ({error}); expected a dict of monitor, and if '
            "wanted rule, patience and min_delta: dict(monitor='effective_rank_var', patience=2)"
        ) from error


def require_epochs(loop: BaseLoop) -> None:
    """Raise a ``ValueError`` if a training loop has no epochs, in which rounds are counted."""
    if isinstance(loop, EpochBasedTrainLoop):
        return
    raise ValueError(
        f'RelabelHook counts epochs, and the training loop is {type(loop).__name__}, which has '
        'none: the labels would never change. Expected a loop over epochs: set '
        "train_cfg=dict(type='ResumableTrainLoop', max_epochs=...), or by_epoch=True and "
        'max_epochs=... of MMEngine'
    )


def loss_scaling(wrapper: OptimWrapper) -> Callable[[Tensor], Tensor]:
    """What multiplies a loss before its backward pass: accumulation, then ``GradScaler``."""

    def scale(loss: Tensor) -> Tensor:
        scaler = getattr(wrapper, 'loss_scaler', None)
        loss = wrapper.scale_loss(loss)
        return loss if scaler is None else scaler.scale(loss)

    return scale


def require_same_bank(runner) -> None:
    """Stop the run if processes would learn from different labels.

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
            'process 0, and would learn from other labels; expected the same bank in all: check '
            'that all machines have the same annotation file and versions of packages and, for '
            '--resume, the same checkpoint'
        )


def set_sampler_labels(runner) -> None:
    """Pass the model's pseudo-labels to the training sampler, if it takes labels."""
    labels = getattr(unwrap(runner.model), 'pseudo_labels', None)
    if labels is None or not isinstance(runner._train_loop, BaseLoop):  # a test does not sample
        return
    sampler = index_sampler(runner.train_dataloader)
    if hasattr(sampler, 'set_labels'):
        sampler.set_labels(labels)


def reset_optimizer(runner, everything: bool) -> None:
    """Clear the optimiser's state of all parameters, or of reinitialised heads.

    Gradients that wait for the next step (``accumulative_counts``) are the old heads', and go too.
    """
    state, model = runner.optim_wrapper.optimizer.state, unwrap(runner.model)
    if everything:
        state.clear()
    if getattr(model, 'reset_head', False):
        for head in model.label_heads():
            for parameter in head.parameters():
                state.pop(parameter, None)
                parameter.grad = None
