"""CenterSkeleton, CropResize and RandomRotate3D against plain loops, PyTorch and SciPy."""

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from scipy.spatial.transform import Rotation

from deeprank_plugin.datasets import CenterSkeleton, CropResize, RandomRotate3D


def sequence(frames=30, bodies=2, joints=25, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(bodies, frames, joints, channels)).astype(np.float32) + 3


def with_absent(frames=30):
    """Two bodies: joints and frames of either are missing."""
    keypoint = sequence(frames)
    keypoint[0, : frames // 3] = 0
    keypoint[0, :, 11] = 0
    keypoint[1, frames // 2 :] = 0
    keypoint[1, :, 4] = 0
    return keypoint


def center_by_loop(keypoint, joint=1):
    origin = None
    for body in keypoint:
        for frame in body:
            if origin is None and frame[joint].any():
                origin = frame[joint].copy()
    result = np.zeros_like(keypoint)
    for index in np.ndindex(keypoint.shape[:3]):
        if keypoint[index].any():
            result[index] = keypoint[index] - (0 if origin is None else origin)
    return result


@pytest.mark.parametrize('make', [sequence, with_absent])
@pytest.mark.parametrize('frames', [1, 7, 30])
def test_center_equals_a_loop(make, frames):
    keypoint = make(frames)
    before = keypoint.copy()
    centred = CenterSkeleton()(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(centred, center_by_loop(before), atol=1e-6)
    np.testing.assert_array_equal(keypoint, before)
    assert centred.dtype == np.float32
    absent = ~before.any(axis=-1)
    assert not centred[absent].any()


def test_center_without_the_joint_uses_the_next_body_or_nothing():
    keypoint = sequence()
    keypoint[0, :, 1] = 0
    centred = CenterSkeleton()(dict(keypoint=keypoint))['keypoint']
    np.testing.assert_allclose(centred[1, 0, 1], 0, atol=1e-6)
    keypoint[1, :, 1] = 0
    np.testing.assert_array_equal(CenterSkeleton()(dict(keypoint=keypoint))['keypoint'], keypoint)


def resize_by_torch(keypoint, clip_len):
    bodies, frames, joints, channels = keypoint.shape
    flat = torch.from_numpy(keypoint).permute(0, 2, 3, 1).reshape(bodies, -1, frames)
    resized = torch.nn.functional.interpolate(flat, clip_len, mode='linear', align_corners=False)
    return resized.view(bodies, joints, channels, clip_len).permute(0, 3, 1, 2).numpy()


@pytest.mark.parametrize('clip_len', [1, 48, 120])
@pytest.mark.parametrize('frames', [1, 2, 47, 48, 119, 300])
def test_resize_equals_torch(frames, clip_len):
    keypoint = with_absent(frames) if frames > 2 else sequence(frames)
    transform = CropResize(p_interval=(1.0,), clip_len=clip_len)
    results = transform(dict(keypoint=keypoint.copy(), keypoint_score=keypoint[..., 0].copy()))
    assert results['keypoint'].dtype == np.float32
    np.testing.assert_allclose(results['keypoint'], resize_by_torch(keypoint, clip_len), atol=1e-4)
    np.testing.assert_allclose(
        results['keypoint_score'], resize_by_torch(keypoint[..., :1], clip_len)[..., 0], atol=1e-4
    )
    assert results['total_frames'] == results['clip_len'] == clip_len
    assert results['num_clips'] == 1
    if frames > 2:
        assert not results['keypoint'][0, :, 11].any()
        assert not results['keypoint'][1, :, 4].any()


@pytest.mark.parametrize('frames', [1, 5, 63, 100])
def test_test_crop_is_the_middle(frames):
    cut = int(0.05 * frames / 2)
    keypoint = sequence(frames)
    expected = resize_by_torch(keypoint[:, cut : frames - cut], 60)
    results = CropResize(p_interval=(0.95,), clip_len=60)(dict(keypoint=keypoint))
    np.testing.assert_allclose(results['keypoint'], expected, atol=1e-4)


@pytest.mark.parametrize('frames', [1, 40, 64, 65, 100, 200])
def test_random_crop_follows_its_formula(frames):
    """A ramp over time shows by its ends which frames were taken."""
    ramp = np.broadcast_to(np.arange(1.0, frames + 1)[None, :, None, None], (1, frames, 1, 3))
    transform = CropResize(p_interval=(0.5, 1.0), clip_len=997)
    starts, lengths = [], []
    np.random.seed(0)
    for _ in range(400):
        clip = transform(dict(keypoint=ramp.astype(np.float32)))['keypoint'][0, :, 0, 0]
        starts.append(round(float(clip.min())) - 1)
        lengths.append(round(float(clip.max())) - starts[-1])
    starts, lengths = np.array(starts), np.array(lengths)
    assert lengths.min() >= min(64, frames) and lengths.max() <= frames
    assert (starts >= 0).all() and (starts + lengths <= frames).all()
    if frames > 64:
        assert lengths.max() >= 0.97 * frames
        assert lengths.min() == max(64, frames // 2) or lengths.min() <= 1.04 * max(64, frames / 2)
        assert starts.min() == 0 and (starts + lengths).max() == frames
    if frames == 200:  # L = floor(200 p), p ~ U(0.5, 1): mean 150, standard deviation 29
        assert abs(lengths.mean() - 149.5) < 6 and abs(lengths.std() - 28.9) < 4


def test_rotation_is_rz_ry_rx(monkeypatch):
    angles = np.array([0.1, -0.2, 0.3])
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, size: angles)
    keypoint = with_absent()
    rotated = RandomRotate3D()(dict(keypoint=keypoint))['keypoint']
    # extrinsic x, y, z is Rz Ry Rx
    expected = Rotation.from_euler('xyz', angles).apply(keypoint.reshape(-1, 3))
    np.testing.assert_allclose(rotated.reshape(-1, 3), expected, atol=1e-5)
    assert not rotated[~keypoint.any(axis=-1)].any()
    assert rotated.dtype == np.float32


def test_rotation_angles_cover_their_range():
    found = []
    np.random.seed(0)
    for _ in range(300):
        axes = np.eye(3, dtype=np.float32)[None, None]
        rotated = RandomRotate3D(0.3)(dict(keypoint=axes))['keypoint'][0, 0]
        found.append(Rotation.from_matrix(rotated.T).as_euler('xyz'))
    found = np.array(found)
    assert (np.abs(found) <= 0.3001).all()
    assert (found.max(axis=0) > 0.28).all() and (found.min(axis=0) < -0.28).all()
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.2


def test_2d_data_cannot_be_rotated():
    with pytest.raises(ValueError, match="'s1' has 2 coordinates.*drop it"):
        RandomRotate3D()(dict(keypoint=sequence(channels=2), frame_dir='s1'))


@pytest.mark.parametrize('frames', [1, 64, 300])
@pytest.mark.parametrize('bodies', [1, 2])
def test_whole_pipeline_with_the_toolbox(frames, bodies):
    pipeline = Compose(
        [
            dict(type='CenterSkeleton'),
            dict(type='CropResize', clip_len=24),
            dict(type='RandomRotate3D'),
            dict(type='FormatGCNInput', num_person=2),
            dict(type='PackActionInputs', meta_keys=('frame_dir', 'sample_idx')),
        ]
    )
    keypoint = sequence(frames, bodies)
    keypoint[:, :, 20] = 0
    packed = pipeline(dict(keypoint=keypoint, label=3, frame_dir='s1', sample_idx=5))
    assert packed['inputs'].shape == (1, 2, 24, 25, 3)
    assert packed['inputs'].dtype == torch.float32
    assert not packed['inputs'][:, bodies:].any()
    assert not packed['inputs'][..., 20, :].any()
    assert packed['inputs'][:, :bodies, :, :20].any()
    assert packed['data_samples'].sample_idx == 5
    assert packed['data_samples'].frame_dir == 's1'


@pytest.mark.parametrize(
    'config, text',
    [
        (dict(type='CenterSkeleton', joint=0), 'CenterSkeleton(joint=0)'),
        (
            dict(type='CropResize', p_interval=(0.95,)),
            'CropResize(p_interval=(0.95,), clip_len=120, min_frames=64)',
        ),
        (dict(type='RandomRotate3D', angle=0.2), 'RandomRotate3D(angle=0.2)'),
    ],
)
def test_repr(config, text):
    assert repr(TRANSFORMS.build(config)) == text


@pytest.mark.parametrize(
    'make',
    [
        lambda: CropResize(p_interval=(0.5, 1.5)),
        lambda: CropResize(p_interval=(0.9, 0.5)),
        lambda: CropResize(p_interval=()),
        lambda: CropResize(clip_len=0),
        lambda: RandomRotate3D(-1),
    ],
)
def test_bad_arguments(make):
    with pytest.raises((ValueError, IndexError)):
        make()
