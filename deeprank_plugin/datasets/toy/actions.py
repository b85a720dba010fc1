"""A toy data set of skeleton actions, made by forward kinematics, for demos and tests.

It needs no download and no sensor: joint angles over time, drawn for each performance, move the 25
joints of NTU RGB+D, which three virtual cameras then record with noise and lost joints. All
classes start from and return to the same rest pose and have the same distribution of lengths, so
movement separates the classes, while a still pose or the length hardly does. It is a toy: results
on it show that the software works and say nothing about real data.
"""

from dataclasses import dataclass
from typing import Dict, List

import numpy as np
from scipy.spatial.transform import Rotation

from deeprank_plugin.datasets.toy.motions import ACTIONS, CLASS_NAMES, Clock, Motion, bend_legs

__all__ = ['CLASS_NAMES', 'make_performance', 'make_toy_actions', 'record']

FRAMES_PER_SECOND = 30
MIN_FRAMES, MAX_FRAMES = 20, 150
CAMERA_YAWS = (-45.0, 0.0, 45.0)  # degrees, of cameras 1, 2 and 3
SENSOR_NOISE = 0.01  # metres
LEFT_HANDED = (
    3,
    4,
    11,
    12,
)  # of subjects 1 to 16; odd ones train, even ones test, and both include some

# Parent of each of NTU's 25 joints, parents before children, and the joint's offset from it in
# metres, for a person 1.7 m tall who stands upright (x to the left, y up, z ahead).
LEFT_SIDE = {
    4: (20, (.17, -.05, 0)), 5: (4, (0, -.27, 0)), 6: (5, (0, -.24, 0)), 7: (6, (0, -.07, 0)),
    21: (7, (0, -.08, 0)), 22: (7, (-.02, -.02, .05)), 12: (0, (.08, -.04, 0)),
    13: (12, (0, -.41, 0)), 14: (13, (0, -.40, 0)), 15: (14, (0, -.06, .12))}  # yapf: disable
MIRROR = {0: 0, 1: 1, 20: 20, 2: 2, 3: 3, 4: 8, 5: 9, 6: 10, 7: 11, 12: 16, 13: 17, 14: 18, 15: 19,
          21: 23, 22: 24}  # yapf: disable
TREE = {
    1: (0, (0, 0.29, 0)),
    20: (1, (0, 0.22, 0)),
    2: (20, (0, 0.08, 0)),
    3: (2, (0, 0.15, 0.02)),
    **LEFT_SIDE,
}
TREE.update(
    {
        MIRROR[joint]: (MIRROR[parent], (-x, y, z))
        for joint, (parent, (x, y, z)) in LEFT_SIDE.items()
    }
)
NUM_JOINTS = 25
FEET = [14, 15, 18, 19]
# Joints that a sensor may lose: never those of the trunk, which centre the sequences.
LIMBS = [3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 24]

# The joints that bend, as (left, right) or one index. 'Main' is the side of the handedness.
TRUNK = dict(pelvis=0, spine=1, chest=20, neck=2)
PAIRED = dict(
    shoulder=(4, 8), elbow=(5, 9), wrist=(6, 10), hip=(12, 16), knee=(13, 17), ankle=(14, 18)
)
BENDING = [*TRUNK.values(), *(joint for pair in PAIRED.values() for joint in pair)]
# Positive flexion turns about +x in the trunk and the knees, about -x (forward and up) elsewhere.
FLEXION_SIGN = np.array(
    [1.0 if joint in (*TRUNK.values(), *PAIRED['knee']) else -1.0 for joint in range(NUM_JOINTS)]
)


@dataclass(frozen=True)
class Performer:
    """A subject: limb lengths, handedness, speed and style, the same in all its performances.

    Attributes:
        bones (np.ndarray): Offsets of the joints from their parents in metres. Shape (V, 3).
        main_side (int): 0 for left-handed, 1 for right-handed.
        tempo (float): Speed of all movements; 1 is average.
        gain (np.ndarray): Factors of the angles of each joint. Shape (V, 3).
        posture (np.ndarray): Rest angles (sideways, flexion, twist) in degrees. Shape (V, 3).
    """

    bones: np.ndarray
    main_side: int
    tempo: float
    gain: np.ndarray
    posture: np.ndarray


