"""Gathering in processes that are played one after the other; real ones: test_two_processes.py."""

import pytest
import torch

from deeprank_plugin.models.utils import gather

BATCHES = (torch.arange(6.0).view(3, 2), 10 + torch.arange(4.0).view(2, 2), torch.ones(3, 2))


def test_one_process_has_all_already():
    features = torch.randn(3, 2, requires_grad=True)
    assert gather.gather_features(features) is features


def test_equal_batches_are_not_counted(monkeypatch):
    """Their sizes are known, so nothing but the features is sent."""
    batches = [torch.full((2, 3), float(rank)) for rank in range(3)]

    def all_gather(tensor):
        assert torch.equal(tensor, batches[1])
        return batches

    functions = dict(all_gather=all_gather, all_reduce=lambda tensor: tensor.mul_(2))
    functions.update(get_rank=lambda: 1, get_world_size=lambda: 3)
    for name, function in functions.items():
        monkeypatch.setattr(gather, name, function)
    own = batches[1].clone().requires_grad_()
    gathered = gather.gather_features(own, equal=True)
    assert torch.equal(gathered, torch.cat(batches))
    gathered.sum().backward()
    assert torch.equal(own.grad, torch.full((2, 3), 2.0))


@pytest.mark.parametrize('rank', range(3))
def test_each_process_gets_all_rows_and_the_sum_of_the_gradients(monkeypatch, rank):
    """Process ``rank`` of three with 3, 2 and 3 rows; what the others send is known."""
    slopes = torch.randn(3, 8, 2)  # of the loss of each process, for each row of the whole batch

    def all_gather(tensor):
        if tensor.dtype == torch.int64:
            return [torch.tensor([len(batch)]) for batch in BATCHES]
        assert tensor.shape == (3, 2)  # filled up: a collective wants the same shape of all
        sent = [torch.cat([batch, torch.full((3 - len(batch), 2), 99.0)]) for batch in BATCHES]
        sent[rank] = tensor
        return sent

    def all_reduce(tensor):
        assert torch.equal(tensor, slopes[rank])
        tensor.copy_(slopes.sum(dim=0))

    for name, function in dict(
        all_gather=all_gather,
        all_reduce=all_reduce,
        get_rank=lambda: rank,
        get_world_size=lambda: 3,
    ).items():
        monkeypatch.setattr(gather, name, function)
    own = BATCHES[rank].clone().requires_grad_()
    gathered = gather.gather_features(own)
    assert torch.equal(gathered, torch.cat(BATCHES))
    (gathered * slopes[rank]).sum().backward()
    rows = {0: slice(0, 3), 1: slice(3, 5), 2: slice(5, 8)}[rank]
    torch.testing.assert_close(own.grad, slopes.sum(dim=0)[rows])
