"""Keeps the best round of a run by a metric that needs no labels, and says when to stop."""

import math
import re
from typing import Any, Dict, Optional

LATER = re.compile(r'(.*/)?(flipped|nmi_last|train_|val_)')
"""Metrics that the first line of a run lacks: nothing has been trained or compared yet."""


class BestRound:
    """Compares a metric of the rounds, of those that ``RelabelHook`` logs at each relabelling.

    The features of the untrained encoder, before the first round, do not count.

    Args:
        monitor (str): The metric, without 'relabel/': such as 'effective_rank_var', 'flipped' or
            'val_acc_near'; with several streams 'joint/effective_rank_var' and so on.
        rule (str): 'greater' or 'less', whichever is better. Defaults to 'greater'.
        patience (int, optional): Rounds without improvement after which the run ends. Defaults to
            None: it does not end.
        min_delta (float): Smallest change that counts as improvement. Defaults to 0.0.

    Attributes:
        best (float): Best value, negated if greater is better.
        waited (int): Rounds since the best one.
        epoch (int): Epoch of the last value.

    Raises:
        ValueError: If an argument is out of range.
    """

    CRITERION = ('monitor', 'sign')
    STATE = (*CRITERION, 'best', 'waited', 'epoch')

    def __init__(
        self,
        monitor: str,
        rule: str = 'greater',
        patience: Optional[int] = None,
        min_delta: float = 0.0,
    ) -> None:
        if rule not in ('less', 'greater'):
            raise ValueError(f"rule={rule!r} is not known; expected 'less' or 'greater'")
        if patience is not None and patience < 1:
            raise ValueError(f'patience={patience} must be at least 1')
        self.monitor = monitor
        self.sign = 1 if rule == 'less' else -1
        self.patience = patience
        self.min_delta = min_delta
        self.best = math.inf
        self.waited = 0
        self.epoch = 0

    def check(self, metrics: Dict[str, float]) -> None:
        """Raise ``KeyError`` if the first metrics of a run say that there is no such metric."""
        if self.monitor not in metrics and LATER.match(self.monitor) is None:
            raise KeyError(
                f'best.monitor={self.monitor!r} is not among the metrics of a round '
                f'{sorted(metrics)}; expected one of them, or of those that follow later (flipped, '
                'train_..., val_...): change best.monitor of RelabelHook'
            )

    def update(self, metrics: Dict[str, float], epoch: int) -> bool:
        """Compare the metrics of a round that ended after this epoch.

        Returns:
            bool: Whether it is the best so far.

        Raises:
            KeyError: If the metric is not among them.
        """
        if self.monitor not in metrics:
            raise KeyError(
                f'best.monitor={self.monitor!r} is not among the metrics of a round '
                f'{sorted(metrics)}; expected one of them: change best.monitor of RelabelHook'
            )
        self.epoch = epoch
        value = self.sign * float(metrics[self.monitor])
        better = value < self.best - self.min_delta
        if better:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return better

    @property
    def spent(self) -> bool:
        """Whether the run is to end."""
        return self.patience is not None and self.waited >= self.patience

    @property
    def filename(self) -> str:
        """Name of the best round's checkpoint, in the work dir."""
        return f'best_{self.monitor.replace("/", "_")}.pth'

    def state_dict(self) -> Dict[str, Any]:
        """State to save in a checkpoint."""
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: Dict[str, Any]) -> bool:
        """Restore the result of :meth:`state_dict`, if it is of the same metric and rule.

        Returns:
            bool: Whether it is.
        """
        if any(state.get(name) != getattr(self, name) for name in self.CRITERION):
            return False
        for name in self.STATE:
            setattr(self, name, state[name])
        return True