def make_performer(subject: int, seed: int) -> Performer:
    """Draw performer number ``subject``; depends only on it and the seed."""
    rng = np.random.default_rng([seed, 0, subject])
    lengths = np.exp(rng.normal(0, 0.06, NUM_JOINTS))
    bones = np.zeros((NUM_JOINTS, 3))
    for joint, (_, offset) in TREE.items():
        # Left and right limbs are equally long.
        bones[joint] = np.multiply(
            offset, lengths[next((k for k, v in MIRROR.items() if v == joint), joint)]
        )
    posture = np.zeros((NUM_JOINTS, 3))
    posture[BENDING] = rng.normal(0, 4, (len(BENDING), 3))
    posture[list(PAIRED['shoulder']), 0] += 10
    posture[list(PAIRED['elbow']), 1] += 18
    posture[list(PAIRED['knee']), 1] = 4
    return Performer(
        bones=bones * rng.normal(1, 0.07),
        main_side=int(subject not in LEFT_HANDED),
        tempo=np.exp(rng.normal(0, 0.2)),
        gain=np.exp(rng.normal(0, 0.18, (NUM_JOINTS, 3))),
        posture=posture,
    )


def _sway(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Slow, involuntary sway of all joints, in degrees. Shape (T, V, 3)."""
    seconds = np.arange(num_frames)[:, None, None] / FRAMES_PER_SECOND
    sway = np.zeros((num_frames, NUM_JOINTS, 3))
    for _ in range(2):
        hertz = rng.uniform(0.05, 0.6, (len(BENDING), 3))
        phase = rng.uniform(0, 2 * np.pi, (len(BENDING), 3))
        sway[:, BENDING] += rng.normal(0, 2, (len(BENDING), 3)) * np.sin(
            2 * np.pi * hertz * seconds + phase
        )
    return sway


def _stance(rng: np.random.Generator) -> np.ndarray:
    """Random posture during one performance, in degrees. Shape (V, 3).

    It makes single poses uninformative.
    """
    stance = np.zeros((NUM_JOINTS, 3))
    stance[BENDING] = rng.normal(0, 4, (len(BENDING), 3))
    stance[list(TRUNK.values()), 1] += rng.normal(0, 6, len(TRUNK))
    stance[list(PAIRED['shoulder'])] += np.abs(rng.normal(0, 1, (2, 3))) * [12, 22, 22]
    stance[list(PAIRED['elbow']), 1] += np.abs(rng.normal(0, 35, 2))
    for name, angles in bend_legs(np.abs(rng.normal(0, 0.25))).items():
        stance[_joint_index(name, 0)] += angles
    return stance


def _joint_index(name: str, main_side: int) -> int:
    """Index of a joint by its name in an action, such as 'neck' or 'main_elbow'."""
    if name in TRUNK:
        return TRUNK[name]
    side, joint = name.split('_')
    return PAIRED[joint][main_side if side == 'main' else 1 - main_side]


def forward_kinematics(angles: np.ndarray, bones: np.ndarray, main_side: int) -> np.ndarray:
    """Chain the rotations of the joints along the skeleton.

    Args:
        angles (np.ndarray): (sideways, flexion, twist) of each joint in degrees. Shape (T, V, 3).
        bones (np.ndarray): Offsets of the joints from their parents in metres. Shape (V, 3).
        main_side (int): The side, 0 left and 1 right, to which trunk angles are positive.

    Returns:
        np.ndarray: Positions in metres, pelvis at the origin, x left, y up, z ahead. Shape (T, V,
        3).
    """
    mirror = np.full(
        NUM_JOINTS, 1.0 if main_side == 1 else -1.0
    )  # of the trunk; limbs by their own side
    for left, right in PAIRED.values():
        mirror[left], mirror[right] = 1.0, -1.0
    turn = np.where(np.isin(np.arange(NUM_JOINTS), list(TRUNK.values())), mirror, -mirror)
    euler = angles * np.stack([mirror, FLEXION_SIGN, turn], axis=1)
    rotations = {0: Rotation.from_euler('ZXY', euler[:, 0], degrees=True)}
    positions = np.zeros_like(angles)
    for joint, (parent, _) in TREE.items():
        positions[:, joint] = positions[:, parent] + rotations[parent].apply(bones[joint])
        rotations[joint] = rotations[parent]
        if joint in BENDING:
            rotations[joint] = rotations[parent] * Rotation.from_euler(
                'ZXY', euler[:, joint], degrees=True
            )
    return positions


def perform(
    motion: Motion, performer: Performer, num_frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Perform a motion on the spot.

    Returns:
        np.ndarray: Positions in metres, y = 0 is the ground. Shape (T, V, 3).
    """
    angles = performer.posture + _sway(rng, num_frames)
    angles += _stance(rng)
    gain = performer.gain * np.exp(rng.normal(0, 0.12, (NUM_JOINTS, 3)))
    vigour = np.exp(rng.normal(0, 0.12))
    motion = dict(motion)
    yaw, height, ahead = (motion.pop(name, 0.0) for name in ('yaw', 'height', 'ahead'))
    for name, moves in motion.items():
        joint = _joint_index(name, performer.main_side)
        for axis, move in enumerate(moves):
            angles[:, joint, axis] += move * gain[joint, axis] * vigour
    positions = forward_kinematics(angles, performer.bones, performer.main_side)
    positions[..., 1] -= positions[:, FEET, 1].min(axis=1, keepdims=True)
    positions += np.stack(
        np.broadcast_arrays(0.0, height * vigour * np.ones(num_frames), ahead), axis=-1
    )[:, None]
    return _turn(positions, yaw if performer.main_side == 1 else -yaw)


def _turn(positions: np.ndarray, degrees) -> np.ndarray:
    """Turn positions (T, V, 3) about the vertical axis, by one angle or one per frame."""
    degrees = np.broadcast_to(degrees, len(positions))[:, None]
    return positions @ Rotation.from_euler('y', degrees, degrees=True).as_matrix().swapaxes(1, 2)


def make_performance(
    label: int, subject: int, seed: int, rng: np.random.Generator
) -> List[np.ndarray]:
    """One performance of an action, before any camera.

    Args:
        label (int): Index of the action in :data:`CLASS_NAMES`.
        subject (int): Number of the subject, from 1. In actions of two, its partner is the subject
        after
            next, so that both belong to the same side of the ``xsub`` split.
        seed (int): Seed of the whole data set, from which the subjects come.
        rng (np.random.Generator): Source of randomness for this performance.

    Returns:
        list[np.ndarray]: One array (T, V, 3) a person in metres: the ground is y = 0, the scene is
        around the origin and faces +z.
    """
    action, performer = ACTIONS[label], make_performer(subject, seed)
    # The action's duration, and the rest around it, have the same distribution in all classes.
    seconds = np.exp(rng.uniform(np.log(0.8), np.log(3.8))) / performer.tempo
    active = rng.uniform(0.4, 0.9)
    num_frames = int(np.clip(round(seconds * FRAMES_PER_SECOND / active), MIN_FRAMES, MAX_FRAMES))
    start = rng.uniform(0, 1 - active)
    progress = np.clip((np.arange(num_frames) / num_frames - start) / active, 0, 1)
    progress = progress ** np.exp(rng.normal(0, 0.15))  # faster in the beginning or towards the end
    repeats = max(1, round(seconds * performer.tempo / action.period * np.exp(rng.normal(0, 0.15))))
    clock = Clock(progress, repeats, phase=rng.uniform())

    heading = rng.normal(0, 18)
    bodies = [perform(action.move(clock), performer, num_frames, rng)]
    if action.partner is None:
        return [_turn(bodies[0], heading)]
    # Two people face each other across camera 2's line of sight; a sensor lists them in any order.
    partner = perform(action.partner(clock), make_performer(subject + 2, seed), num_frames, rng)
    side = rng.choice([-90.0, 90.0])
    gap = np.array([0, 0, rng.uniform(0.75, 1.0)])
    bodies = [
        _turn(bodies[0] - gap / 2, heading + side),
        _turn(partner - gap / 2, heading + side + 180),
    ]
    return bodies if rng.random() < 0.5 else bodies[::-1]


def record(bodies: List[np.ndarray], camera: int, rng: np.random.Generator) -> np.ndarray:
    """Record a scene as a depth sensor does, with its view, noise and lost joints.

    Args:
        bodies (list[np.ndarray]): Positions in the scene, one array (T, V, 3) a person.
        camera (int): 1, 2 or 3, see :data:`CAMERA_YAWS`.
        rng (np.random.Generator): Source of randomness.

    Returns:
        np.ndarray: Positions in metres, y up, z away from the camera; a lost joint is (0, 0, 0).
        Shape (M, T, V, 3), float32.
    """
    keypoint = np.stack(bodies)
    yaw, pitch = 180 + CAMERA_YAWS[camera - 1] + rng.normal(0, 4), rng.normal(6, 3)
    view = Rotation.from_euler('x', pitch, degrees=True) * Rotation.from_euler(
        'y', yaw, degrees=True
    )
    keypoint = (keypoint - [0, 1, 0]) @ view.as_matrix().T
    keypoint += [rng.normal(0, 0.2), rng.normal(0, 0.08), rng.uniform(2.5, 4)]
    keypoint += rng.normal(0, SENSOR_NOISE, keypoint.shape) * [1, 1, 1.4]  # depth is the noisiest
    num_frames = keypoint.shape[1]
    for body in keypoint:
        for _ in range(rng.poisson(1.2)):
            length = int(rng.integers(2, min(12, num_frames // 3) + 1))
            first = int(rng.integers(0, num_frames - length + 1))
            body[first : first + length, rng.choice(LIMBS)] = 0
    return keypoint.astype(np.float32)


def _checked_integer(name: str, value: int, low: int, high: int) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or not low <= value <= high
    ):
        raise ValueError(
            f'{name} of the toy data set is {value!r}; expected an integer from {low} to {high}'
        )
    return int(value)


def make_toy_actions(subjects: int = 16, repetitions: int = 2, seed: int = 0) -> dict:
    """Make the toy data set, in the format of MMAction2's annotation pickles.

    12 classes x ``subjects`` x 3 cameras x ``repetitions``: 1,152 sequences by default. Unlike in
    NTU, each camera records a different performance, so no test sequence of ``xview`` has a twin in
    the training part. A smaller data set with the same seed is a subset of a larger one.

    Args:
        subjects (int): Number of subjects. Defaults to 16.
        repetitions (int): How often a subject does each action. Defaults to 2.
        seed (int): Seed of all random draws. Defaults to 0.

    Returns:
        dict: ``split`` with the sample names of ``xsub_train`` (odd subjects), ``xsub_val`` (even
        subjects), ``xview_train`` (cameras 2 and 3) and ``xview_val`` (camera 1), and
        ``annotations``, a list of dicts with ``frame_dir`` (such as S001C001P001R001A001),
        ``label``, ``total_frames``, ``keypoint`` (M, T, 25, 3) in metres, float32, ``subject``,
        ``camera`` and ``setup``.

    Raises:
        ValueError: If a number is not an integer in its range.
    """
    subjects = _checked_integer('subjects', subjects, 2, 999)
    repetitions = _checked_integer('repetitions', repetitions, 1, 999)
    seed = _checked_integer('seed', seed, 0, 2**63)
    split: Dict[str, List[str]] = dict(xsub_train=[], xsub_val=[], xview_train=[], xview_val=[])
    annotations = []
    for label, subject, repetition in np.ndindex(len(ACTIONS), subjects, repetitions):
        subject, repetition = subject + 1, repetition + 1
        for camera in range(1, len(CAMERA_YAWS) + 1):
            rng = np.random.default_rng([seed, 1, label, subject, repetition, camera])
            keypoint = record(make_performance(label, subject, seed, rng), camera, rng)
            name = f'S001C{camera:03d}P{subject:03d}R{repetition:03d}A{label + 1:03d}'
            annotations.append(
                dict(frame_dir=name, label=label, total_frames=keypoint.shape[1], keypoint=keypoint,
                     subject=subject, camera=camera, setup=1))  # yapf: disable
            split['xsub_train' if subject % 2 else 'xsub_val'].append(name)
            split['xview_val' if camera == 1 else 'xview_train'].append(name)
    return dict(split=split, annotations=annotations)
