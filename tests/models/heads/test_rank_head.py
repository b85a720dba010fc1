"""RankHead against a plain loop over triplets."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax

from deeprank_plugin.models import RankHead
from deeprank_plugin.models.losses import Agreement
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
    assert torch.isnan(result['acc_rank']) and torch.isnan(result['acc_near'])
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


def nearest_tenth(distances, anchor):
    """The anchor's nearest tenth of the candidates, rounded up, two at least; no ties."""
    others = [c for c in range(len(distances)) if c != anchor]
    wanted = max(2, -(-len(others) // 10))
    return sorted(others, key=lambda c: float(distances[anchor, c]))[:wanted]


@pytest.mark.parametrize('classifier', ['FC', 'metric', 'MLP'])
@pytest.mark.parametrize(('number', 'wanted'), [(4, 2), (21, 2), (22, 3), (32, 4)])
def test_accuracy_within_the_nearest_tenth(number, wanted, classifier):
    head, feats, distances = make(number, classifier=classifier)
    right = []
    for a in range(number):
        near = nearest_tenth(distances, a)
        assert len(near) == wanted
        for c1, c2 in itertools.permutations(near, 2):
            label = 0 if distances[a, c1] < distances[a, c2] else 1
            triplet = torch.tensor([[a], [c1], [c2]])
            if classifier == 'MLP':
                logits = head.classifier(*head.classifier.prepare(feats), triplet)[0]
                logit = logits[0] - logits[1]
            else:
                bias = head.fc1.bias[0] - head.fc1.bias[1] if classifier == 'FC' else 0
                scores = head(feats)
                logit = scores[a, c1] - scores[a, c2] + bias
            right.append(bool(logit > 0) == (label == 0))
    assert float(head.loss(feats, distances)['acc_near']) == pytest.approx(sum(right) / len(right))


@pytest.mark.parametrize('classifier', ['FC', 'MLP'])
def test_equal_distances_beyond_a_tenth_are_left_out(classifier):
    head, feats, distances = make(12, classifier=classifier)  # two candidates are near
    head.eval()
    distances[0, 2:] = 1.0
    distances[0, 1] = 0.5
    distances[1, [0, 2]] = 0.0
    distances[2, :2] = torch.tensor([0.0, 0.0], dtype=torch.float64) - 1
    sums = head.sums(feats, distances)
    assert sums.near_count.tolist() == [0, 0, 0] + 9 * [2]


WEIGHTINGS = [
    dict(rank_power=2.0),
    dict(margin_power=1.0),
    dict(temperature=0.5),
    dict(rank_power=1.5, margin_power=0.5, temperature=0.2),
]


def weighted_loop(
    head, feats, distances, rank_power=0.0, margin_power=0.0, temperature=0.0, agreement=None
):
    """Weighted mean over every single triplet, labels soft, written out."""
    number = len(feats)
    scale = distances[~torch.eye(number, dtype=torch.bool)].std()
    costs, weights = [], []
    for a, c1, c2 in itertools.permutations(range(number), 3):
        d1, d2 = float(distances[a, c1] / scale), float(distances[a, c2] / scale)
        if d1 == d2:
            continue
        others = [c for c in range(number) if c != a]
        nearer = [c for c in others if distances[a, c] < min(distances[a, c1], distances[a, c2])]
        rank = 1 + len(nearer)
        if head.classifier is not None:
            triplet = torch.tensor([[a], [c1], [c2]])
            logits = head.classifier(*head.classifier.prepare(feats), triplet)[0]
        elif head.metric is not None:
            unit = [head.metric.projection(feats[i]) for i in (a, c1, c2)]
            unit = [u / u.norm() for u in unit]
            scores = [-head.metric.log_scale.exp() * (unit[0] - u).pow(2).sum() for u in unit[1:]]
            logits = torch.stack([scores[0] - scores[1], scores[0] * 0])
        else:
            hidden = [head.act(head.fc0(torch.cat([feats[a], feats[c]]))) for c in (c1, c2)]
            logits = head.fc1(hidden[0] - hidden[1])
        first = float(d1 < d2)
        if temperature:
            first = 1 / (1 + math.exp(-(d2 - d1) / temperature))
        target = torch.tensor([first, 1 - first], dtype=logits.dtype)
        weights.append(rank**-rank_power * abs(d1 - d2) ** margin_power)
        if agreement is not None:
            ways = [(float(m[a, c1]), float(m[a, c2])) for m in agreement[0]]
            agreed = all(i < j for i, j in ways) or all(i > j for i, j in ways)
            weights[-1] *= 1 if agreed else agreement[1]
        costs.append(-(target * log_softmax(logits, dim=0)).sum() * weights[-1])
    return torch.stack(costs).sum() / sum(weights)


@pytest.mark.parametrize('weighting', [{}, *WEIGHTINGS], ids=str)
@pytest.mark.parametrize('chunk_size', [None, 2])
@pytest.mark.parametrize('classifier', ['FC', 'metric', 'MLP'])
@pytest.mark.parametrize('tied', [False, True])
def test_weights_and_soft_labels_equal_a_loop(weighting, chunk_size, classifier, tied):
    head, feats, distances = make(
        6, classifier=classifier, chunk_size=chunk_size, tied=tied, **weighting
    )
    inputs = [feats, *head.parameters()]
    loss = head.loss(feats, distances)['loss_rank']
    expected = weighted_loop(head, feats, distances, **weighting)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    wanted = torch.autograd.grad(expected, inputs, allow_unused=True)
    for ours, theirs in zip(torch.autograd.grad(loss, inputs, allow_unused=True), wanted):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    'weighting', [{}, dict(rank_power=1.5, margin_power=0.5, temperature=0.2)], ids=str
)
@pytest.mark.parametrize('chunk_size', [None, 2])
@pytest.mark.parametrize(('classifier', 'weight'), [('FC', 0.0), ('FC', 0.3), ('MLP', 0.3)])
def test_weight_where_modalities_disagree(weighting, chunk_size, classifier, weight):
    head, feats, distances = make(6, classifier=classifier, chunk_size=chunk_size, **weighting)
    noise = torch.rand(2, 6, 6, dtype=torch.float64)
    modalities = torch.stack([distances, *(0.6 * distances + 0.4 * noise)])
    modalities[1, 0, 1] = modalities[1, 0, 2]  # a tie is no agreement
    inputs = [feats, *head.parameters()]
    loss = head.loss(feats, distances, Agreement(modalities, weight))['loss_rank']
    expected = weighted_loop(head, feats, distances, **weighting, agreement=(modalities, weight))
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    assert not torch.isclose(loss, head.loss(feats, distances)['loss_rank'])
    wanted = torch.autograd.grad(expected, inputs, allow_unused=True)
    for ours, theirs in zip(torch.autograd.grad(loss, inputs, allow_unused=True), wanted):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_sums_of_weights():
    head, feats, distances = make(6, rank_power=1.0)
    sums = head.sums(feats, distances)
    # of 5 candidates: 4 pairs whose nearer one is the first, 3 the second, ... in both orders
    expected = 2 * (4 / 1 + 3 / 2 + 2 / 3 + 1 / 4)
    torch.testing.assert_close(sums.weight, torch.full((6,), expected, dtype=torch.float64))
    plain = make(6)[0].sums(feats, distances)
    assert torch.equal(plain.weight, plain.count) and torch.equal(sums.count, plain.count)


@pytest.mark.parametrize('weighting', WEIGHTINGS, ids=str)
def test_all_tied_with_weights(weighting):
    head, feats, _ = make(4, **weighting)
    result = head.loss(feats, torch.ones(4, 4, dtype=torch.float64))
    result['loss_rank'].backward()
    assert float(result['loss_rank'].detach()) == 0 and float(feats.grad.abs().max()) == 0


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
    [
        dict(classifier='RNN'),
        dict(ties='first'),
        dict(chunk_size=0),
        dict(hidden_channels=0),
        dict(rank_power=-1.0),
        dict(temperature=-1.0),
        dict(classifier='metric', num_triplets=5),
    ],
)
def test_bad_arguments(kwargs):
    with pytest.raises(ValueError):
        RankHead(5, **kwargs)
