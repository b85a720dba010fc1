"""The names that metrics will report, compared with those that they do report."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmaction.registry import METRICS

import deeprank_plugin  # noqa: F401  registers the metrics
from deeprank_plugin.engine.metric_names import list_metrics, require_metric


def check(metric, reported):
    for name in reported:
        require_metric(f'{metric.prefix}/{name}', [metric], 'save_best')
    with pytest.raises(ValueError, match='does not report; expected one of'):
        require_metric(f'{metric.prefix}/unknown', [metric], 'save_best')


@pytest.mark.parametrize('topk', [1, (1, 3)])
def test_accuracies(topk):
    metric = METRICS.build(
        dict(type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=topk)))
    )
    scores = [np.eye(4, dtype=np.float32)[i] for i in range(4)]
    check(metric, metric.calculate(scores, [0, 1, 2, 3]))


def test_neighbours_and_ranking():
    metric = METRICS.build(dict(type='KNNMetric', bank_split='a', k=1))
    feats = [
        ({'': np.eye(4)[i], 'bone': np.eye(4)[i]}, i % 2, 'ab'[i % 2], str(i)) for i in range(4)
    ]
    check(metric, metric.compute_metrics(feats))
    metric = METRICS.build(dict(type='RankMetric'))
    sums = {
        f'joint/{view}': np.array([2.0, 1.0, 2.0, 2.0, 1.0, 1.0]) for view in ('bone', 'motion')
    }
    check(metric, metric.compute_metrics([sums]))
    metric = METRICS.build(dict(type='ClusterMetric'))
    check(metric, metric.compute_metrics([np.array([2.0, 1.0, 2.0])]))


def test_the_known_names_are_listed():
    metric = METRICS.build(dict(type='AccMetric'))
    with pytest.raises(
        ValueError,
        match=r"save_best names the metric 'top1_acc'.*one of acc/top1, acc/top5, acc/mean1",
    ):
        require_metric('top1_acc', [metric], 'save_best')


def test_an_unknown_metric_may_report_anything():
    other = SimpleNamespace(prefix=None)
    assert list_metrics([other, METRICS.build(dict(type='AccMetric'))]) is None
    require_metric('anything', [other], 'save_best')
