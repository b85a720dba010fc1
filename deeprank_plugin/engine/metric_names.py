"""Names of the metrics that an evaluator will report, known before the first validation."""

import re
from typing import Any, List, Optional, Sequence

STREAM, VIEW = r'(?:\w+/)?', r'(?:_\w+)?'


def names_of(metric: Any) -> Optional[List[str]]:
    """Regular expressions of a metric's names, without prefix; None if they are not known."""
    kind = type(metric).__name__
    if kind == 'AccMetric':
        names = []
        options = getattr(metric, 'metric_options', None) or {}
        topk = options.get('top_k_accuracy', {}).get('topk', (1, 5))
        for name in metric.metrics:
            if name == 'top_k_accuracy':
                names += [f'top{k}' for k in ([topk] if isinstance(topk, int) else topk)]
            else:
                names.append('mean1' if name == 'mean_class_accuracy' else name)
        return names
    if kind == 'KNNMetric':
        return [*(f'{STREAM}top{k}' for k in metric.topk), 'num_bank', 'num_queries']
    if kind == 'RankMetric':
        kinds = ('loss', 'acc', 'acc_near')
        return [*(f'{STREAM}{key}{VIEW}' for key in kinds), 'num_triplets']
    return ['loss', 'acc'] if kind == 'ClusterMetric' else None


def list_metrics(metrics: Sequence[Any]) -> Optional[List[str]]:
    """Regular expressions of all names that an evaluator reports; None if some are not known."""
    found = []
    for metric in metrics:
        names = names_of(metric)
        if names is None:
            return None
        found += [f'{metric.prefix}/{name}' if metric.prefix else name for name in names]
    return found


def require_metric(name: str, metrics: Sequence[Any], setting: str) -> None:
    """Check that a metric that a setting names will be reported, as far as that is known.

    Args:
        name (str): Name of the metric, such as 'acc/top1'.
        metrics (Sequence[BaseMetric]): Metrics of the evaluator.
        setting (str): What names it, for the message.

    Raises:
        ValueError: If no metric of that name will be reported.
    """
    known = list_metrics(metrics)
    if known is None or any(re.fullmatch(pattern, name) for pattern in known):
        return
    shown = ', '.join(pattern.replace(STREAM, '').replace(VIEW, '') for pattern in known)
    raise ValueError(
        f'{setting} names the metric {name!r}, which val_evaluator does not report; expected one '
        f'of {shown}'
    )
