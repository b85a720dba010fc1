"""Scores of all pairs, in blocks of any size."""

import pytest
import torch

from deeprank_plugin.models import RankHead
from deeprank_plugin.models.heads import pair_scores
from deeprank_plugin.models.losses import ranking_loss
from tests.models.heads.ranking import ACTIVATIONS, make


@pytest.mark.parametrize('ties', ['skip', 'second'])
@pytest.mark.parametrize('act', list(ACTIVATIONS))
def test_automatic_blocks_give_the_numbers_of_the_whole(act, ties, monkeypatch):
    results = []
    for hidden, triplets in ((10**9, 10**9), (2 * 11 * 6, 3 * 11**2), (1, 1)):  # 1, 6 or 11 blocks
        monkeypatch.setitem(pair_scores.HIDDEN_AT_ONCE, 'cpu', hidden)
        monkeypatch.setitem(ranking_loss.TRIPLETS_AT_ONCE, 'cpu', triplets)
        head, feats, distances = make(11, act, tied=True, ties=ties)
        sums = head.sums(feats, distances)
        # each anchor has its own share, as when the sums are averaged over anchors
        total = (sums.loss * torch.arange(1, 12)).sum()
        results.append([*sums, *torch.autograd.grad(total, [feats, *head.parameters()])])
    for part in zip(*results):
        for other in part[1:]:
            torch.testing.assert_close(other, part[0], rtol=1e-12, atol=1e-12)


def test_what_is_kept_for_the_backward_pass_grows_with_pairs_alone():
    """Neither B² hidden vectors nor B³ triplets."""
    head = RankHead(8, hidden_channels=64)
    kept = {}  # by address: views share their memory

    def note(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    feats = torch.randn(200, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = head.loss(feats, torch.rand(200, 200))['loss_rank']
    pairs = 200 * 200 * 4  # bytes of (B, B) in float32
    assert pairs <= sum(kept.values()) < 4 * pairs < 64 * pairs
    loss.backward()
