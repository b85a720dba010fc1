"""Products within autocast that keep all digits."""

import pytest
import torch

from deeprank_plugin.models.utils import without_autocast


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_products_keep_their_type(dtype):
    values = torch.ones(2, 2)
    with torch.autocast('cpu', dtype):
        assert (values @ values).dtype == dtype
        with without_autocast(values.device):
            assert (values @ values).dtype == torch.float32
        assert (values @ values).dtype == dtype


def test_a_device_without_autocast():
    values = torch.ones(2, 2, device='meta')
    with without_autocast(values.device):
        assert (values @ values).dtype == torch.float32
