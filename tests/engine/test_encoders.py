"""Encoders and configs in checkpoints, which are never run."""

import importlib
import os
import pickle

import pytest
import torch

from deeprank_plugin.engine.encoders import list_streams, read_checkpoint
from deeprank_plugin.engine.publishing import (
    extract_encoder,
)
from tests.engine.checkpoints import DEEPRANK, FINETUNED, change


def test_defaults_of_the_models_are_known(make):
    assert list_streams(make({k: v for k, v in DEEPRANK.items() if k != 'data_preprocessor'})) == [
        'joint'
    ]
    plain = dict(FINETUNED, data_preprocessor=dict(type='SkeletonPreprocessor'))
    assert list_streams(make(plain)) == ['joint']


def test_preprocessor_of_a_project(make):
    importlib.import_module('projects.cifar100.images')  # registers it
    own = dict(FINETUNED, data_preprocessor=dict(type='ImagePreprocessor', modality='joint'))
    assert list_streams(make(own)) == ['joint']
    unsaid = dict(FINETUNED, data_preprocessor=dict(type='ImagePreprocessor'))
    with pytest.raises(ValueError, match='does not say of which modality.*ImagePreprocessor'):
        list_streams(make(unsaid))


@pytest.mark.parametrize(
    'line',
    [
        'import os\nos.mkdir({path!r})',
        'model = dict(type=__import__("os").mkdir({path!r}))',
        'model = dict(**{{"type": 1}})',
        'model.type = 1',
        'model = (' * 3,
    ],
)
def test_config_text_is_never_run(make, tmp_path, line):
    text = line.format(path=str(tmp_path / 'made'))
    with pytest.raises(ValueError, match='more than plain values'):
        extract_encoder(change(make(DEEPRANK), cfg=text))
    assert not (tmp_path / 'made').exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hostile_and_damaged_files_are_rejected(make, tmp_path):
    path, made = tmp_path / 'a.pth', tmp_path / 'made'
    hostile = dict(make(DEEPRANK), extra=Hostile(str(made)))
    torch.save(hostile, path)
    with pytest.raises(ValueError, match=r"a\.pth' cannot be read.*mkdir.*untampered") as caught:
        read_checkpoint(path)
    assert 'weights_only' not in str(caught.value) and '\n' not in str(caught.value)
    path.write_bytes(pickle.dumps(hostile, protocol=2))
    with pytest.raises(ValueError, match='cannot be read'):
        read_checkpoint(path)
    assert not made.exists()
    torch.save(make(DEEPRANK), path)
    whole = path.read_bytes()
    for content in (b'', b'text', whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='cannot be read'):
            read_checkpoint(path)
    torch.save(torch.zeros(1), path)
    with pytest.raises(ValueError, match='holds a Tensor; expected a checkpoint'):
        read_checkpoint(path)
    with pytest.raises(FileNotFoundError, match='is no file'):
        read_checkpoint(tmp_path)
