"""What DeepRank and MV-DeepRank share: two views, whitened and kept label distances."""

import pytest
import torch
from helpers import BACKBONE, NAMES, SAMPLES
from mmaction.registry import MODELS

from deeprank_plugin.models.utils import label_disagreement, pairwise_distances, whiten_features


def make(method='DeepRank', **kwargs):
    torch.manual_seed(0)
    head = dict(type='RankHead', in_channels=4, hidden_channels=5)
    return MODELS.build(dict(type=method, backbone=BACKBONE, head=head, **kwargs)).double().eval()


def features(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, *shape, 4, generator=generator)


def test_two_views_are_samples_of_their_own():
    model = make(two_views=True)
    model.relabel(features(1), NAMES)
    inputs = torch.randn(6, 2, 1, 12, 25, 3, dtype=torch.double)
    found = model(inputs, SAMPLES, mode='loss')
    frozen = pairwise_distances(features(1))
    feats, distances = [], torch.zeros(12, 12)
    for i in range(12):
        feats.append(model(inputs[i // 2, i % 2][None, None])[0])
        for j in range(12):
            distances[i, j] = 0 if i // 2 == j // 2 else frozen[i // 2, j // 2]
    expected = model.head.loss(torch.stack(feats), distances)
    torch.testing.assert_close(found, expected, equal_nan=True)
    # the own view is nearer than all but the anchor itself: 10 triplets an anchor, in both orders
    sums = model.head.sums(torch.stack(feats), distances)
    assert sums.count.tolist() == [2 * (10 + 10 * 9 // 2 - 5)] * 12


def test_two_views_of_several_modalities():
    model = make('MVDeepRank', two_views=True, one_by_one=False)
    model.relabel(features(1, 3), NAMES)
    clips = torch.randn(6, 2, 1, 12, 25, 3, dtype=torch.double)
    found = model({name: clips for name in model.modalities}, SAMPLES, mode='loss')
    single = make(two_views=True)
    single.backbone.load_state_dict(model.streams['bone']['backbone'].state_dict())
    single.head.load_state_dict(model.streams['bone']['heads']['self'].state_dict())
    single.relabel(features(1, 3)[:, 1], NAMES)
    expected = single(clips, SAMPLES, mode='loss')
    torch.testing.assert_close(found['bone/acc_self'], expected['acc_rank'])


def test_one_view_where_two_are_expected():
    model = make(two_views=True)
    model.relabel(features(1), NAMES)
    with pytest.raises(ValueError, match='1 clips a sequence; DeepRank.*TwoViews'):
        model(torch.randn(6, 1, 1, 12, 25, 3, dtype=torch.double), SAMPLES, mode='loss')


@pytest.mark.parametrize('keep_first', [0.0, 0.25])
@pytest.mark.parametrize('whiten', [0.0, 0.5])
def test_label_distances(whiten, keep_first):
    model = make(whiten=whiten, keep_first=keep_first)

    def distances_by_hand(values):
        return pairwise_distances(whiten_features(values, whiten) if whiten else values)

    first, second = distances_by_hand(features(1)), distances_by_hand(features(2))
    model.relabel(features(1), NAMES)
    label = model.distances(model.label_features(SAMPLES))
    torch.testing.assert_close(label / label.mean(), first / first.mean())
    expected = (1 - keep_first) * second / second.mean() + keep_first * first / first.mean()
    metrics = model.compare(features(2))
    assert metrics['flipped'] == pytest.approx(label_disagreement(label, expected))
    assert model.relabel(features(2), NAMES) == metrics
    label = model.distances(model.label_features(SAMPLES))
    torch.testing.assert_close(label / label.mean(), expected / expected.mean())
    model.relabel(features(3), NAMES)  # the first round's stay
    third = distances_by_hand(features(3))
    label = model.distances(model.label_features(SAMPLES))
    expected = (1 - keep_first) * third / third.mean() + keep_first * first / first.mean()
    torch.testing.assert_close(label / label.mean(), expected / expected.mean())


def test_label_distances_of_several_modalities():
    several = make('MVDeepRank', whiten=0.5, keep_first=0.25)
    for seed in (1, 2):
        several.relabel(features(seed, 3), NAMES)
    label = several.distances(several.label_features(SAMPLES))
    assert label.shape == (3, 6, 6)
    for index in range(3):
        single = make(whiten=0.5, keep_first=0.25)
        for seed in (1, 2):
            single.relabel(features(seed, 3)[:, index], NAMES)
        torch.testing.assert_close(label[index], single.distances(single.label_features(SAMPLES)))


@pytest.mark.parametrize('wrong', [dict(whiten=1.5), dict(whiten=-0.1), dict(keep_first=2.0)])
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match='from 0 to 1'):
        make(**wrong)
