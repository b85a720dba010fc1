"""Augmentation of a batch against the transforms of single sequences, given the same draws."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from torch.utils._python_dispatch import TorchDispatchMode

from deeprank_plugin.datasets.transforms import CropResize, RandomRotate3D
from deeprank_plugin.models import SkeletonPreprocessor
from deeprank_plugin.models.batch_augmentation import AugmentationParameters, BatchCropResizeRotate

FRAMES = (300, 64, 63, 1, 2, 65, 120, 7)


def make_sequences(dtype=np.float32):
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(2, frames, 25, 3)).astype(dtype) for frames in FRAMES]
    sequences[0][1] = 0  # an absent body
    return sequences


def draw_as_the_transforms(frames, clip_len, min_frames):
    """What CropResize and RandomRotate3D would draw next from NumPy's generator."""
    share = np.random.uniform(0.5, 1.0)
    length = min(max(int(frames * share), min_frames), frames)
    return np.random.randint(frames - length + 1), length, np.random.uniform(-0.3, 0.3, 3)


@pytest.mark.parametrize('clip_len, min_frames', [(120, 64), (24, 64), (48, 1), (1, 1), (300, 64)])
def test_equals_the_transforms(clip_len, min_frames):
    sequences = make_sequences()
    crop, rotate = CropResize((0.5, 1.0), clip_len, min_frames), RandomRotate3D(0.3)
    expected, draws = [], []
    for seed, sequence in enumerate(sequences):
        np.random.seed(seed)
        draws.append(draw_as_the_transforms(sequence.shape[1], clip_len, min_frames))
        np.random.seed(seed)
        expected.append(rotate(crop(dict(keypoint=sequence)))['keypoint'])
    starts, lengths, angles = (torch.tensor(np.array(part)) for part in zip(*draws))
    augment = BatchCropResizeRotate((0.5, 1.0), clip_len, min_frames)
    inputs = [torch.from_numpy(sequence)[None] for sequence in sequences]
    found = augment.apply(inputs, AugmentationParameters(starts, lengths, angles))
    assert found.shape == (len(FRAMES), 1, 2, clip_len, 25, 3) and found.dtype == torch.float32
    np.testing.assert_allclose(found[:, 0].numpy(), np.stack(expected), rtol=1e-5, atol=2e-6)
    assert not found[0, 0, 1].any()  # absent stays exactly zero


def test_minimum_as_a_share_of_the_clip():
    augment = BatchCropResizeRotate(clip_len=24, min_share=64 / 120)
    assert augment.min_frames == CropResize(clip_len=24, min_share=64 / 120).min_frames == 13
    lengths = augment.sample_parameters([20] * 500).lengths
    assert lengths.min() == 13 and lengths.max() == 19
    with pytest.raises(ValueError, match='both given'):
        BatchCropResizeRotate(min_frames=9, min_share=0.5)


def test_in_double_precision_against_a_loop():
    sequences = make_sequences(np.float64)
    augment = BatchCropResizeRotate(clip_len=10)
    draws = augment.sample_parameters(FRAMES)
    found = augment.apply([torch.from_numpy(s)[None] for s in sequences], draws)
    for row, sequence in enumerate(sequences):
        start, length = int(draws.starts[row]), int(draws.lengths[row])
        cx, cy, cz = np.cos(draws.angles[row].numpy())
        sx, sy, sz = np.sin(draws.angles[row].numpy())
        for frame in range(10):
            place = min(max((frame + 0.5) * length / 10 - 0.5, 0), length - 1)
            low = int(place)
            high = min(low + 1, length - 1)
            joints = sequence[:, start + low] * (1 - (place - low))
            joints = joints + sequence[:, start + high] * (place - low)
            x, y, z = np.moveaxis(joints, -1, 0)
            y, z = cx * y - sx * z, sx * y + cx * z
            x, z = cy * x + sy * z, -sy * x + cy * z
            x, y = cz * x - sz * y, sz * x + cz * y
            expected = np.stack([x, y, z], -1)
            np.testing.assert_allclose(found[row, 0, :, frame].numpy(), expected, atol=1e-12)


def test_draws_have_the_transforms_distribution():
    augment = BatchCropResizeRotate()
    torch.manual_seed(0)
    np.random.seed(0)
    number = 20000
    for frames in (300, 100):
        draws = augment.sample_parameters([frames] * number)
        others = [draw_as_the_transforms(frames, 120, 64) for _ in range(number)]
        starts, lengths, angles = (np.array(part) for part in zip(*others))
        for ours, theirs, tolerance in (
            (draws.lengths, lengths, 0.01 * frames),
            (draws.starts, starts, 0.01 * frames),
            (draws.angles, angles, 0.01),
        ):
            for share in (0, 0.1, 0.5, 0.9, 1):
                difference = np.quantile(ours.numpy(), share) - np.quantile(theirs, share)
                assert abs(difference) <= tolerance, (frames, share)
        assert int((draws.starts + draws.lengths).max()) <= frames and int(draws.starts.min()) == 0
    short = augment.sample_parameters([5, 64])
    assert short.lengths.tolist() == [5, 64] and short.starts.tolist() == [0, 0]


