"""The built-in layouts.

To add one, add it to ``LAYOUTS`` as data (or write a JSON file, see
:func:`~deeprank_plugin.layouts.read_layout`). 'nturgb+d', 'coco' and 'openpose' match MMAction2's
``Graph`` and ``JointToBone`` joint by joint. Names of the same meaning are the same in all layouts
where the sources allow it, because :mod:`~deeprank_plugin.layouts.maps` goes by them.
"""

from dataclasses import replace
from typing import Any, Sequence

from .layout import BODY_SIZE, Layout, point_inward

LIMBS = 'left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow right_wrist '
LIMBS += 'right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle '
LIMBS += 'right_foot'

NTU = Layout(
    name='nturgb+d',  # Kinect v2
    parents=(1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20)
    + (22, 7, 24, 11),
    inward=(1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20)
    + (7, 7, 11, 11),
    center=20,
    origin=1,
    names=(
        *('spine_base', 'spine_mid', 'neck', 'head', *LIMBS.split(), 'spine_shoulder'),
        *('left_hand_tip', 'left_thumb', 'right_hand_tip', 'right_thumb'),
    ),
    left=(4, 5, 6, 7, 12, 13, 14, 15, 21, 22),
    right=(8, 9, 10, 11, 16, 17, 18, 19, 23, 24),
    dims=3,
    graph='nturgb+d',
    body_size=BODY_SIZE,
)

COCO = Layout(
    name='coco',
    parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14),
    inward=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
    center=0,
    names=tuple(
        'nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow '
        'right_elbow left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle '
        'right_ankle'.split()
    ),
    left=(1, 3, 5, 7, 9, 11, 13, 15),
    right=(2, 4, 6, 8, 10, 12, 14, 16),
    dims=2,
    graph='coco',
)

OPENPOSE = Layout(
    name='openpose',
    parents=(0, 0, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    inward=(1, 1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    center=1,
    names=tuple(
        'nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist '
        'right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye '
        'right_ear left_ear'.split()
    ),
    left=(5, 6, 7, 11, 12, 13, 15, 17),
    right=(2, 3, 4, 8, 9, 10, 14, 16),
    dims=2,
    graph='openpose',
)

KINECT_V1 = Layout(
    name='kinect-v1',  # SDK 1
    parents=(1, 2, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    center=2,
    origin=1,
    names=('hip_center', 'spine', 'shoulder_center', 'head', *LIMBS.split()),
    left=(4, 5, 6, 7, 12, 13, 14, 15),
    right=(8, 9, 10, 11, 16, 17, 18, 19),
    dims=3,
    body_size=BODY_SIZE,
)


def grow(name: str, names: str, parents: Sequence[int], center: int, **facts: Any) -> Layout:
    """Make a layout of which MMAction2 has no graph: bones point to the centre of the graph.

    Args:
        name (str): Name of the layout.
        names (str): Names of the joints, each followed by a blank; sides begin with left or right.
        parents (Sequence[int]): For each joint the one before it, as its source lists the bones;
            the root is its own.
        center (int): The joint that the bones point to.
        facts: Other attributes of :class:`Layout`.
    """
    joints = tuple(names.split())
    edges = [[joint, parent] for joint, parent in enumerate(parents) if joint != parent]
    left = tuple(joint for joint, text in enumerate(joints) if text.startswith('left_'))
    right = tuple(joints.index(joints[joint].replace('left', 'right', 1)) for joint in left)
    inward = point_inward(len(joints), edges, center)
    return Layout(name, inward, center, joints, left, right, **facts)


AZURE_KINECT = grow(  # k4abt_joint_id_t of the Azure Kinect Body Tracking SDK
    'azure-kinect',
    'pelvis spine_navel spine_chest neck '
    'left_clavicle left_shoulder left_elbow left_wrist left_hand left_hand_tip left_thumb '
    'right_clavicle right_shoulder right_elbow right_wrist right_hand right_hand_tip right_thumb '
    'left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot '
    'head nose left_eye left_ear right_eye right_ear',
    (0, 0, 1, 2, 2, 4, 5, 6, 7, 8, 7, 2, 11, 12, 13, 14, 15, 14, 0, 18, 19, 20, 0, 22, 23, 24)
    + (3, 26, 26, 26, 26, 26),
    center=2,
    origin=1,
    dims=3,
    body_size=BODY_SIZE,
)

BODY_25 = grow(  # POSE_BODY_25_BODY_PARTS of OpenPose
    'body25',
    'nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip '
    'right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear '
    'left_ear left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel',
    (1, 1, 1, 2, 3, 1, 5, 6, 1, 8, 9, 10, 8, 12, 13, 0, 0, 15, 16, 14, 19, 14, 11, 22, 11),
    center=1,
    dims=2,
)

MEDIAPIPE = grow(  # PoseLandmark of MediaPipe, world landmarks; a tree over the joints as in 'coco'
    'mediapipe',
    'nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer '
    'left_ear right_ear left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow '
    'left_wrist right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb '
    'left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel '
    'left_foot_index right_foot_index',
    (0, 0, 1, 2, 0, 4, 5, 3, 6, 0, 0, 0, 0, 11, 12, 13, 14, 15, 16, 15, 16, 15, 16)
    + (11, 12, 23, 24, 25, 26, 27, 28, 27, 28),
    center=0,
    dims=3,
    body_size=BODY_SIZE,
)

MEDIAPIPE_2D = replace(MEDIAPIPE, name='mediapipe-2d', dims=2, body_size=None)  # image landmarks

H36M = grow(  # the 17 of VideoPose3D and MMPose, whose "foot" is the ankle
    'h36m',
    'root right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax neck_base '
    'head left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist',
    (0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    center=8,
    origin=0,
    dims=3,
    body_size=BODY_SIZE,
)

SMPL = grow(  # JOINT_NAMES_DICT['smpl'] of smplx
    'smpl',
    'pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 '
    'left_foot right_foot neck left_collar right_collar head left_shoulder right_shoulder '
    'left_elbow right_elbow left_wrist right_wrist left_hand right_hand',
    (0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21),
    center=9,
    origin=0,
    dims=3,
    body_size=BODY_SIZE,
)

LAYOUTS = {
    layout.name: layout
    for layout in (NTU, COCO, OPENPOSE, KINECT_V1, AZURE_KINECT, BODY_25, MEDIAPIPE, MEDIAPIPE_2D)
    + (H36M, SMPL)
}
"""All of them, by name. Where several fit a file, the first is taken."""

JOINTS_OF_GRAPHS = ', '.join(
    f'{layout.name}: {layout.num_joints}' for layout in LAYOUTS.values() if layout.graph
)
"""For messages: the layouts that MMAction2 has, with their numbers of joints."""
