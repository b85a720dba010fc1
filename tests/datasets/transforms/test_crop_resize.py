"""CropResize against PyTorch's interpolation and its own formula."""

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS

from deeprank_plugin.datasets import CropResize
from tests.datasets.transforms.sequences import sequence, with_absent


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


def test_repr():
    text = 'CropResize(p_interval=(0.95,), clip_len=120, min_frames=64)'
    assert repr(TRANSFORMS.build(dict(type='CropResize', p_interval=(0.95,)))) == text


@pytest.mark.parametrize(
    'settings',
    [
        dict(p_interval=(0.5, 1.5)),
        dict(p_interval=(0.9, 0.5)),
        dict(p_interval=()),
        dict(clip_len=0),
    ],
)
def test_bad_arguments(settings):
    with pytest.raises((ValueError, IndexError)):
        CropResize(**settings)


def test_minimum_as_a_share_of_the_clip():
    found = [CropResize(clip_len=t, min_share=64 / 120).min_frames for t in (1, 24, 48, 120, 240)]
    assert found == [1, 13, 26, 64, 128]  # the paper's 64 of 120, at any length
    assert CropResize(clip_len=24).min_frames == 64
    ramp = np.arange(1.0, 41)[None, :, None, None].repeat(3, -1).astype(np.float32)
    np.random.seed(0)
    crop = CropResize(clip_len=997, min_share=25 / 997)
    clips = [crop(dict(keypoint=ramp))['keypoint'][0, :, 0, 0] for _ in range(100)]
    lengths = [round(float(clip.max() - clip.min())) + 1 for clip in clips]
    assert min(lengths) == 25 and 38 <= max(lengths) <= 40


def test_minimum_is_rejected():
    with pytest.raises(ValueError, match='min_frames=9 and min_share=0.5 are both given'):
        CropResize(min_frames=9, min_share=0.5)
    for share in (0, 1.2):
        with pytest.raises(ValueError, match=f'min_share={share} must be within'):
            CropResize(min_share=share)
    with pytest.raises(ValueError, match='min_frames=0 must be positive'):
        CropResize(min_frames=0)