def batch(sequences):
    samples = [ActionDataSample(metainfo=dict(frame_dir=f's{i}')) for i in range(len(sequences))]
    return dict(inputs=[torch.from_numpy(s)[None] for s in sequences], data_samples=samples)


def test_the_preprocessor_augments_in_training_alone():
    augment = dict(clip_len=24)
    preprocessor = SkeletonPreprocessor(['joint', 'motion'], augment=augment)
    torch.manual_seed(3)
    first = preprocessor(batch(make_sequences()), training=True)['inputs']
    torch.manual_seed(3)
    second = preprocessor(batch(make_sequences()), training=True)['inputs']
    third = preprocessor(batch(make_sequences()), training=True)['inputs']
    assert first['joint'].shape == (len(FRAMES), 1, 2, 24, 25, 3)
    assert torch.equal(first['motion'], second['motion'])
    assert not torch.equal(first['joint'], third['joint'])
    torch.testing.assert_close(  # motion is taken after the resize
        first['motion'][..., :-1, :, :], first['joint'].diff(dim=3)
    )
    same = np.zeros((2, 24, 25, 3), np.float32) + 1
    assert torch.equal(
        preprocessor(batch([same]))['inputs']['joint'], torch.ones(1, 1, 2, 24, 25, 3)
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision_rounds_nothing(dtype):
    preprocessor = SkeletonPreprocessor(['joint', 'bone', 'motion'], augment=dict(clip_len=24))
    torch.manual_seed(3)
    expected = preprocessor(batch(make_sequences()), training=True)['inputs']
    torch.manual_seed(3)
    with torch.autocast('cpu', dtype):
        found = preprocessor(batch(make_sequences()), training=True)['inputs']
    for modality, tensor in found.items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, expected[modality])


def test_no_matrix_product_that_tf32_may_shorten():
    class Products(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            if function.__name__.split('.')[0] in ('mm', 'bmm', 'addmm', 'baddbmm'):
                assert tensors[0].dtype == torch.float64  # the host's, of the angles
            return function(*args, **(kwargs or {}))

    with Products():
        SkeletonPreprocessor(augment=dict())(batch(make_sequences()), training=True)


def test_2d_data_are_cropped_and_never_rotated():
    with pytest.raises(ValueError, match="up to 0.3 rad .* layout 'coco' is 2D.*augment.angle=0"):
        SkeletonPreprocessor(layout='coco', augment=dict())
    sequence = np.random.default_rng(0).normal(size=(2, 40, 17, 3)).astype(np.float32)
    sequence[..., 2] = 0.5
    preprocessor = SkeletonPreprocessor(layout='coco', augment=dict(angle=0, clip_len=12))
    found = preprocessor(batch([sequence]), training=True)['inputs']
    assert found.shape == (1, 1, 2, 12, 17, 3) and (found[..., 2] == 0.5).all()


def test_what_cannot_be_augmented():
    preprocessor = SkeletonPreprocessor(augment=dict())
    data = batch([np.zeros((2, 9, 25, 3), np.float32), np.zeros((1, 9, 25, 3), np.float32)])
    with pytest.raises(ValueError, match=r"sample 's1' .* = \(1, 1, 3\); expected \(1, 2, 3\)"):
        preprocessor(data, training=True)
    for wrong in (dict(p_interval=(0.9,)), dict(clip_len=0), dict(angle=-1)):
        with pytest.raises(ValueError, match='must be'):
            SkeletonPreprocessor(augment=wrong)


def test_the_plain_view_is_the_last_clip():
    sequences = make_sequences()
    crop = CropResize((0.95,), 24)
    expected = np.stack([crop(dict(keypoint=sequence))['keypoint'] for sequence in sequences])
    preprocessor = SkeletonPreprocessor(augment=dict(clip_len=24, clips=2, plain=0.95))
    torch.manual_seed(1)
    found = preprocessor(batch(sequences), training=True)['inputs']
    assert found.shape[:2] == (len(FRAMES), 3)
    np.testing.assert_allclose(found[:, 2].numpy(), expected, rtol=1e-5, atol=2e-6)
    without = SkeletonPreprocessor(augment=dict(clip_len=24, clips=2))
    torch.manual_seed(1)
    assert torch.equal(found[:, :2], without(batch(sequences), training=True)['inputs'])
    with pytest.raises(ValueError, match='augment.plain=1.5'):
        SkeletonPreprocessor(augment=dict(plain=1.5))
