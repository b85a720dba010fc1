"""Decides when a round of training ends and new labels are due (Sec. V-B)."""

import math
from typing import Any, Dict, Optional


class RelabelSchedule:
    """Counts epochs and validations, and says when to relabel and when to end the run.

    A round ends after ``interval`` epochs, or when a monitored validation metric has stopped
    improving. New labels are then due before the next epoch, except after the last round, when the
    schedule is spent.

    A custom schedule is registered in ``TASK_UTILS``, is set by
    ``RelabelHook(schedule=dict(type=...))``, and has these methods and ``due``, ``spent`` and
    ``round``.

    Args:
        interval (int, optional): Epochs per round. Defaults to None.
        monitor (str, optional): Instead of ``interval``: the validation metric whose plateau ends
            a round, such as 'rank/loss'. Defaults to None.
        rule (str): 'less' or 'greater', whichever is better. Defaults to 'less'.
        patience (int): Validations without improvement after which a round ends. Defaults to 5.
        min_delta (float): Smallest change that counts as improvement. Defaults to 1e-3.
        max_rounds (int, optional): Rounds after which the run ends. Defaults to None: train for
            ``max_epochs``.

    Attributes:
        round (int): Rounds completed.
        epochs (int): Epochs completed in this round.
        best (float): Best value of the metric in this round, negated if greater is better.
        waited (int): Validations since the best one.
        due (bool): Whether to relabel before the next epoch.

    Raises:
        ValueError: If an argument is out of range.
    """

    STATE = ('round', 'epochs', 'best', 'waited', 'due')

    def __init__(
        self,
        interval: Optional[int] = None,
        monitor: Optional[str] = None,
        rule: str = 'less',
        patience: int = 5,
        min_delta: float = 1e-3,
        max_rounds: Optional[int] = None,
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
        self.round = 0
        self.start_round()

    def start_round(self) -> None:
        """Reset the counts for a round with new labels."""
        self.epochs = 0
        self.best = math.inf
        self.waited = 0
        self.due = False

    def end_epoch(self) -> None:
        """Count a training epoch; the round ends after ``interval`` of them."""
        self.epochs += 1
        if self.interval is not None and self.epochs >= self.interval:
            self.end_round()

    def end_validation(self, metrics: Dict[str, float]) -> None:
        """End the round if the monitored metric has stopped improving.

        Raises:
            KeyError: If it is not among the metrics.
        """
        if self.monitor is None:
            return
        if self.monitor not in metrics:
            raise KeyError(
                f'monitor={self.monitor!r} is not among the validation metrics '
                f'{sorted(metrics)}; expected one of them: change monitor of RelabelHook, or add '
                "dict(type='RankMetric') to val_evaluator"
            )
        value = self.sign * metrics[self.monitor]
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.waited >= self.patience:
            self.end_round()

    def end_round(self) -> None:
        """Count a round; new labels are due unless it was the last one."""
        self.round += 1
        self.due = not self.spent

    @property
    def spent(self) -> bool:
        """Whether the last round is over."""
        return self.max_rounds is not None and self.round >= self.max_rounds

    def state_dict(self) -> Dict[str, Any]:
        """State to save in a checkpoint."""
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Restore the result of :meth:`state_dict`."""
        for name in self.STATE:
            setattr(self, name, state[name])
