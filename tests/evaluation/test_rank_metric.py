"""RankMetric on samples made by hand."""

import numpy as np
import pytest
import torch
from helpers import evaluate

from deeprank_plugin.evaluation import RankMetric


def test_rank_metric_is_the_mean_over_triplets():
    samples = [
        dict(rank=torch.tensor([6.0, 4, 6, 6, 1, 2])),
        dict(rank=torch.tensor([1.0, 2, 2, 2, 2, 2])),
        {},
    ]
    result = evaluate(RankMetric(), samples)
    expected = {'loss': 7 / 8, 'acc': 6 / 8, 'acc_near': 3 / 4, 'num_triplets': 8}
    assert result == {f'rank/{name}': value for name, value in expected.items()}


def test_weighted_losses_and_several_streams():
    ranks = {
        'joint/self': torch.tensor([3.0, 1, 4, 6, 0, 0]),  # half a unit of weight more a triplet
        'bone/self': torch.tensor([1.0, 3, 4, 4, 1, 2]),
    }
    result = evaluate(RankMetric(), [dict(rank=ranks)])
    assert result['rank/joint/loss_self'] == 0.5 and result['rank/joint/acc_self'] == 0.25
    assert result['rank/bone/acc_near_self'] == 0.5 and np.isnan(result['rank/acc_near'])
    assert result['rank/loss'] == (0.5 + 0.25) / 2 and result['rank/acc'] == 0.5


def test_rank_metric_without_ranked_samples():
    with pytest.raises(ValueError, match='none of 2 samples was ranked.*holdout'):
        evaluate(RankMetric(), [{}, {}])
