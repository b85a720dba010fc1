"""The bank answers for its own samples only."""

import pytest
import torch

from deeprank_plugin.models.utils import FeatureBank


def test_reads_what_was_written_by_row():
    bank = FeatureBank(['a', 'b', 'c'])
    features = torch.arange(6.0).view(3, 2)
    bank.write(features)
    features += 100  # the bank keeps its own copy
    assert bank.read([2, 0], ['c', 'a']).tolist() == [[4, 5], [0, 1]]


def test_several_encoders():
    bank = FeatureBank(['a', 'b', 'c'])
    features = torch.arange(18.0).view(3, 2, 3)
    bank.write(features)
    assert torch.equal(bank.read([2, 0], ['c', 'a']), features[[2, 0]])
    features[1, 1, 2] = float('nan')
    with pytest.raises(ValueError, match="'b'"):
        bank.write(features)


def test_state_dict_round_trip():
    bank = FeatureBank(['a', 'b'])
    bank.write(torch.randn(2, 4))
    again = FeatureBank.from_state_dict(bank.state_dict())
    assert again.names == ['a', 'b']
    assert torch.equal(again.read([1], ['b']), bank.read([1], ['b']))


def test_never_written_is_an_error():
    with pytest.raises(RuntimeError, match='RelabelHook'):
        FeatureBank(['a']).read([0], ['a'])


@pytest.mark.parametrize('row, name', [(0, 'b'), (2, 'c'), (-1, 'b')])
def test_foreign_sample_is_an_error(row, name):
    bank = FeatureBank(['a', 'b'])
    bank.write(torch.ones(2, 3))
    assert not bank.knows([row], [name])
    with pytest.raises(KeyError, match=f"'{name}'.*same annotation file"):
        bank.read([1, row], ['b', name])


def test_bad_features():
    bank = FeatureBank(['a', 'b'])
    with pytest.raises(ValueError, match='one row for each sample'):
        bank.write(torch.ones(3, 2))
    with pytest.raises(ValueError, match="first is 'b'.*diverged"):
        bank.write(torch.tensor([[1.0, 2], [float('nan'), 1]]))


def test_names_must_be_unique():
    with pytest.raises(ValueError, match="'a' occurs twice"):
        FeatureBank(['a', 'b', 'a'])
