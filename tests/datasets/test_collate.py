"""Batches of few tensors: the samples and sequences that a list would hold."""

import pickle
import warnings

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.fileio import file_client
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from deeprank_plugin import compat
from deeprank_plugin.datasets import SampleBatch, stack_samples
from deeprank_plugin.datasets.collate import SequenceBatch, join_samples, join_sequences
from deeprank_plugin.models import SkeletonPreprocessor
from deeprank_plugin.models.pretrainers.base import identify


def pack(index, frames=4, label=True, **meta):
    sample = ActionDataSample(metainfo=dict(sample_idx=index, frame_dir=f's{index}', **meta))
    if label:
        sample.set_gt_label(index % 3)
    generator = torch.Generator().manual_seed(index)
    return dict(inputs=torch.randn(1, 2, frames, 25, 3, generator=generator), data_samples=sample)


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert type(one) is type(other) and one.metainfo == other.metainfo
        assert one.keys() == other.keys()
        if 'gt_label' in other:
            assert torch.equal(one.gt_label, other.gt_label)


@pytest.mark.parametrize('label', [True, False])
@pytest.mark.parametrize('workers', [0, 1])
def test_a_batch_is_read_as_a_list(label, workers):
    data = [pack(index, label=label, split='train') for index in range(5)]
    loader = DataLoader(data, batch_size=3, num_workers=workers, collate_fn=stack_samples)
    for batch, items in zip(loader, (data[:3], data[3:])):
        plain = pseudo_collate(items)
        assert torch.equal(batch['inputs'], torch.stack(plain['inputs']))
        assert isinstance(batch['data_samples'], SampleBatch)
        same(batch['data_samples'], plain['data_samples'])
        same(batch['data_samples'][1:], plain['data_samples'][1:])
        assert batch['data_samples'][0].metainfo == items[0]['data_samples'].metainfo
        assert identify(batch['data_samples']) == identify(plain['data_samples'])


def test_what_is_set_on_a_sample_stays_until_a_new_batch_is_made():
    samples = join_samples([pack(index)['data_samples'] for index in range(2)])
    samples[1].set_field(torch.ones(1), 'feat')
    assert 'feat' in samples[1] and 'feat' in list(samples)[1]
    assert 'feat' not in samples.new()[1]


def test_sequences_of_different_lengths_are_one_tensor():
    sequences = [pack(index, frames=index + 2)['inputs'] for index in range(3)]
    batch = join_sequences(sequences)
    assert isinstance(batch, SequenceBatch) and len(batch) == 3
    batch = pickle.loads(pickle.dumps(batch)).to(torch.float64)
    for found, expected in zip(batch, sequences):
        assert torch.equal(found, expected.double())
    assert torch.equal(batch[1], sequences[1].double())
    if torch.cuda.is_available():
        assert batch.pin_memory().frames.is_pinned()


def test_what_cannot_be_joined_stays_a_list():
    sequences = [torch.zeros(1, 2, 4, 25, 3), torch.zeros(1, 1, 4, 25, 3)]  # numbers of bodies
    assert join_sequences(sequences) is sequences
    assert join_sequences(['a']) == ['a'] and join_sequences([torch.zeros(3)])[0].shape == (3,)
    one, other = (pack(index)['data_samples'] for index in range(2))
    for samples in (
        [one, pack(1, label=False)['data_samples']],
        [one, pack(1, split='train')['data_samples']],
        [one, BaseDataElement(metainfo=one.metainfo)],
        [one, other.new().set_gt_label([1, 2])],
    ):
        assert join_samples(samples) is samples
    other.set_field(torch.ones(1), 'feat')
    one.set_field(torch.ones(1), 'feat')
    assert isinstance(join_samples([one, other]), list)


def test_the_preprocessor_takes_both():
    for frames in ([4, 4, 4], [4, 5, 6]):
        items = [pack(index, frames=number) for index, number in enumerate(frames)]
        augment = dict(clip_len=8) if len(set(frames)) > 1 else None
        preprocessor = SkeletonPreprocessor('bone', augment=augment)
        found = []
        for collate in (stack_samples, pseudo_collate):
            torch.manual_seed(0)
            batch = collate(items)
            found.append(preprocessor(batch, training=True))
            found[-1]['data_samples'][0].set_field(torch.ones(1), 'feat')
            assert 'feat' not in batch['data_samples'][0]  # the loader's stay as they were
        assert torch.equal(found[0]['inputs'], found[1]['inputs'])
        same(found[0]['data_samples'], found[1]['data_samples'])


def test_a_tensor_is_taken_as_it_is():
    batch = stack_samples([pack(index) for index in range(3)])
    assert SkeletonPreprocessor().cast_data(batch)['inputs'] is batch['inputs']


def test_only_the_inputs_are_copied_to_the_device():
    preprocessor = SkeletonPreprocessor().to('meta')
    for collate in (stack_samples, pseudo_collate):
        data = preprocessor(collate([pack(index) for index in range(3)]))
        assert data['inputs'].device.type == 'meta' and data['inputs'].shape == (3, 1, 2, 4, 25, 3)
        assert all(sample.gt_label.device.type == 'cpu' for sample in data['data_samples'])


@pytest.mark.skipif(torch.accelerator.is_available(), reason='then nothing is missing')
def test_no_loader_warns_of_a_missing_gpu(monkeypatch):
    assert FUNCTIONS.get('stack_samples') is stack_samples  # as configs name it
    monkeypatch.setattr(file_client, 'print_log', file_client.print_log)  # restored afterwards
    loader = DataLoader(torch.zeros(2), pin_memory=True)
    for quiet in (False, True):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter('always')
            if quiet:
                compat.quiet_known_notices()
            next(iter(loader))
        assert len(found) == (0 if quiet else 1)


def test_the_scope_that_mmengine_adds_to_inherited_configs():
    assert len(stack_samples([pack(0)], _scope_='deeprank_plugin')['inputs']) == 1
