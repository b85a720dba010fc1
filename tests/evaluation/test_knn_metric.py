"""RankMetric and KNNMetric on samples made by hand."""

import numpy as np
import pytest
import torch
from helpers import evaluate

from deeprank_plugin.datasets.subsets import labelled_subset
from deeprank_plugin.evaluation import KNNMetric, knn_metric


def make_samples():
    """Two classes around two directions; one query lies with the wrong ones."""
    rng = np.random.default_rng(0)
    samples = []
    for split, number in (('train', 8), ('val', 4)):
        for i in range(number):
            direction = torch.tensor([1.0, 0] if i % 2 else [0, 1.0])
            feature = direction + 0.1 * torch.from_numpy(rng.normal(size=2)).float()
            label = torch.tensor([1 if split == 'val' and i == 0 else i % 2])
            samples.append(dict(feat=feature, gt_label=label, split=split))
    return samples


def test_knn_metric():
    result = evaluate(KNNMetric('train', k=3, topk=(1, 2)), make_samples())
    expected = {'top1': 0.75, 'top2': 1.0, 'num_bank': 8, 'num_queries': 4}
    assert result == {f'knn/{key}': value for key, value in expected.items()}


def test_the_bank_keeps_the_labelled_subset_of_finetuning():
    samples = [dict(sample, frame_dir=f'{i:02d}') for i, sample in enumerate(make_samples())]
    settings = dict(share=0.5, seed=4)
    found = evaluate(KNNMetric('train', k=1, topk=(1,), labels=settings), samples)
    bank = [sample for sample in samples if sample['split'] == 'train']
    names, labels = zip(*((s['frame_dir'], int(s['gt_label'])) for s in bank))
    kept = labelled_subset(names, labels, **settings)
    left = [s for s in samples if s['split'] == 'val' or s['frame_dir'] in kept]
    assert len(kept) == 4 and found == evaluate(KNNMetric('train', k=1, topk=(1,)), left)
    with pytest.raises(KeyError, match="'frame_dir' to be packed"):
        evaluate(KNNMetric('train', labels=settings), make_samples())
    with pytest.raises(ValueError, match='share=2'):
        KNNMetric('train', labels=dict(share=2))


def test_more_neighbours_than_samples(monkeypatch):
    said = []
    monkeypatch.setattr(knn_metric, 'print_log', lambda text, **_: said.append(text))
    for k, number in ((8, 0), (9, 1)):
        evaluate(KNNMetric('train', k=k, topk=(1,)), make_samples())
        assert len(said) == number
    assert 'k=9 and 8 samples in the bank' in said[0]


def test_streams_together_sum_their_cosines():
    samples = make_samples()
    turn = torch.tensor([[0.0, 1], [-1, 0]])
    for sample in samples:
        sample['feat'] = dict(joint=sample['feat'], bone=3 * sample['feat'] @ turn)
    result = evaluate(KNNMetric('train', k=3, topk=(1,)), samples)
    expected = dict.fromkeys(('top1', 'joint/top1', 'bone/top1'), 0.75)
    assert result == {
        f'knn/{key}': value for key, value in dict(expected, num_bank=8, num_queries=4).items()
    }


def test_knn_metric_with_bad_input():
    with pytest.raises(ValueError, match="'xsub_train'.*bank_split"):
        evaluate(KNNMetric('xsub_train'), make_samples())
    only_bank = [s for s in make_samples() if s['split'] == 'train']
    with pytest.raises(ValueError, match='at least one more'):
        evaluate(KNNMetric('train'), only_bank)
    with pytest.raises(KeyError, match='PoolHead'):
        KNNMetric('train').process(None, [dict(gt_label=0)])
    with pytest.raises(ValueError, match='k=0'):
        KNNMetric('train', k=0)
