"""Which round is the best, and when a run ends."""

import pytest

from deeprank_plugin.engine.best_round import BestRound


def feed(best, values, start=1):
    """Whether each round was the best so far, and whether the run then ends."""
    return [
        (best.update({'joint/spread': value}, epoch), best.spent)
        for epoch, value in enumerate(values, start)
    ]


def test_greater_is_better():
    best = BestRound('joint/spread', patience=2)
    found = feed(best, [1.0, 3.0, 2.0, 3.0])
    assert found == [(True, False), (True, False), (False, False), (False, True)]
    assert (best.epoch, best.filename) == (4, 'best_joint_spread.pth')


def test_less_is_better_by_a_step():
    best = BestRound('joint/spread', rule='less', min_delta=0.5)
    found = feed(best, [1.0, 0.6, 0.4, float('nan'), 9.0, 9.0])
    assert found == [(better, False) for better in (True, False, True, False, False, False)]


def test_state_is_restored():
    first, second = (BestRound('joint/spread', patience=2) for _ in range(2))
    feed(first, [2.0, 1.0])
    assert second.load_state_dict(first.state_dict())
    assert second.epoch == 2
    assert feed(second, [1.5], 3) == [(False, True)]


def test_state_of_another_metric_does_not_count():
    state = BestRound('joint/spread', rule='less').state_dict()
    for other in (BestRound('joint/spread'), BestRound('flipped', rule='less')):
        assert not other.load_state_dict(dict(state, best=-30.0))
        assert other.best == float('inf')


def test_names_of_metrics():
    metrics = {'spread': 1.0}
    BestRound('spread').check(metrics)
    for later in ('flipped', 'joint/flipped_self', 'val_acc_near', 'bone/train_acc_self'):
        BestRound(later).check(metrics)
    for use in (BestRound('sprd').check, lambda m: BestRound('sprd').update(m, 1)):
        with pytest.raises(KeyError, match=r"'sprd' is not among.*\['spread'\]"):
            use(metrics)


@pytest.mark.parametrize('wrong', [dict(rule='more'), dict(patience=0)])
def test_bad_arguments(wrong):
    with pytest.raises(ValueError):
        BestRound('spread', **wrong)
