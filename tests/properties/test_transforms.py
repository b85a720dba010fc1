"""Whatever the shape, length, absent bodies and layout of a sequence."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmaction.datasets.transforms import FormatGCNInput
from mmaction.structures import ActionDataSample

from deeprank_plugin.datasets import (
    CenterSkeleton,
    CropResize,
    RandomRotate3D,
    RandomShear3D,
    TwoViews,
)
from deeprank_plugin.models.data_preprocessor import SkeletonPreprocessor

seeds = st.integers(0, 2**32 - 1)
THREE, JOINTS = st.just(3), st.integers(2, 26)


@st.composite
def sequences(draw, channels=THREE, joints=JOINTS):
    """Coordinates (M, T, V, C) with bodies, frames and joints that are absent."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 90)), draw(joints), draw(channels))
    rng = np.random.default_rng(draw(seeds))
    scale = draw(st.sampled_from([0.01, 1.0, 1000.0]))
    keypoint = (rng.normal(size=shape) * scale + rng.normal(size=shape[3]) * scale).astype('f4')
    share = draw(st.sampled_from([0.0, 0.3, 0.9]))
    keypoint[rng.random(shape[:3]) < share] = 0
    for body in range(shape[0]):
        if draw(st.booleans()):
            begin, end = sorted(rng.integers(0, shape[1] + 1, 2))
            keypoint[body, begin:end] = 0
        if body and draw(st.booleans()):
            keypoint[body] = 0
    return keypoint


def absent(keypoint):
    return ~keypoint.any(axis=-1)


@given(sequences(channels=st.sampled_from([2, 3])), st.data())
def test_centring_moves_all_that_is_there_by_the_same(keypoint, data):
    joint = data.draw(st.integers(0, keypoint.shape[2] - 1))
    before = keypoint.copy()
    centred = CenterSkeleton(joint)(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_array_equal(keypoint, before)
    assert centred.shape == before.shape and not centred[absent(before)].any()
    there = ~absent(before)
    if there.any():
        moved = (before - centred)[there]
        tolerance = 1e-5 * np.abs(before).max()
        np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=tolerance)
    if there[:, :, joint].any():  # one of the places where the joint is has become the origin
        assert (~centred[:, :, joint][there[:, :, joint]].any(axis=-1)).any()
    else:
        np.testing.assert_array_equal(centred, before)


@given(
    sequences(channels=st.sampled_from([2, 3])),
    st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted) | st.tuples(st.floats(0.01, 1)),
    st.integers(1, 130),
    st.integers(1, 100),
    seeds,
)
def test_crop_and_resize_stay_within_the_sequence(keypoint, interval, clip_len, least, seed):
    np.random.seed(seed)
    score = keypoint[..., 0].copy()
    results = CropResize(interval, clip_len, least)(dict(keypoint=keypoint, keypoint_score=score))
    clip = results['keypoint']
    bodies, _, joints, channels = keypoint.shape
    assert clip.shape == (bodies, clip_len, joints, channels) and clip.dtype == np.float32
    assert results['total_frames'] == clip_len
    np.testing.assert_array_equal(results['keypoint_score'], clip[..., 0])  # the same frames
    room = 1e-5 * np.abs(keypoint).max()
    assert (clip >= keypoint.min(axis=1, keepdims=True) - room).all()
    assert (clip <= keypoint.max(axis=1, keepdims=True) + room).all()
    never = absent(keypoint).all(axis=1)  # (M, V)
    assert not clip.swapaxes(1, 2)[never].any()


@given(st.integers(1, 400), st.integers(1, 130), seeds)
def test_time_runs_forward_after_a_resize(frames, clip_len, seed):
    np.random.seed(seed)
    ramp = np.arange(1, frames + 1, dtype=np.float32)[None, :, None, None]
    clip = CropResize(clip_len=clip_len)(dict(keypoint=ramp))['keypoint'].ravel()
    assert (np.diff(clip) >= 0).all() and clip[0] >= 1 and clip[-1] <= frames


