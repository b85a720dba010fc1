"""Encoders taken out of checkpoints: which weights, which description, which hash."""

import hashlib
import os

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from deeprank_plugin.engine.encoders import list_streams, read_checkpoint
from deeprank_plugin.engine.exposure import Use, check_exposure, find_samples
from deeprank_plugin.engine.publishing import (
    extract_encoder,
    hash_weights,
    verify,
    write_checkpoint,
)
from tests.engine.checkpoints import DEEPRANK, FINETUNED, MV, change


def plain_hash(state_dict):
    """The hash as its docstring says it, by NumPy."""
    text = b''
    for key in sorted(state_dict):
        array = state_dict[key].numpy()
        shape = '[' + ', '.join(str(size) for size in array.shape) + ']'
        text += f'["{key}", "torch.{array.dtype}", {shape}]\n'.encode() + array.tobytes(order='C')
    return hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize('wrapped', ['', 'module.'])
@pytest.mark.parametrize(
    'model, streams, method',
    [
        (DEEPRANK, ['motion'], 'DeepRank'),
        (MV, ['joint', 'bone', 'motion'], 'MVDeepRank'),
        (FINETUNED, ['bone'], 'RecognizerGCN'),
    ],
)
def test_published_encoder_loads_downstream(make, tmp_path, model, streams, method, wrapped):
    checkpoint = make(model, wrapped)
    assert list_streams(checkpoint) == streams
    for stream in streams:
        published = extract_encoder(checkpoint, stream, '/runs/x/epoch_24.pth')
        assert set(published) == {'state_dict', 'meta'}
        assert all(key.startswith('backbone.') for key in published['state_dict'])
        path = tmp_path / f'{stream}.pth'
        write_checkpoint(published, path)
        init_cfg = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.')
        backbone = MODELS.build(dict(model['backbone'], init_cfg=init_cfg))
        backbone.init_weights()
        prefix = f'{wrapped}streams.{stream}.' if model is MV else wrapped
        loaded = backbone.state_dict()
        assert any('num_batches_tracked' in key for key in loaded)
        for key, value in loaded.items():
            assert torch.equal(value, checkpoint['state_dict'][f'{prefix}backbone.{key}']), key
        meta = published['meta']
        assert (meta['modality'], meta['method'], meta['epoch']) == (stream, method, 24)
        assert meta['data'] == dict(ann_file='ntu60_3d.pkl', split='xsub_train')
        assert meta['source'] == 'epoch_24.pth'
        assert set(meta['versions']) == {'deeprank_plugin', 'torch', 'mmengine', 'mmaction2'}
        assert meta['sha256'] == plain_hash(published['state_dict'])
        assert verify(published)
    if len(streams) > 1:
        with pytest.raises(ValueError, match='holds the streams joint, bone, motion: name one'):
            extract_encoder(checkpoint)


def test_config_text_has_the_values_but_no_path_of_a_machine(make):
    meta = extract_encoder(make(DEEPRANK))['meta']
    assert 'someone' not in str(meta) and 'secret' not in str(meta)
    config = Config.fromstring(meta['cfg'].replace(' inf,', ' 1e9,'), '.py')
    assert config.model == DEEPRANK
    assert config.work_dir is None and config.load_from is None
    assert config.limits == (1e9, -1.5)
    assert config.labels == [None, 'data/labels.txt', None]
    assert config.train_dataloader.dataset.dataset.ann_file == 'ntu60_3d.pkl'


@pytest.mark.parametrize('file', ['/home/someone/a.pkl', 'C:\\someone\\a.pkl', 'data/a.pkl'])
def test_it_stays_known_on_which_samples_an_encoder_was_trained(make, file):
    for files in (file, ['data/b.pkl', file]):
        checkpoint = make(DEEPRANK)
        text = checkpoint['meta']['cfg'].replace(' inf,', ' 1e9,')
        config = Config.fromstring(text, '.py')
        config.train_dataloader.dataset.dataset.ann_file = files
        checkpoint['meta']['cfg'] = config.pretty_text
        published = extract_encoder(checkpoint)
        assert 'someone' not in str(published['meta'])
        tested = find_samples(dict(dataset=dict(ann_file='/moved/a.pkl', split='xsub_train')))
        clause = check_exposure(published, Use(tested, [], {}))
        assert clause is not None and 'THE TEST SAMPLES, OR SOME, WERE TRAINED ON' in clause


