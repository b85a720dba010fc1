"""RankHead against a plain loop over triplets."""

import itertools

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from deeprank_plugin.models import RankHead
from tests.models.heads.ranking import ACTIVATIONS, make


def loop(head, feats, distances):
    """Eqs. 2, 7, 8 and 9 with the two layers called on every single triplet."""
    losses, right = [], []
    for a, c1, c2 in itertools.permutations(range(len(feats)), 3):
        d1, d2 = distances[a, c1], distances[a, c2]
        if d1 == d2 and head.ties == 'skip':
            continue
        hidden = [head.act(head.fc0(torch.cat([feats[a], feats[c]]))) for c in (c1, c2)]
        logits = head.fc1(hidden[0] - hidden[1])
        label = 0 if d1 < d2 else 1
        losses.append(-log_softmax(logits, dim=0)[label])
        right.append(bool(logits[label] > logits[1 - label]))
    return torch.stack(losses).mean(), sum(right) / len(right)


@pytest.mark.parametrize('ties', ['skip', 'second'])
@pytest.mark.parametrize('chunk_size', [None, 1, 2, 5])
@pytest.mark.parametrize('tied', [False, True])
@pytest.mark.parametrize('act', list(ACTIVATIONS))
@pytest.mark.parametrize('number', [3, 4, 7])
def test_values_and_gradients_equal_a_loop(number, act, tied, chunk_size, ties):
    head, feats, distances = make(number, act, tied, seed=1, chunk_size=chunk_size, ties=ties)
    result = head.loss(feats, distances)
    inputs = [feats, *head.parameters()]
    gradients = torch.autograd.grad(result['loss_rank'], inputs)
    loss, accuracy = loop(head, feats, distances)
    expected = torch.autograd.grad(loss, inputs, allow_unused=True)
    torch.testing.assert_close(result['loss_rank'], loss, rtol=1e-12, atol=1e-12)
    assert float(result['acc_rank']) == pytest.approx(accuracy, abs=1e-6)
    for ours, theirs in zip(gradients, expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('chunk_size', [None, 2])
@pytest.mark.parametrize('act', list(ACTIVATIONS))
def test_gradcheck(act, chunk_size):
    head, feats, distances = make(4, act, chunk_size=chunk_size)
    assert torch.autograd.gradcheck(lambda f: head.loss(f, distances)['loss_rank'], feats)


def test_without_activation_the_anchor_gets_no_gradient():
    head, feats, distances = make(7, 'letter')
    head.loss(feats, distances)['loss_rank'].backward()
    of_anchor, of_candidate = head.fc0.weight.grad.split(5, dim=1)
    assert of_anchor.abs().max() < 1e-15
    assert of_candidate.abs().max() > 1e-4
    # and for one triplet, the anchor's feature gets none either, the candidates' do
    head, feats, _ = make(3, 'letter')
    hidden = [head.fc0(torch.cat([feats[0], feats[c]])) for c in (1, 2)]
    loss = cross_entropy(head.fc1(hidden[0] - hidden[1])[None], torch.tensor([0]))
    (gradient,) = torch.autograd.grad(loss, feats)
    assert gradient[0].abs().max() < 1e-15
    assert gradient[1].abs().max() > 1e-4


def test_with_activation_the_anchor_gets_a_gradient():
    head, feats, distances = make(7, 'relu')
    head.loss(feats, distances)['loss_rank'].backward()
    assert head.fc0.weight.grad[:, :5].abs().max() > 1e-4


def test_all_tied_gives_no_loss_and_no_accuracy():
    head, feats, _ = make(4)
    result = head.loss(feats, torch.ones(4, 4, dtype=torch.float64))
    result['loss_rank'].backward()
    assert float(result['loss_rank'].detach()) == 0
    assert torch.isnan(result['acc_rank'])
    assert float(feats.grad.abs().max()) == 0


def test_loss_weight():
    head, feats, distances = make(5)
    whole = head.loss(feats, distances)['loss_rank']
    head.loss_weight = 0.25
    torch.testing.assert_close(head.loss(feats, distances)['loss_rank'], 0.25 * whole)


def test_half_precision_features_are_ranked_in_float32():
    torch.manual_seed(0)
    head, distances = RankHead(5), torch.rand(6, 6)
    feats = torch.randn(6, 5).bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = head.loss(feats, distances)
    assert result['loss_rank'].dtype == torch.float32
    torch.testing.assert_close(
        result['loss_rank'], head.loss(feats.float(), distances)['loss_rank']
    )


@pytest.mark.parametrize('number', [1, 2])
def test_batch_below_three(number):
    head = RankHead(5)
    with pytest.raises(ValueError, match='at least 3.*batch_size'):
        head.loss(torch.randn(number, 5), torch.rand(number, number))


def test_other_width_and_distances():
    head = RankHead(5)
    with pytest.raises(ValueError, match='set in_channels'):
        head.loss(torch.randn(4, 6), torch.rand(4, 4))
    with pytest.raises(ValueError, match=r'expected \(4, 4\)'):
        head.loss(torch.randn(4, 5), torch.rand(3, 3))


@pytest.mark.parametrize(
    'kwargs',
    [dict(classifier='RNN'), dict(ties='first'), dict(chunk_size=0), dict(hidden_channels=0)],
)
def test_bad_arguments(kwargs):
    with pytest.raises(ValueError):
        RankHead(5, **kwargs)
