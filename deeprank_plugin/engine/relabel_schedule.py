"""When a round of training ends and the labels are made anew (Sec. V-B)."""

import math
from typing import Any, Dict, Optional


class RelabelSchedule:
    """Counts epochs and validations, and says when to relabel and when the run is over.

    A round ends after ``interval`` epochs, or when a monitored validation metric has stopped
    improving. The labels are due after the round's end, before the next epoch; after the last round
    they are not, and the schedule is spent.

    Another schedule is named in the config, ``RelabelHook(schedule=dict(type=...))``, registered in
    ``TASK_UTILS``, and has these methods and ``due``, ``spent`` and ``round``.

    Args:
        interval (int, optional): Epochs of a round. Defaults to None.
        monitor (str, optional): Instead of ``interval``: the validation metric whose plateau ends
            a round, such as 'rank/loss'. Defaults to None.
        rule (str): 'less' or 'greater': which is better. Defaults to 'less'.
        patience (int): Validations without improvement that end a round. Defaults to 5.
        min_delta (float): Improvement that counts. Defaults to 1e-3.
        max_rounds (int, optional): Rounds after which the run ends; None trains to the end of
            ``max_epochs``. Defaults to None.

    Attributes:
        round (int): Rounds completed.
        epochs (int): Epochs of this round.
        best (float): Best value of the metric in this round; the negative of it if greater is
            better.
        waited (int): Validations since the best one.
        due (bool): Whether to relabel before the next epoch.

    Raises:
        ValueError: If an argument is out of its range.
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
        """Begin to count anew, with new labels."""
        self.epochs = 0
        self.best = math.inf
        self.waited = 0
        self.due = False

    def end_epoch(self) -> None:
        """Count an epoch of training; ``interval`` of them end the round."""
        self.epochs += 1
        if self.interval is not None and self.epochs >= self.interval:
            self.end_round()

    def end_validation(self, metrics: Dict[str, float]) -> None:
        """See whether the monitored metric has stopped improving, which ends the round.

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
        """Count a round; labels are due unless it was the last one."""
        self.round += 1
        self.due = not self.spent

    @property
    def spent(self) -> bool:
        """Whether the last round is over."""
        return self.max_rounds is not None and self.round >= self.max_rounds

    def state_dict(self) -> Dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        for name in self.STATE:
            setattr(self, name, state[name])
