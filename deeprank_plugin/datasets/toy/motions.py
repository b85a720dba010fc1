"""Motions of the toy actions: joint angles over time, before a subject's style is applied.

An action returns, over time, the angles (sideways, flexion, twist) in degrees of the joints that
it moves. Positive is away from the body, natural bending and inwards; angles of the trunk are
positive towards the main side and where that side comes forward. 'Main' is the side of a subject's
handedness. Besides angles there are 'yaw' in degrees, 'height' and 'ahead' in metres.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

import numpy as np

Motion = Dict[str, Any]  # angles of a joint (tuple), or a yaw, height or offset


class Clock:
    """Time of one performance, in terms of which actions are defined.

    Args:
        progress (np.ndarray): Completed share of the action in each frame, in [0, 1]. Shape (T,).
        repeats (int): How often the movement repeats.
        phase (float): Start of a swing, in turns.
    """

    def __init__(self, progress: np.ndarray, repeats: int, phase: float) -> None:
        self.progress = progress
        self.repeats = repeats
        self.phase = phase
        # 0 at rest, 1 in the middle of the action.
        self.hold = self.keys((0, 0.2, 0.8, 1), (0, 1, 1, 0), whole=True)

    def keys(self, times: tuple, values: tuple, whole: bool = False) -> np.ndarray:
        """Interpolate ``values`` at ``times`` of each repeat, or of the whole, smoothly: (T,)."""
        turns = self.progress if whole else self.progress * self.repeats
        # The end of the last repeat is not the start of another.
        time = np.where(turns >= (1 if whole else self.repeats), 1.0, turns % 1.0)
        segment = np.clip(np.searchsorted(times, time, side='right') - 1, 0, len(times) - 2)
        at, goal = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
        share = (time - at[segment]) / (at[segment + 1] - at[segment])
        share = share * share * (3 - 2 * share)
        return goal[segment] + share * (goal[segment + 1] - goal[segment])

    def swing(self) -> np.ndarray:
        """Oscillation (T,) in [-1, 1], one turn per repeat, zero at rest."""
        return self.hold * np.sin(2 * np.pi * (self.progress * self.repeats + self.phase))


def _wave(clock: Clock) -> Motion:
    hold, swing = clock.hold, clock.swing()
    return dict(
        main_shoulder=(75 * hold, 0, -80 * hold),
        main_elbow=(0, 75 * hold + 35 * swing, 0),
        main_wrist=(0, 20 * swing, 0),
    )


def _clap(clock: Clock) -> Motion:
    hold, twist = clock.hold, 14 * clock.hold + 22 * clock.swing()
    arm = (0, 45 * hold, twist)
    elbow = (0, 45 * hold, 0)
    return dict(main_shoulder=arm, other_shoulder=arm, main_elbow=elbow, other_elbow=elbow)


def _punch(clock: Clock) -> Motion:
    hit = clock.keys((0, 0.3, 0.45, 0.55, 1), (0, 0, 1, 1, 0))
    guard = clock.hold
    return dict(
        main_shoulder=(0, 20 * guard + 65 * hit, 0),
        main_elbow=(0, 95 * guard - 90 * hit, 0),
        other_shoulder=(0, 25 * guard, 10 * guard),
        other_elbow=(0, 85 * guard, 0),
        spine=(0, 4 * hit, 14 * hit),
        chest=(0, 0, 14 * hit),
    )


def _kick(clock: Clock) -> Motion:
    times = (0, 0.25, 0.5, 0.6, 1)
    hit = clock.keys(times, (0, 0, 1, 1, 0))
    return dict(
        main_hip=(0, clock.keys(times, (0, -25, 75, 75, 0)), 0),
        main_knee=(0, clock.keys(times, (0, 70, 5, 5, 0)), 0),
        main_shoulder=(15 * hit, -25 * hit, 0),
        other_shoulder=(15 * hit, 35 * hit, 0),
        spine=(0, -10 * hit, 0),
        other_knee=(0, 8 * hit, 0),
    )


def bend_legs(depth: np.ndarray) -> Motion:
    """Both legs bent with the feet flat on the ground, knees by 100 degrees at depth 1."""
    leg = dict(hip=(8 * depth, 65 * depth, 0), knee=(0, 100 * depth, 0), ankle=(0, 35 * depth, 0))
    return {
        f'{side}_{joint}': angles for side in ('main', 'other') for joint, angles in leg.items()
    }


def _squat(clock: Clock) -> Motion:
    depth = clock.keys((0, 0.4, 0.5, 0.85, 1), (0, 1, 1, 0, 0))
    arm = (0, 60 * depth, 0)
    return dict(bend_legs(depth), main_shoulder=arm, other_shoulder=arm, spine=(0, 22 * depth, 0))


def _jump(clock: Clock) -> Motion:
    times = (0, 0.3, 0.45, 0.7, 0.8, 1)
    arm = (0, clock.keys(times, (0, -35, 110, 40, 20, 0)), 0)
    depth = clock.keys(times, (0, 0.65, 0, 0, 0.5, 0))
    flight = clock.keys((0, 0.4, 0.57, 0.74, 1), (0, 0, 1, 0, 0))
    return dict(
        bend_legs(depth),
        main_shoulder=arm,
        other_shoulder=arm,
        spine=(0, 20 * depth, 0),
        height=0.28 * flight,
    )


def _walk_in_place(clock: Clock) -> Motion:
    swing = clock.swing()
    motion = dict(
        main_shoulder=(0, -28 * swing, 0),
        other_shoulder=(0, 28 * swing, 0),
        chest=(0, 0, -6 * swing),
    )
    for side, lift in (('main', np.maximum(swing, 0)), ('other', np.maximum(-swing, 0))):
        motion.update({f'{side}_hip': (0, 48 * lift, 0), f'{side}_knee': (0, 62 * lift, 0),
                       f'{side}_elbow': (0, 15 * clock.hold, 0)})  # yapf: disable
    return motion


def _turn_around(clock: Clock) -> Motion:
    steps = clock.hold * np.sin(2 * np.pi * 4 * clock.progress)
    motion = dict(
        yaw=clock.keys((0, 0.25, 0.75, 1), (0, 0, 360, 360), whole=True),
        neck=(0, 0, 15 * clock.hold),
    )
    for side, lift in (('main', np.maximum(steps, 0)), ('other', np.maximum(-steps, 0))):
        motion.update({f'{side}_hip': (0, 18 * lift, 0), f'{side}_knee': (0, 30 * lift, 0)})
    return motion


def _pick_up(clock: Clock) -> Motion:
    depth = clock.keys((0, 0.35, 0.45, 0.75, 1), (0, 1, 1, 0, 0))
    motion = bend_legs(0.45 * depth)
    for side in ('main', 'other'):  # the pelvis bends forward over legs that stay
        sideways, flexion, twist = motion[f'{side}_hip']
        motion[f'{side}_hip'] = (sideways, flexion + 50 * depth, twist)
    carry = clock.keys((0, 0.5, 0.8, 1), (0, 0, 1, 0))
    return dict(
        motion,
        pelvis=(0, 50 * depth, 0),
        spine=(0, 25 * depth, 0),
        chest=(0, 15 * depth, 0),
        neck=(0, -20 * depth, 0),
        main_shoulder=(0, 70 * depth, 5 * depth),
        main_elbow=(0, 60 * carry, 0),
    )


def _throw(clock: Clock) -> Motion:
    times = (0, 0.35, 0.45, 0.6, 0.7, 1)
    return dict(
        main_shoulder=(
            clock.keys(times, (0, 85, 85, 50, 10, 0)),
            clock.keys(times, (0, -20, -20, 95, 45, 0)),
            clock.keys(times, (0, -85, -85, -20, 10, 0)),
        ),
        main_elbow=(0, clock.keys(times, (0, 95, 95, 15, 10, 0)), 0),
        other_shoulder=(0, clock.keys(times, (0, 40, 40, -15, -10, 0)), 0),
        spine=(
            0,
            clock.keys(times, (0, -10, -10, 22, 15, 0)),
            clock.keys(times, (0, -22, -22, 20, 15, 0)),
        ),
        chest=(0, 0, clock.keys(times, (0, -15, -15, 15, 10, 0))),
        other_hip=(0, clock.keys(times, (0, 30, 30, 12, 8, 0)), 0),
        other_knee=(0, clock.keys(times, (0, 35, 30, 10, 8, 0)), 0),
    )


def _handshake(clock: Clock) -> Motion:
    hold, swing = clock.hold, clock.swing()
    return dict(
        main_shoulder=(0, 38 * hold + 9 * swing, 8 * hold),
        main_elbow=(0, 35 * hold + 16 * swing, 0),
        spine=(0, 6 * hold, 0),
        ahead=0.08 * hold,
    )


def _push(clock: Clock) -> Motion:
    times = (0, 0.25, 0.45, 0.6, 1)
    arm = (0, clock.keys(times, (0, 15, 78, 78, 0)), 0)
    elbow = (0, clock.keys(times, (0, 100, 5, 5, 0)), 0)
    hit = clock.keys(times, (0, 0, 1, 1, 0))
    return dict(
        main_shoulder=arm,
        other_shoulder=arm,
        main_elbow=elbow,
        other_elbow=elbow,
        spine=(0, 15 * hit, 0),
        main_hip=(0, -15 * hit, 0),
        other_hip=(0, 18 * hit, 0),
        other_knee=(0, 20 * hit, 0),
        ahead=0.12 * hit,
    )


def _pushed(clock: Clock) -> Motion:
    fall = clock.keys((0, 0.42, 0.6, 1), (0, 0, 1, 0))
    arm = (20 * fall, 35 * fall, 0)
    return dict(
        main_shoulder=arm,
        other_shoulder=arm,
        spine=(0, -18 * fall, 0),
        neck=(0, 15 * fall, 0),
        main_hip=(0, -20 * fall, 0),
        other_hip=(0, 22 * fall, 0),
        other_knee=(0, 25 * fall, 0),
        ahead=-0.28 * fall,
    )


@dataclass(frozen=True)
class Action:
    """A toy action: its name, the duration of one repeat (s), and the motion of each person."""

    name: str
    period: float
    move: Callable[[Clock], Motion]
    partner: Optional[Callable[[Clock], Motion]] = None


ACTIONS = (
    Action('wave', .7, _wave), Action('clap', .6, _clap), Action('punch', 1., _punch),
    Action('kick', 1.3, _kick), Action('squat', 1.9, _squat), Action('jump', 1.3, _jump),
    Action('walk in place', 1.1, _walk_in_place), Action('turn around', 2.4, _turn_around),
    Action('pick up', 2.2, _pick_up), Action('throw', 1.7, _throw), Action('handshake', .6,
    _handshake, _handshake), Action('push', 1.5, _push, _pushed))  # yapf: disable
CLASS_NAMES = tuple(action.name for action in ACTIONS)
