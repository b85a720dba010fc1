"""Distortion of a batch on the device against the transforms of single sequences."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from deeprank_plugin.datasets import JointMask, JointNoise, RandomShear3D, RandomSwapSides
from deeprank_plugin.layouts import find_layout
from deeprank_plugin.models import SkeletonPreprocessor
from deeprank_plugin.models.batch_distortion import BatchDistortion, DistortionParameters

NTU = find_layout('nturgb+d')


def make_clips(batch=5, joints=25):
    clips = np.random.default_rng(0).normal(size=(batch, 2, 6, joints, 3)).astype(np.float32)
    clips[0, 1] = 0  # an absent body
    return clips


def test_equals_the_transforms():
    clips = make_clips()
    steps = [RandomSwapSides(0.5), RandomShear3D(0.5), JointNoise(0.1), JointMask(0.3)]
    draws, expected = [], []
    for seed, clip in enumerate(clips):
        np.random.seed(seed)  # what the transforms will draw
        swapped = np.random.uniform() < 0.5
        shear = np.random.uniform(-0.5, 0.5, (3, 3))
        np.fill_diagonal(shear, 1)
        noise = np.random.normal(scale=0.1, size=clip.shape)[None]
        draws.append((swapped, shear, noise, np.random.uniform(size=25) >= 0.3))
        np.random.seed(seed)
        results = dict(keypoint=clip.copy())
        for step in steps:
            results = step(results)
        expected.append(results['keypoint'])
    assert 0 < sum(swapped for swapped, *_ in draws) < len(draws)
    draws = DistortionParameters(*(torch.tensor(np.array(part)) for part in zip(*draws)))
    distort = BatchDistortion(NTU, shear=0.5, noise=0.1, mask=0.3, swap=0.5)
    found = distort.apply(torch.from_numpy(clips)[:, None], draws)
    np.testing.assert_allclose(found[:, 0].numpy(), np.stack(expected), atol=2e-6)
    assert not found[0, 0, 1].any()  # absent stays exactly zero


def test_draws_have_the_transforms_distribution():
    torch.manual_seed(0)
    distort = BatchDistortion(NTU, shear=0.5, noise=0.01, mask=0.15, swap=0.25)
    draws = distort.sample_parameters((2000, 1, 1, 2, 25, 3))
    beside = draws.shears[:, ~torch.eye(3, dtype=torch.bool)]
    assert (draws.shears.diagonal(dim1=1, dim2=2) == 1).all() and beside.abs().max() <= 0.5
    assert beside.mean().abs() < 0.02 and abs(beside.std() - 0.5 / 3**0.5) < 0.01
    assert abs(draws.noise.std() - 0.01) < 1e-3 and draws.noise.shape == (2000, 1, 1, 2, 25, 3)
    assert abs(draws.kept.float().mean() - 0.85) < 0.01
    assert abs(draws.swapped.float().mean() - 0.25) < 0.05


def test_nothing_is_the_default():
    clips = torch.from_numpy(make_clips())[:, None]
    assert torch.equal(BatchDistortion(NTU)(clips), clips)


def test_scores_of_2d_poses_get_no_noise():
    clips = torch.ones(2, 1, 1, 3, 17, 3)
    found = BatchDistortion(find_layout('coco'), noise=0.1)(clips)
    assert (found[..., 2] == 1).all() and (found[..., :2] != 1).all()
    with pytest.raises(ValueError, match="shear=0.5 for layout 'coco', which is 2D.*shear=0"):
        BatchDistortion(find_layout('coco'), shear=0.5)


@pytest.mark.parametrize('layout', ['coco', 'openpose'])
@pytest.mark.parametrize('distort', [None, dict(noise=0.1, mask=0.1)])
def test_2d_poses_without_scores(layout, distort):
    """Neither rotated nor sheared, they need no third channel; noise has as many as they have."""
    augment = dict(clip_len=12, min_frames=4, angle=0.0, plain=0.95)
    if distort:
        augment['distort'] = distort
    preprocessor = SkeletonPreprocessor(['joint', 'bone'], layout, augment)
    samples = [ActionDataSample(metainfo=dict(frame_dir=name)) for name in 'ab']
    joints = preprocessor.num_joints
    inputs = [torch.ones(1, 2, frames, joints, 2) for frames in (9, 30)]
    joint = preprocessor(dict(inputs=inputs, data_samples=samples), True)['inputs']['joint']
    assert joint.shape == (2, 2, 2, 12, joints, 2)
    assert (joint[:, 1] == 1).all() and bool((joint[:, 0] != 1).any()) == (distort is not None)
    mixed = [inputs[0], torch.ones(1, 2, 9, joints, 3)]
    with pytest.raises(ValueError, match=r"'b' .*= \(1, 2, 3\); expected \(1, 2, 2\)"):
        preprocessor(dict(inputs=mixed, data_samples=samples), True)
    rotating = SkeletonPreprocessor(layout='nturgb+d', augment=dict(clip_len=12))
    flat = dict(inputs=[torch.ones(1, 2, 9, 25, 2)], data_samples=samples[:1])
    with pytest.raises(ValueError, match=r"'a' .*expected \(1, 2, 3\).*augment.angle=0"):
        rotating(flat, True)


def test_rejected_arguments():
    for wrong in (dict(shear=-1), dict(noise=-1), dict(mask=1), dict(swap=1.5)):
        with pytest.raises(ValueError, match='must be at least 0|at least 0, mask='):
            BatchDistortion(NTU, **wrong)


def test_the_preprocessor_makes_two_strong_views():
    augment = dict(clip_len=24, clips=2, distort=dict(mask=0.15))
    preprocessor = SkeletonPreprocessor(augment=augment)
    samples = [ActionDataSample(metainfo=dict(frame_dir='a')) for _ in range(3)]
    batch = dict(inputs=[torch.ones(1, 2, 30, 25, 3)] * 3, data_samples=samples)
    torch.manual_seed(0)
    found = preprocessor(batch, training=True)['inputs']
    assert found.shape == (3, 2, 2, 24, 25, 3)
    masked = (found == 0).all(dim=(2, 3, 5))  # (B, views, V)
    assert masked.any() and not torch.equal(masked[:, 0], masked[:, 1])
    plain = preprocessor(batch)['inputs']  # labels come from this one
    assert plain.shape == (3, 1, 2, 30, 25, 3) and (plain == 1).all()
