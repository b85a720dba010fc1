"""Table II's classifiers: against the plain network on each triplet, in chunks, and drawn."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from deeprank_plugin.models.heads import RankHead
from deeprank_plugin.models.heads.classifiers import stratified_places, unrank_triplets

B, D, H = 5, 6, 8


def make(classifier, **kwargs):
    torch.manual_seed(0)
    return RankHead(D, H, classifier=classifier, **kwargs).double()


def plain_logits(head, a, c1, c2):
    """The classifier on one triplet of vectors, written out."""
    net = head.classifier
    if hasattr(net, 'pair'):
        one, two = (net.pair(torch.cat([a, c])) for c in (c1, c2))
        return net.triplet(torch.cat([one, two]))
    tokens = torch.stack([net.embed(x) for x in (a, c1, c2)])
    for position in range(3):
        for k in range(H // 2):
            angle = position / 10000 ** (k / (H // 2))
            tokens[position, k] = tokens[position, k] + np.sin(angle)
            tokens[position, H // 2 + k] = tokens[position, H // 2 + k] + np.cos(angle)
    for block in net.blocks:
        tokens = tokens + attend(block.self_attn, block.norm1(tokens))
        hidden = nn.functional.gelu(block.linear1(block.norm2(tokens)))
        tokens = tokens + block.linear2(hidden)
    spread = tokens.var(dim=1, keepdim=True, unbiased=False)
    tokens = (tokens - tokens.mean(dim=1, keepdim=True)) / (spread + 1e-5).sqrt()
    return net.fc((tokens * net.norm.weight + net.norm.bias).mean(dim=0))


def attend(attention, tokens):
    """Multi-head attention of two heads by loops."""
    projected = tokens @ attention.in_proj_weight.T + attention.in_proj_bias
    queries, keys, values = projected.chunk(3, dim=1)
    width, heads = H // 2, []
    for head in range(2):
        part = slice(head * width, (head + 1) * width)
        weights = torch.softmax(queries[:, part] @ keys[:, part].T / width**0.5, dim=1)
        heads.append(weights @ values[:, part])
    return attention.out_proj(torch.cat(heads, dim=1))


@pytest.mark.parametrize('ties', ['skip', 'second'])
@pytest.mark.parametrize('classifier', ['MLP', 'ViT'])
def test_equals_a_loop_over_all_triplets(classifier, ties):
    head = make(classifier, ties=ties)
    feats = torch.randn(B, D).double().requires_grad_()
    distances = torch.rand(B, B).double()
    distances[0, 1] = distances[0, 2]
    total, right, count = 0.0, 0, 0
    for a, c1, c2 in permutations(range(B), 3):
        logits = plain_logits(head, feats[a], feats[c1], feats[c2])
        first, second = distances[a, c1], distances[a, c2]
        if first == second and ties == 'skip':
            continue
        label = 0 if first < second else 1
        total = total - torch.log_softmax(logits, dim=0)[label]
        right += int(logits.argmax()) == label
        count += 1
    found = head.loss(feats, distances)
    assert float(found['loss_rank'].detach()) == pytest.approx(float(total.detach()) / count)
    assert float(found['acc_rank']) == pytest.approx(right / count)
    inputs = [feats, *head.parameters()]
    expected = torch.autograd.grad(total / count, inputs)
    for one, two in zip(torch.autograd.grad(found['loss_rank'], inputs), expected):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('classifier', ['MLP', 'ViT'])
def test_chunks_change_nothing(classifier):
    whole, parts = make(classifier), make(classifier, chunk_size=7)
    distances = torch.rand(B, B).double()
    results = []
    for head in (whole, parts):
        torch.manual_seed(1)
        feats = torch.randn(B, D).double().requires_grad_()
        sums = head.sums(feats, distances)
        sums.loss.sum().backward()
        gradients = [p.grad for p in head.parameters()]
        results.append([*sums, feats.grad, *gradients])
    for one, two in zip(*results):
        torch.testing.assert_close(one.detach(), two.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('classifier', ['MLP', 'ViT'])
def test_large_features_do_not_diverge(classifier):
    """At the schedule's learning rate: those of ST-GCN are no unit vectors."""
    torch.manual_seed(0)
    head = RankHead(16, 64, classifier=classifier)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    feats = 5 * torch.randn(12, 16).abs()
    distances = torch.cdist(feats, feats)
    for _ in range(20):
        optimizer.zero_grad()
        loss = head.loss(feats, distances)['loss_rank']
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 20


def test_every_triplet_has_its_place():
    triplets = unrank_triplets(torch.arange(60), 5).T.tolist()
    assert [tuple(t) for t in triplets] == sorted(permutations(range(5), 3))


def test_draws_are_even():
    """Each of 60 triplets is expected 1/6 of the time; from 7 draws also."""
    generator = torch.Generator().manual_seed(0)
    for number in (10, 7):
        counts = np.zeros(60)
        for _ in range(6000):
            places = stratified_places(torch.rand(number, generator=generator), 60)
            counts += np.bincount(places.numpy(), minlength=60)
        expected = 6000 * number / 60
        assert counts.sum() == 6000 * number
        assert ((counts - expected) ** 2 / expected).sum() < 101  # 59 degrees, 0.05 %


def test_drawn_triplets_are_counted_and_fixed_in_eval_mode():
    head = make('MLP', num_triplets=11)
    feats, distances = torch.randn(B, D).double(), torch.rand(B, B).double()
    sums = [head.sums(feats, distances) for _ in range(2)]
    assert all(int(s.count.sum()) == 11 for s in sums)
    assert not torch.equal(sums[0].loss, sums[1].loss)
    torch.manual_seed(4)
    one = head.sums(feats, distances).loss
    torch.manual_seed(4)
    assert torch.equal(one, head.sums(feats, distances).loss)
    head.eval()
    state = torch.get_rng_state()
    sums = [head.sums(feats, distances) for _ in range(2)]
    assert torch.equal(sums[0].loss, sums[1].loss)
    assert torch.equal(state, torch.get_rng_state())
    everything = make('MLP', num_triplets=60).sums(feats, distances)
    assert torch.equal(everything.loss, make('MLP').sums(feats, distances).loss)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="'CNN' is not known; choose from"):
        RankHead(4, classifier='CNN')
    with pytest.raises(ValueError, match='num_triplets=5 with classifier='):
        RankHead(4, num_triplets=5)
    with pytest.raises(ValueError, match='num_triplets=0'):
        RankHead(4, classifier='ViT', num_triplets=0)
    with pytest.raises(ValueError, match="MLPClassifier has no pair scores; .*'metric'"):
        make('MLP')(torch.randn(5, D).double())
    with pytest.raises(ValueError, match=r'features of shape \(5, 7\)'):
        make('ViT').sums(torch.randn(5, 7).double(), torch.rand(5, 5).double())
