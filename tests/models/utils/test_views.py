"""Views by hand."""

import pytest
import torch

from deeprank_plugin.models.utils import view_distances


def test_sums_of_distances():
    distances = torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1)
    found = [
        [float(view_distances(distances, stream, view)) for view in ('self', 'other', 'all')]
        for stream in range(3)
    ]
    assert found == [[1, 110, 111], [10, 101, 111], [100, 11, 111]]


def test_unknown_or_alone():
    with pytest.raises(ValueError, match='not known'):
        view_distances(torch.zeros(2, 3, 3), 0, 'both')
    with pytest.raises(ValueError, match='second modality'):
        view_distances(torch.zeros(1, 3, 3), 0, 'other')
