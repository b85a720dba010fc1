"""Bone and motion against MMAction2's transforms."""

import json

import numpy as np
import pytest
import torch
from mmaction.datasets.transforms import JointToBone, ToMotion
from mmaction.structures import ActionDataSample

from deeprank_plugin.models import SkeletonPreprocessor

JOINTS = {'nturgb+d': 25, 'openpose': 18, 'coco': 17}


def batch(layout, channels, frames=7):
    shape = (3, 1, 2, frames, JOINTS[layout], channels)
    sequences = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    samples = [ActionDataSample(metainfo=dict(frame_dir=f's{i}')) for i in range(3)]
    return sequences, dict(inputs=list(torch.from_numpy(sequences)), data_samples=samples)


@pytest.mark.parametrize('frames', [1, 7])
@pytest.mark.parametrize('channels', [2, 3])
@pytest.mark.parametrize('layout', list(JOINTS))
@pytest.mark.parametrize('modality', ['joint', 'bone', 'motion'])
def test_equals_mmaction2(modality, layout, channels, frames):
    sequences, data = batch(layout, channels, frames)
    output = SkeletonPreprocessor(modality, layout)(data)['inputs']
    for ours, sequence in zip(output, sequences):
        results = dict(keypoint=sequence[0])
        if modality == 'bone':
            expected = JointToBone(layout)(results)['keypoint']
        elif modality == 'motion':
            expected = ToMotion(layout)(results)['motion']
        else:
            expected = sequence[0]
        np.testing.assert_array_equal(ours[0].numpy(), expected)


def test_a_list_gives_a_dict():
    _, data = batch('coco', 3)
    both = SkeletonPreprocessor(['motion', 'joint'], 'coco')(dict(data))['inputs']
    assert list(both) == ['motion', 'joint']
    for modality, tensor in both.items():
        alone = SkeletonPreprocessor(modality, 'coco')(dict(data))['inputs']
        assert torch.equal(tensor, alone)


def test_custom_layout_by_hand():
    layout = dict(num_joints=3, pairs=[(0, 0), (2, 1), (1, 0)])
    joints = torch.tensor([[1.0, 1], [2, 4], [5, 9]]).view(1, 1, 1, 3, 2)
    data = dict(inputs=[joints], data_samples=[ActionDataSample()])
    bone = SkeletonPreprocessor('bone', layout)(data)['inputs']
    assert bone.flatten(0, 3).tolist() == [[[0, 0], [1, 3], [3, 5]]]


def test_layout_from_a_file(tmp_path):
    """The same chain as a file; with "dims": 2 the third channel is a score and is averaged."""
    path = tmp_path / 'chain.json'
    content = dict(num_node=3, edges=[[0, 1], [1, 2]], center=0)
    joints = torch.tensor([[1.0, 1, 0], [2, 4, 1], [5, 9, 0]]).view(1, 1, 1, 3, 3)
    data = dict(inputs=[joints], data_samples=[ActionDataSample()])
    for dims, scores in ((None, [0, 1, -1]), (2, [0, 0.5, 0.5])):
        path.write_text(json.dumps(content if dims is None else dict(content, dims=dims)))
        preprocessor = SkeletonPreprocessor('bone', str(path))
        assert preprocessor.layout.name == 'chain.json'
        bone = preprocessor(data)['inputs'].flatten(0, 3)
        assert bone[..., :2].tolist() == [[[0, 0], [1, 3], [3, 5]]]
        assert bone[0, :, 2].tolist() == scores


def test_other_number_of_joints_names_the_sample():
    _, data = batch('coco', 3)
    with pytest.raises(ValueError, match="'s0'.*25, C.*layout"):
        SkeletonPreprocessor()(data)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(modality='speed'), 'not known'),
        (dict(modality=[]), 'not known'),
        (dict(modality=['joint', 'joint']), 'different'),
        (dict(layout='kinect'), 'not known'),
        (dict(layout=dict(num_joints=2)), 'num_joints and pairs'),
        (dict(layout=dict(num_joints=2, pairs=[(0, 0)])), 'one .joint, parent. pair'),
        (dict(layout=dict(num_joints=2, pairs=[(0, 0), (1, 2)])), 'one .joint, parent. pair'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SkeletonPreprocessor(**kwargs)
