"""The motions of the toy actions: they begin and end at rest, are smooth, and repeat."""

import numpy as np
import pytest

from deeprank_plugin.datasets.toy.motions import ACTIONS, CLASS_NAMES, Clock

PROGRESS = np.linspace(0, 1, 241)
MOVES = [(f'{a.name} {i}', m) for a in ACTIONS for i, m in enumerate((a.move, a.partner)) if m]


def curves(motion):
    """All that changes in a motion over time, of shape (number, T)."""
    values = []
    for part in motion.values():
        values += list(part) if isinstance(part, tuple) else [part]
    return np.stack([np.broadcast_to(value, PROGRESS.shape) for value in values])


def test_twelve_actions_of_twelve_names():
    assert len(set(CLASS_NAMES)) == len(ACTIONS) == 12
    assert all(action.period > 0 for action in ACTIONS)


@pytest.mark.parametrize(('name', 'move'), MOVES, ids=[name for name, _ in MOVES])
def test_a_motion_begins_and_ends_at_rest_and_is_smooth(name, move):
    found = curves(move(Clock(PROGRESS, repeats=2, phase=0.3)))
    assert np.isfinite(found).all() and np.ptp(found, axis=1).max() > 0.01
    assert found[:, 0] == pytest.approx(0, abs=1e-9)
    turns = found[:, -1] / 360  # who turns around ends where he began
    assert turns == pytest.approx(turns.round(), abs=1e-9)
    steps = np.abs(np.diff(found, axis=1)).max(axis=1)
    assert (steps <= 0.2 * np.ptp(found, axis=1) + 1e-9).all()  # no jump


def test_keys_go_through_their_values_in_each_repeat():
    times, values = (0, 0.25, 1), (2.0, -1.0, 5.0)
    clock = Clock(PROGRESS, repeats=2, phase=0)
    found = clock.keys(times, values)
    assert found[[0, 30, 240]] == pytest.approx([2, -1, 5])  # 30 of 240: a quarter of a repeat
    np.testing.assert_allclose(found[:120], found[120:240])
    assert found.min() >= -1 and found.max() <= 5  # a spline that overshoots would leave them
    once = clock.keys(times, values, whole=True)
    assert once[[0, 60, 240]] == pytest.approx([2, -1, 5])


def test_a_swing_has_one_turn_a_repeat():
    clock = Clock(PROGRESS, repeats=5, phase=0.25)
    found = clock.swing()
    assert np.abs(found).max() <= 1 and found[[0, -1]] == pytest.approx(0)
    inner = found[48:193] / clock.hold[48:193]  # where it is in full swing
    expected = np.cos(2 * np.pi * 5 * PROGRESS[48:193])
    np.testing.assert_allclose(inner, expected, atol=1e-9)
