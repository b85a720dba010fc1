"""The transforms together, with those of MMAction2."""

import pytest
import torch
from mmengine.dataset import Compose

from tests.datasets.transforms.sequences import sequence


@pytest.mark.parametrize('frames', [1, 64, 300])
@pytest.mark.parametrize('bodies', [1, 2])
def test_whole_pipeline_with_mmaction2(frames, bodies):
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
