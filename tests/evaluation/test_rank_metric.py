"""RankMetric on samples made by hand."""

import pytest
import torch
from helpers import evaluate

from deeprank_plugin.evaluation import RankMetric


def test_rank_metric_is_the_mean_over_triplets():
    samples = [dict(rank=torch.tensor([6.0, 4, 6])), dict(rank=torch.tensor([1.0, 2, 2])), {}]
    result = evaluate(RankMetric(), samples)
    assert result == {'rank/loss': 7 / 8, 'rank/acc': 6 / 8, 'rank/num_triplets': 8}


def test_rank_metric_without_ranked_samples():
    with pytest.raises(ValueError, match='none of 2 samples was ranked.*holdout'):
        evaluate(RankMetric(), [{}, {}])
