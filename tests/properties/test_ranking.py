"""Distances, triplets, head, bank and metrics, whatever the batch."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from deeprank_plugin.evaluation.functional import (
    effective_rank,
    feature_spread,
)
from deeprank_plugin.models.heads import RankHead
from deeprank_plugin.models.losses import ranking_sums
from deeprank_plugin.models.utils import (
    FeatureBank,
    label_disagreement,
    pairwise_distances,
    view_distances,
)
from deeprank_plugin.models.utils.distances import NORMALIZATIONS

batches = st.integers(3, 8)
widths = st.integers(1, 9)
seeds = st.integers(0, 2**31 - 1)
normalizations = st.sampled_from(NORMALIZATIONS)
TIES = st.sampled_from(['skip', 'second'])


def generator(seed):
    return torch.Generator().manual_seed(seed)


@st.composite
def features(draw, number=batches, width=widths):
    """Features (B, D), some of them zero, constant or the same as others."""
    shape = (draw(number), draw(width))
    rng = generator(draw(seeds))
    values = torch.randn(*shape, generator=rng, dtype=torch.double)
    values *= 10.0 ** draw(st.integers(-3, 3))
    for row in range(shape[0]):
        kind = draw(st.sampled_from(['any', 'any', 'any', 'zero', 'constant', 'twin']))
        if kind == 'zero':
            values[row] = 0
        elif kind == 'constant':
            values[row] = 2.5
        elif kind == 'twin':
            values[row] = values[0]
    return values


@st.composite
def rankings(draw):
    """Scores and distances (B, B), the distances small whole numbers, so that many are equal."""
    number, rng = draw(batches), generator(draw(seeds))
    levels = draw(st.sampled_from([1, 3, 1000]))
    scores = torch.randn(number, number, generator=rng, dtype=torch.double)
    distances = torch.randint(levels, (number, number), generator=rng).double()
    return scores * 10.0 ** draw(st.integers(-2, 2)), distances


def sums_by_loop(scores, distances, bias, ties):
    result = []
    number = len(scores)
    for anchor in range(number):
        loss, correct, count = 0.0, 0, 0
        for first, second in itertools.permutations([i for i in range(number) if i != anchor], 2):
            a, b = float(distances[anchor, first]), float(distances[anchor, second])
            if a == b and ties == 'skip':
                continue
            logit = float(scores[anchor, first] - scores[anchor, second]) + bias
            logit = logit if a < b else -logit
            loss += math.log1p(math.exp(-abs(logit))) + max(-logit, 0.0)
            correct += logit > 0
            count += 1
        result.append((loss, correct, count))
    return result


@given(rankings(), st.floats(-2, 2), TIES, st.integers(1, 9))
def test_sums_equal_a_loop_in_chunks_of_any_size(ranking, bias, ties, chunk_size):
    scores, distances = ranking
    scores.requires_grad_()
    found = ranking_sums(
        scores, distances, torch.tensor(bias, dtype=torch.double), ties, chunk_size
    )
    expected = sums_by_loop(scores.detach(), distances, bias, ties)
    np.testing.assert_allclose(found.loss.detach(), [e[0] for e in expected], rtol=1e-9, atol=1e-12)
    assert found.correct.tolist() == [e[1] for e in expected]
    assert found.count.tolist() == [e[2] for e in expected]
    found.loss.sum().backward()
    assert scores.grad.isfinite().all() and not scores.grad.diagonal().any()


@given(rankings(), TIES, seeds)
def test_the_order_of_the_batch_and_the_scale_of_distances_do_not_matter(ranking, ties, seed):
    scores, distances = ranking
    bias = torch.tensor(0.3, dtype=torch.double)
    plain = ranking_sums(scores, distances, bias, ties)
    scaled = ranking_sums(scores, (distances + 1).log() * 7, bias, ties)
    order = torch.randperm(len(scores), generator=generator(seed))
    moved = ranking_sums(scores[order][:, order], distances[order][:, order], bias, ties)
    for part, other, permuted in zip(plain, scaled, moved):
        torch.testing.assert_close(part, other)
        torch.testing.assert_close(part[order], permuted)


@given(features(), normalizations, seeds)
def test_a_head_gives_a_batch_the_same_in_any_order(values, normalize, seed):
    torch.manual_seed(seed)
    head = RankHead(values.shape[1], 5).double()
    distances = pairwise_distances(values, normalize)
    order = torch.randperm(len(values), generator=generator(seed))
    plain = head.loss(values, distances)
    moved = head.loss(values[order], distances[order][:, order])
    torch.testing.assert_close(plain, moved, equal_nan=True, rtol=1e-6, atol=1e-9)
    assert plain['loss_rank'].isfinite()
    tied = head.loss(values, torch.zeros_like(distances))
    assert tied['loss_rank'] == 0


@given(features(), normalizations)
def test_distances_are_a_metric(values, normalize):
    distances = pairwise_distances(values, normalize)
    assert distances.isfinite().all() and (distances >= 0).all()
    assert torch.equal(distances, distances.T) and not distances.diagonal().any()
    around = distances.unsqueeze(0) + distances.unsqueeze(2)  # by way of a third
    room = 1e-9 * (1 + float(distances.max()))
    assert (distances.unsqueeze(1) <= around.transpose(1, 2) + room).all()


@given(features(), st.sampled_from(['l2', 'l1', 'minmax']), st.integers(-20, 20))
def test_normalised_distances_do_not_depend_on_the_scale(values, normalize, power):
    expected = pairwise_distances(values, normalize)
    torch.testing.assert_close(pairwise_distances(values * 2.0**power, normalize), expected)


@given(st.integers(2, 4), batches, seeds)
def test_views_share_out_the_sum(streams, number, seed):
    distances = torch.rand(streams, number, number, generator=generator(seed)).double()
    for stream in range(streams):
        own, other, every = (view_distances(distances, stream, v) for v in ('self', 'other', 'all'))
        torch.testing.assert_close(own + other, every)


@given(rankings(), rankings())
def test_disagreement_is_a_share(one, two):
    number = min(len(one[1]), len(two[1]))
    first, second = (r[1][:number, :number] for r in (one, two))
    share = label_disagreement(first, second)
    assert math.isnan(share) or 0 <= share <= 1
    assert math.isnan(share) == math.isnan(label_disagreement(second, first))
    if not math.isnan(share):
        assert share == label_disagreement(second, first)
        assert share == pytest.approx(1 - label_disagreement(first, -second))
    itself = label_disagreement(first, first**3)
    assert math.isnan(itself) or itself == 0


@given(features(number=st.integers(2, 12)), seeds)
def test_spread_and_rank_have_their_ranges_and_no_direction(values, seed):
    spread, rank = feature_spread(values), effective_rank(values)
    assert -1e-9 <= spread <= 1 + 1e-9
    assert 0 <= rank <= min(values.shape) + 1e-6
    turn, _ = torch.linalg.qr(
        torch.randn(values.shape[1], values.shape[1], generator=generator(seed)).double()
    )
    assert feature_spread(values @ turn) == pytest.approx(spread, abs=1e-6)
    alike = values[:1].expand(len(values), -1)
    assert feature_spread(alike) == pytest.approx(0, abs=1e-6)


@given(st.data(), st.integers(1, 3), seeds)
def test_a_bank_gives_back_what_it_was_given(data, streams, seed):
    names = data.draw(st.lists(st.text(max_size=5), min_size=1, max_size=12, unique=True))
    shape = (len(names), 4) if streams == 1 else (len(names), streams, 4)
    values = torch.randn(*shape, generator=generator(seed))
    bank = FeatureBank(names)
    bank.write(values)
    bank = FeatureBank.from_state_dict(bank.state_dict())
    rows = data.draw(st.lists(st.integers(0, len(names) - 1), max_size=20))
    some = [names[row] for row in rows]
    assert bank.knows(rows, some)
    torch.testing.assert_close(bank.read(rows, some), values[rows], rtol=0, atol=0)
    row = data.draw(st.integers(-3, len(names) + 3))
    name = data.draw(st.sampled_from([*names, 'another sample']))
    if 0 <= row < len(names) and names[row] == name:
        assert bank.knows([row], [name])
    else:
        with pytest.raises(KeyError, match='not in the feature bank'):
            bank.read([*rows, row], [*some, name])


@given(st.integers(1, 10), st.data())
def test_a_bank_names_the_first_sample_that_is_not_finite(number, data):
    row = data.draw(st.integers(0, number - 1))
    bad = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    values = torch.zeros(number, 3)
    values[row, data.draw(st.integers(0, 2))] = bad
    with pytest.raises(ValueError, match=f'of 1 samples are not finite, the first is .s{row}.:'):
        FeatureBank([f's{index}' for index in range(number)]).write(values)
    other = data.draw(st.integers(0, 12))
    assume(other != number)
    with pytest.raises(ValueError, match='do not fit a bank of'):
        FeatureBank([f's{index}' for index in range(number)]).write(torch.zeros(other, 3))
