#!/usr/bin/env python
"""Our training pipeline against MMAction2's own and plain PyTorch.

One sequence of 300 frames and two bodies becomes a clip of 120 frames: centred, cropped, resized,
rotated, packed. MMAction2's pipeline is that of its ST-GCN++ configs, which use neither random
crops nor random rotations; the plain one repeats ours step by step on tensors, with the same random
draws and results. 'batch' is the same on whole batches (data_preprocessor.augment), on the device;
its time is per sample.

Example:
    python tools/benchmark/input_pipeline.py --profile
"""

import argparse
import cProfile
import pstats
from functools import partial
from pathlib import Path
from typing import Dict, List

import numpy as np
import torch
from common import conditions, make_parser, measure, print_table, write_json
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch.nn import functional as F

import deeprank_plugin  # noqa: F401
from deeprank_plugin.models.batch_augmentation import BatchCropResizeRotate

TITLE = 'Input pipeline: 300 frames, two bodies, to a clip of 120'
CLIP_LEN, SHARES, ANGLE, MIN_FRAMES = 120, (0.5, 1.0), 0.3, 64
PACK = dict(type='PackActionInputs', meta_keys=('sample_idx', 'frame_dir'))
OURS = [
    dict(type='CenterSkeleton'),
    dict(type='CropResize', p_interval=SHARES, clip_len=CLIP_LEN),
    dict(type='RandomRotate3D', angle=ANGLE),
    dict(type='FormatGCNInput', num_person=2),
    PACK,
]
LIGHT = [OURS[0], OURS[3], PACK]
MMACTION = [
    dict(type='PreNormalize3D'),
    dict(type='GenSkeFeat', dataset='nturgb+d', feats=['j']),
    dict(type='UniformSampleFrames', clip_len=CLIP_LEN),
    dict(type='PoseDecode'),
    dict(type='FormatGCNInput', num_person=2),
    PACK,
]


def make_sample() -> Dict:
    """A random annotation."""
    keypoint = np.random.default_rng(0).normal(size=(2, 300, 25, 3)).astype(np.float32)
    return dict(
        keypoint=keypoint, total_frames=300, label=0, frame_dir='s', sample_idx=0, start_index=0
    )


def plain(sample: Dict) -> torch.Tensor:
    """The protocol's steps on tensors, one by one: (1, M, T, V, C)."""
    x = torch.from_numpy(sample['keypoint'])
    absent = (x == 0).all(dim=-1, keepdim=True)
    for body in range(x.shape[0]):
        shown = (~absent[body, :, 1, 0]).nonzero()
        if len(shown):
            x = (x - x[body, shown[0, 0], 1]).masked_fill(absent, 0)
            break
    frames = x.shape[1]
    length = min(max(int(frames * np.random.uniform(*SHARES)), MIN_FRAMES), frames)
    start = np.random.randint(frames - length + 1)
    x = x[:, start : start + length]
    bodies, _, joints, channels = x.shape
    x = x.permute(0, 2, 3, 1).reshape(bodies, joints * channels, length)
    x = F.interpolate(x, size=CLIP_LEN, mode='linear', align_corners=False)
    x = x.view(bodies, joints, channels, CLIP_LEN).permute(0, 3, 1, 2)
    angles = torch.from_numpy(np.random.uniform(-ANGLE, ANGLE, 3)).float()
    (cx, cy, cz), (sx, sy, sz) = angles.cos(), angles.sin()
    about_x = torch.tensor([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = torch.tensor([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotation = (about_z @ about_y @ about_x).expand(CLIP_LEN, 3, 3)
    return torch.einsum('tdc,mtvc->mtvd', rotation, x)[None].contiguous()


def apply_pipeline(pipeline: Compose, sample: Dict) -> Dict:
    """Apply a pipeline to a copy of the annotation, as a data set does."""
    return pipeline(dict(sample))


def run_batch(pipeline: Compose, augment: BatchCropResizeRotate, sample: Dict, size: int) -> None:
    """Apply the light pipeline per sample, then the rest to the batch."""
    augment([apply_pipeline(pipeline, sample)['inputs'] for _ in range(size)])


def profile(pipeline: Compose, sample: Dict, number: int = 300) -> List[Dict]:
    """Profile our pipeline: own time of each function, in microseconds per sample."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(number):
        apply_pipeline(pipeline, sample)
    profiler.disable()
    stats = pstats.Stats(profiler).stats
    rows = [
        dict(function=f'{Path(file).name}:{name}', calls=calls / number, own_us=1e6 * own / number)
        for (file, _, name), (_, calls, own, _, _) in stats.items()
    ]
    return sorted(rows, key=lambda row: -row['own_us'])[:12]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = make_parser(__doc__)
    parser.add_argument('--repeats', type=int, default=200, help='(%(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='of batch (%(default)s)')
    parser.add_argument('--profile', action='store_true', help='also profile our pipeline')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = parse_args()
    torch.set_num_threads(1)  # as in a worker
    init_default_scope('mmaction')
    sample, ours, light = make_sample(), Compose(OURS), Compose(LIGHT)
    augment = BatchCropResizeRotate(SHARES, CLIP_LEN, MIN_FRAMES, ANGLE)
    np.random.seed(0)
    one = apply_pipeline(ours, sample)['inputs']
    np.random.seed(0)
    difference = float((one - plain(sample)).abs().max())
    seconds = measure(
        {
            'ours': partial(apply_pipeline, ours, sample),
            'MMAction2': partial(apply_pipeline, Compose(MMACTION), sample),
            'plain PyTorch': partial(plain, sample),
        },
        args.repeats,
    )
    batch = partial(run_batch, light, augment, sample, args.batch_size)
    seconds['batch'] = measure({'batch': batch}, max(args.repeats // 40, 1))['batch']
    seconds['batch'] /= args.batch_size
    rows = [
        dict(pipeline=name, us_per_sample=1e6 * value, ratio_to_ours=value / seconds['ours'])
        for name, value in seconds.items()
    ]
    print_table(TITLE, list(rows[0]), rows)
    print(f'largest difference between plain and ours: {difference:.2g}')
    context = dict(conditions(), batch_size=args.batch_size, difference=difference)
    write_json(args.out, TITLE, context, rows)
    if args.profile:
        rows = profile(ours, sample)
        print_table('Profile of our pipeline, microseconds per sample', list(rows[0]), rows)


if __name__ == '__main__':
    main()