@given(sequences(), st.floats(0, np.pi), seeds)
def test_a_rotation_keeps_lengths_and_zeros(keypoint, angle, seed):
    np.random.seed(seed)
    turned = RandomRotate3D(angle)(dict(keypoint=keypoint.copy()))['keypoint']
    np.testing.assert_array_equal(absent(turned), absent(keypoint))
    lengths = [np.linalg.norm(k.reshape(-1, 3)[:40, None] - k.reshape(-1, 3)[:40], axis=-1) for k in
               (keypoint.astype('f8'), turned.astype('f8'))]  # fmt: skip
    np.testing.assert_allclose(*lengths, rtol=1e-4, atol=1e-5 * np.abs(keypoint).max())


@given(sequences(), st.floats(0, 2), seeds)
def test_a_shear_is_linear(keypoint, beta, seed):
    def shear(coordinates):
        np.random.seed(seed)
        return RandomShear3D(beta)(dict(keypoint=coordinates))['keypoint']

    sheared = shear(keypoint.copy())
    assert not sheared[absent(keypoint)].any()
    np.testing.assert_array_equal(shear(2 * keypoint), 2 * sheared)
    eye = shear(np.eye(3, dtype=np.float32)[None, None])[0, 0].T  # the matrix
    assert (np.diag(eye) == 1).all() and np.abs(eye - np.eye(3)).max() <= beta + 1e-6
    expected = keypoint.reshape(-1, 3).astype('f8') @ eye.T.astype('f8')
    np.testing.assert_allclose(
        sheared.reshape(-1, 3), expected, rtol=1e-4, atol=1e-5 * max(np.abs(keypoint).max(), 1e-9)
    )


LAYOUTS = dict(openpose=18, coco=17)
LAYOUTS['nturgb+d'] = 25


@st.composite
def layouts(draw):
    """A layout's name or a tree of one's own, with its number of joints."""
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(LAYOUTS)))
        return name, LAYOUTS[name]
    number = draw(st.integers(2, 12))
    pairs = [(joint, draw(st.integers(0, max(joint - 1, 0)))) for joint in range(number)]
    return dict(num_joints=number, pairs=draw(st.permutations(pairs))), number


@given(layouts(), st.data(), st.booleans(), seeds)
def test_the_whole_pipeline(layout, data, two_views, seed):
    """Shapes, absent bodies and the sums of bones and motions, from file to encoder."""
    layout, joints = layout
    keypoint = data.draw(sequences(joints=st.just(joints)))
    persons, clip_len = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 30))
    np.random.seed(seed)
    results = CenterSkeleton(0)(dict(keypoint=keypoint, total_frames=keypoint.shape[1]))
    crop = dict(type='CropResize', clip_len=clip_len)
    results = (TwoViews([crop]) if two_views else CropResize(clip_len=clip_len))(results)
    packed = torch.from_numpy(FormatGCNInput(num_person=persons)(results)['keypoint'])
    clips = 2 if two_views else 1
    assert packed.shape == (clips, persons, clip_len, joints, 3)
    samples = [ActionDataSample(metainfo=dict(frame_dir='s'))]
    preprocessor = SkeletonPreprocessor(['joint', 'bone', 'motion'], layout)
    inputs = preprocessor.preprocess([packed], samples)[0]
    assert all(part.shape == (1, *packed.shape) for part in inputs.values())
    assert all(part.isfinite().all() for part in inputs.values())
    gone = (packed == 0).all(dim=(2, 3, 4))  # (clips, persons)
    for part in inputs.values():
        assert not part[0][gone].any()
    assert gone[:, keypoint.shape[0] :].all()
    channels = slice(0, 2 if preprocessor.has_score else 3)  # the third is the score
    joint, bone, motion = (inputs[m][0][..., channels].double() for m in inputs)
    room = 1e-4 * float(packed.abs().max())
    walked = joint[:, :, :1] + motion.cumsum(dim=2)[:, :, :-1]
    torch.testing.assert_close(walked, joint[:, :, 1:], rtol=1e-4, atol=room)
    assert not motion[:, :, -1].any()
    rebuilt = bone + joint[..., preprocessor.parents, :]
    torch.testing.assert_close(rebuilt, joint, rtol=1e-4, atol=room)
