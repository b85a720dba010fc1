"""Figures of the analysis tools against plain loops; files of features."""

from itertools import permutations

import numpy as np
import pytest
import torch
from feature_files import load_all, load_features

from deeprank_plugin.evaluation.functional.precision import cluster_purity, count_precision
from deeprank_plugin.evaluation.functional.similarity import class_distances, summarise_distances

RNG = np.random.default_rng(0)


def test_class_distances_are_means_over_pairs():
    features, labels = RNG.normal(size=(12, 4)).astype(np.float32), np.array([0, 1, 3] * 4)
    found = class_distances(features, labels)
    assert found.shape == (4, 4) and np.isnan(found[2]).all() and np.isnan(found[:, 2]).all()
    for first in (0, 1, 3):
        for second in (0, 1, 3):
            distances = []
            for i in np.flatnonzero(labels == first):
                for j in np.flatnonzero(labels == second):
                    if i != j:
                        a, b = features[i].astype(float), features[j].astype(float)
                        distances.append(1 - a @ b / np.sqrt((a @ a) * (b @ b)))
            assert found[first, second] == pytest.approx(np.mean(distances), abs=1e-9)
    figures = summarise_distances(found)
    known = found[np.ix_([0, 1, 3], [0, 1, 3])]
    assert figures['intra'] == pytest.approx(np.trace(known) / 3)
    assert figures['inter'] == pytest.approx((known.sum() - np.trace(known)) / 6)
    assert figures['ratio'] == pytest.approx(figures['intra'] / figures['inter'])


def test_precision_is_that_of_a_loop():
    features = torch.as_tensor(RNG.normal(size=(9, 3)))
    distances, labels = torch.cdist(features, features), torch.tensor([0, 0, 1, 1, 1, 2, 2, 0, 1])
    distances[0, 1] = distances[0, 2]  # a tie does not count
    right = total = decided = decisive = 0
    chance = 0.0
    for a, c1, c2 in permutations(range(9), 3):
        if distances[a, c1] < distances[a, c2]:
            total += 1
            right += int(labels[c1] == labels[a])
            if (labels[c1] == labels[a]) != (labels[c2] == labels[a]):
                decisive += 1
                decided += int(labels[c1] == labels[a])
            same = sum(int(labels[c] == labels[a]) for c in range(9) if c != a)
            chance += same / 8
    found = count_precision(distances, labels)
    assert (found.right, found.total) == (right, total)
    assert (found.decided, found.decisive) == (decided, decisive)
    assert found.chance == pytest.approx(chance)


def test_precision_of_perfect_features_is_above_chance():
    labels = torch.arange(12) % 3
    distances = torch.cdist(torch.eye(3)[labels], torch.eye(3)[labels])
    found = count_precision(distances, labels)
    assert found.right == found.total > found.chance
    assert found.decided == found.decisive == 12 * 3 * 8


def test_purity():
    clusters, labels = np.array([0, 0, 0, 2, 2, 2]), np.array([1, 1, 0, 2, 2, 1])
    assert cluster_purity(clusters, labels) == pytest.approx(4 / 6)


def save(path, shape=(6, 3), **changes):
    parts = dict(
        features=RNG.normal(size=shape).astype(np.float32),
        labels=np.arange(6) % 2,
        names=[f's{i}' for i in range(6)],
        splits=['train'] * 4 + ['val'] * 2,
    )
    parts.update(changes)
    np.savez(path, **{key: value for key, value in parts.items() if value is not None})
    return str(path)


def test_files_of_one_stream_and_of_several(tmp_path):
    one = save(tmp_path / 'one.npz')
    three = save(tmp_path / 'three.npz', (6, 2, 3), streams=['joint', 'bone'])
    found = load_all([f'DeepRank={one}', three], 'train')
    assert [f.title for f in found] == ['DeepRank', 'three joint', 'three bone']
    assert all(f.features.shape == (4, 3) and len(f.names) == 4 for f in found)


def test_one_stream_of_several_and_paths_with_signs_in_them(tmp_path):
    folder = tmp_path / 'lr=0.1:x'
    folder.mkdir()
    one = save(folder / 'one.npz')
    three = save(folder / 'three.npz', (6, 2, 3), streams=['joint', 'bone'])
    assert [f.title for f in load_all([one, f'a=b={one}'])] == ['one', 'a=b']
    (found,) = load_all([f'A={three}:bone'])
    assert found.title == 'A'
    np.testing.assert_array_equal(found.features, load_all([three])[1].features)
    assert load_all([f'{three}:bone'])[0].title == 'three bone'
    with pytest.raises(ValueError, match="has no stream 'motion'; expected one of joint, bone"):
        load_all([f'{three}:motion'])
    with pytest.raises(ValueError, match="has no stream 'joint'; expected no stream"):
        load_all([f'{one}:joint'])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(labels=None), r"lacks \['labels'\]"),
        (dict(names=['a', 'b']), 'expected .N, D. or .N, streams, D., and N of each'),
        (dict(features=np.full((6, 3), np.nan)), 'not finite'),
        (dict(names=np.array([print] * 6, dtype=object)), 'cannot be read'),
    ],
)
def test_wrong_files(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_features(save(tmp_path / 'x.npz', **changes))


def test_files_that_do_not_belong_together(tmp_path):
    one = save(tmp_path / 'one.npz')
    two = save(tmp_path / 'two.npz', names=[f's{5 - i}' for i in range(6)])
    with pytest.raises(ValueError, match='hold other samples, or in another order'):
        load_all([one, two])
    with pytest.raises(ValueError, match="no sample of split 'test'"):
        load_all([one], 'test')
    (tmp_path / 'bad.npz').write_bytes(b'PK')
    with pytest.raises(ValueError, match='bad.npz cannot be read'):
        load_all([str(tmp_path / 'bad.npz')])
