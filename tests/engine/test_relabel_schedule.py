"""When a round ends: no runner, no model."""

import math

import pytest

from deeprank_plugin.engine.relabel_schedule import RelabelSchedule


def test_rounds_of_an_interval():
    schedule = RelabelSchedule(interval=2)
    due = []
    for _ in range(5):
        if schedule.due:
            schedule.start_round()
        schedule.end_epoch()
        schedule.end_validation({'anything': 1.0})
        due.append(schedule.due)
    assert due == [False, True, False, True, False]
    assert (schedule.round, schedule.epochs, schedule.spent) == (2, 1, False)


def test_the_last_round_needs_no_labels():
    schedule = RelabelSchedule(interval=1, max_rounds=2)
    schedule.end_epoch()
    assert schedule.due and not schedule.spent
    schedule.start_round()
    schedule.end_epoch()
    assert schedule.spent and not schedule.due


def test_plateau():
    schedule = RelabelSchedule(monitor='m', patience=2, min_delta=0.1, max_rounds=2)
    due = []
    for value in (1.0, 0.8, 0.75, 0.71):  # from 0.8 on no improvement by more than 0.1
        schedule.end_epoch()
        schedule.end_validation({'m': value})
        due.append(schedule.due)
    assert due == [False, False, False, True]
    schedule.start_round()
    for value in (2.0, 2.0):  # worse than in the last round, best of this one
        schedule.end_validation({'m': value})
    assert not schedule.spent
    schedule.end_validation({'m': 2.0})
    assert schedule.spent and not schedule.due


def test_a_slow_improvement_adds_up():
    schedule = RelabelSchedule(monitor='m', patience=2, min_delta=0.1)
    for value in (1.0, 0.95, 0.89, 0.84, 0.78):  # each second one is 0.1 below the best
        schedule.end_validation({'m': value})
    assert not schedule.due and schedule.best == 0.78


def test_plateau_where_greater_is_better():
    schedule = RelabelSchedule(monitor='m', rule='greater', patience=1, min_delta=0.0)
    for value, due in ((0.5, False), (0.6, False), (0.6, True)):
        schedule.end_validation({'m': value})
        assert schedule.due == due


def test_state_is_restored():
    arguments = dict(monitor='m', patience=3, max_rounds=4)
    schedule, other = RelabelSchedule(**arguments), RelabelSchedule(**arguments)
    for value in (1.0, 1.0, 1.0, 1.0, 0.5, 0.7):
        schedule.end_epoch()
        schedule.end_validation({'m': value})
        if schedule.due:
            schedule.start_round()
    state = schedule.state_dict()
    assert state == dict(round=1, epochs=2, best=0.5, waited=1, due=False)
    assert set(state) == set(other.state_dict())  # as in checkpoints of older runs
    other.load_state_dict(state)
    assert vars(other) == vars(schedule)


def test_a_new_round_forgets_the_last_one():
    schedule = RelabelSchedule(monitor='m', patience=1)
    schedule.end_epoch()
    schedule.end_validation({'m': 1.0})
    schedule.end_validation({'m': 1.0})
    schedule.start_round()
    expected = dict(round=1, epochs=0, best=math.inf, waited=0, due=False)
    assert schedule.state_dict() == expected


def test_monitor_that_is_not_there():
    schedule = RelabelSchedule(monitor='rank/los')
    with pytest.raises(KeyError, match="'rank/los' is not among.*rank/loss.*RankMetric"):
        schedule.end_validation({'rank/loss': 1.0})


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(), 'exactly one'),
        (dict(interval=1, monitor='m'), 'exactly one'),
        (dict(interval=0), 'interval=0'),
        (dict(monitor='m', patience=0), 'patience=0'),
        (dict(interval=1, max_rounds=0), 'max_rounds=0'),
        (dict(monitor='m', rule='lower'), "rule='lower'"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        RelabelSchedule(**kwargs)