def test_hash_sees_every_change_and_nothing_else():
    weights = dict(
        b=torch.randn(4, 3, 2, 2),
        a=torch.tensor(7),
        c=torch.zeros(2, dtype=torch.float16),
        d=torch.zeros(0, 2),
    )
    expected = plain_hash(weights)
    assert hash_weights(weights) == expected
    assert hash_weights(dict(reversed(weights.items()))) == expected
    last = weights['b'].to(memory_format=torch.channels_last)
    assert hash_weights(dict(weights, b=last)) == expected
    bit = weights['b'].clone()
    bit.view(torch.int32)[0, 0, 0, 0] ^= 1
    for other in (
        dict(b=bit),
        dict(b=weights['b'].reshape(3, 4, 2, 2)),
        dict(c=torch.zeros(2, dtype=torch.bfloat16)),
        dict(e=torch.zeros(1)),
    ):
        assert hash_weights({**weights, **other}) != expected
    for value in (3, torch.zeros(2).to_sparse()):
        with pytest.raises(ValueError, match="'a'.*dense tensor"):
            hash_weights(dict(a=value))


def test_verify_finds_a_change(make):
    published = extract_encoder(make(DEEPRANK))
    published['state_dict']['backbone.data_bn.bias'][0] += 1
    assert not verify(published)
    with pytest.raises(ValueError, match=r"no meta\['sha256'\]"):
        verify(make(DEEPRANK))


def test_file_brings_no_more_than_its_weights(make, tmp_path):
    checkpoint = make(DEEPRANK)
    key = 'backbone.data_bn.bias'
    large = torch.zeros(1000000)
    checkpoint['state_dict'][key] = large[: len(checkpoint['state_dict'][key])]
    write_checkpoint(extract_encoder(checkpoint), tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').stat().st_size < 500000


@pytest.mark.parametrize(
    'build, stream, message',
    [
        (lambda make: make(DEEPRANK), 'bones', "'bones' is not known.*of DeepRank holds: motion"),
        (lambda make: make(DEEPRANK), 'bone', "'bone' is not in this checkpoint.*holds: motion"),
        (lambda make: make(MV), 'all', "'all' is not known.*joint, bone, motion"),
        (lambda make: dict(state_dict=dict(head=torch.zeros(1))), None, 'no encoder.*found: head'),
        (lambda make: dict(weight=torch.zeros(1)), None, 'no state_dict.*weight.*MMEngine saved'),
        (lambda make: {'state_dict': {3: torch.zeros(1)}}, None, 'no state_dict with named'),
        (lambda make: change(make(DEEPRANK), cfg=None), None, r"no config text in meta\['cfg'\]"),
        (lambda make: change(make(DEEPRANK), cfg='model = 1'), None, 'no model.type'),
        (lambda make: make(DEEPRANK, train_dataloader=None), None, 'no train_dataloader'),
        (
            lambda make: make(dict(FINETUNED, data_preprocessor=None)),
            None,
            'does not say of which modality.*SkeletonPreprocessor with one of',
        ),
    ],
)
def test_what_cannot_be_published(make, build, stream, message):
    with pytest.raises(ValueError, match=message):
        extract_encoder(build(make), stream)


def test_epoch_must_be_there(make):
    checkpoint = make(DEEPRANK)
    del checkpoint['meta']['epoch']
    with pytest.raises(ValueError, match=r"no meta\['epoch'\]"):
        extract_encoder(checkpoint)


def test_whole_file_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'a.pth'
    write_checkpoint(dict(a=torch.zeros(1)), path)
    first = path.read_bytes()
    write_checkpoint(dict(a=torch.zeros(1)), path)
    with pytest.raises(FileExistsError, match='holds something else'):
        write_checkpoint(dict(a=torch.ones(1)), path)
    assert path.read_bytes() == first

    def fail(*_):
        raise OSError('disk full')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', fail)
        with pytest.raises(OSError, match='disk full'):
            write_checkpoint(dict(a=torch.ones(1)), path, force=True)
    assert path.read_bytes() == first and os.listdir(path.parent) == ['a.pth']
    write_checkpoint(dict(a=torch.ones(1)), path, force=True)
    assert read_checkpoint(path) == dict(a=torch.ones(1))
