"""ClusterMetric on samples made by hand."""

import pytest
import torch
from helpers import evaluate

from deeprank_plugin.evaluation import ClusterMetric


def test_it_is_the_mean_over_the_samples_that_have_a_cluster():
    samples = [dict(cluster=torch.tensor(value)) for value in ([0.5, 1.0, 1], [2.5, 0, 1])]
    assert evaluate(ClusterMetric(), [*samples, {}]) == {'cluster/loss': 1.5, 'cluster/acc': 0.5}


def test_without_clusters():
    with pytest.raises(ValueError, match='none of 2 samples has a cluster.*holdout.*RelabelHook'):
        evaluate(ClusterMetric(), [{}, {}])
