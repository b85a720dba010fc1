"""Small recordings in each format, as the programs write them, from arrays of poses."""

import json

import numpy as np

from deeprank_plugin.converters.poses.azure_kinect import NAMES
from deeprank_plugin.layouts import find_layout

LAYOUTS = {17: 'h36m', 32: 'azure-kinect', 33: 'mediapipe'}


def walk(persons, frames, joints, dims, size=1.5, apart=None):
    """Poses of shape (M, T, V, C), of bodies of some size that drift slowly, side by side."""
    apart = 2 * size if apart is None else apart
    shape = np.random.uniform(0, size, (persons, 1, joints, dims))
    if dims == 3 and joints in LAYOUTS:  # neither upright nor upside down
        parts = 'head', 'nose', 'ear', 'ankle'  # a head may be the mean of the ears
        names = find_layout(LAYOUTS[joints]).names
        shape[:, :, [n.split('_')[-1] in parts for n in names]] = size / 2
    drift = 0.01 * size * np.random.normal(size=(persons, frames, 1, dims)).cumsum(axis=1)
    where = np.zeros((persons, 1, 1, dims))
    where[:, 0, 0, 0] = 3 * size + apart * np.arange(persons)
    return shape + drift + where


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def instance(keypoint, score=0.5, track=None):
    """A person of MMPose."""
    entry = dict(keypoints=keypoint.tolist(), keypoint_scores=[score] * len(keypoint))
    entry['bbox'] = [[0.0, 0.0, 1.0, 1.0]]
    return entry if track is None else dict(entry, track_id=track)


def mmpose(poses, tracks=None, first=0):
    """A video of MMPose's inferencer."""
    return [
        dict(
            frame_id=first + t,
            instances=[
                instance(poses[m, t], track=None if tracks is None else tracks[m])
                for m in range(len(poses))
            ],
        )
        for t in range(poses.shape[1])
    ]


def triplets(keypoint, score=0.5):
    """x, y, score of each joint in turn."""
    scores = np.where(keypoint.any(axis=1, keepdims=True), score, 0)
    return np.concatenate([keypoint, scores], axis=1).ravel().tolist()


def openpose(folder, poses, name='clip', first=0, key='pose_keypoints_2d'):
    """A folder of OpenPose."""
    for t in range(poses.shape[1]):
        people = [{'person_id': [-1], key: triplets(pose)} for pose in poses[:, t]]
        path = folder / f'{name}_{first + t:012d}_keypoints.json'
        write(path, dict(version=1.3, people=people))
    return folder


def alphapose(poses, tracks=None, image='{}.jpg'):
    """The results of AlphaPose."""
    return [
        dict(
            image_id=image.format(t),
            category_id=1,
            keypoints=triplets(poses[m, t]),
            score=2.5,
            box=[0.0, 0.0, 1.0, 1.0],
            idx=[[0.0], [0.0]] if tracks is None else [float(tracks[m])],
        )
        for t in range(poses.shape[1])
        for m in range(len(poses))
    ]


def landmarks(keypoint, visibility=0.9):
    """33 landmarks of MediaPipe; z is 0 where poses are 2D."""
    return [
        dict(x=x, y=y, z=rest[0] if rest else 0.0, visibility=visibility)
        for x, y, *rest in keypoint.tolist()
    ]


def mediapipe(poses, key='pose_world_landmarks', **about):
    """Frames of MediaPipe landmarks: several persons as lists, one person flat."""
    frames = [{'frame': t, key: [landmarks(p) for p in poses[:, t]]} for t in range(poses.shape[1])]
    if len(poses) == 1:
        frames = [dict(frame, **{key: frame[key][0]}) for frame in frames]
    return dict(about, frames=frames)


def azure(poses, ids=(1, 2, 3), fps=30):
    """A recording of the Azure Kinect's offline processor, poses in millimetres."""
    frames = [
        dict(
            frame_id=t,
            timestamp_usec=round(1000 + t * 1e6 / fps),
            num_bodies=len(poses),
            bodies=[
                dict(body_id=ids[m], joint_positions=poses[m, t].tolist())
                for m in range(len(poses))
            ],
        )
        for t in range(poses.shape[1])
    ]
    return dict(k4abt_sdk_version='1.1.2', joint_names=NAMES, bone_list=[], frames=frames)
