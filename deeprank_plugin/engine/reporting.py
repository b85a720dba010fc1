"""Metrics logged at every relabelling, to judge a run with or without class labels."""

from typing import Any, Dict, List

from mmengine.dist import get_world_size
from sklearn.metrics import normalized_mutual_info_score
from torch import nn

from deeprank_plugin.engine.extraction import Extracted
from deeprank_plugin.evaluation.functional.health import (
    COLLAPSED_SPREAD,
    feature_health,
    find_collapse,
)


def measure_features(model: Any, extracted: Extracted) -> Dict[str, float]:
    """Spread, effective rank and, if classes are known, k-NN accuracy of extracted features.

    With features (N, S, D) of several encoders, for each one: ``<modality>/spread`` and so on.
    """
    features, labels = extracted.features, extracted.labels
    if features.dim() == 2:
        return feature_health(features, labels)
    return {
        f'{modality}/{name}': value
        for modality, part in zip(model.modalities, features.unbind(dim=1))
        for name, value in feature_health(part, labels).items()
    }


def measure_clusters(model: nn.Module, extracted: Extracted) -> Dict[str, float]:
    """``nmi_true``: mutual information of pseudo-labels and classes, if both exist."""
    clusters, known = getattr(model, 'pseudo_labels', None), extracted.labels >= 0
    if clusters is None or not known.any():
        return {}
    found = normalized_mutual_info_score(extracted.labels[known].numpy(), clusters[known].numpy())
    return dict(nmi_true=found)


def recent_metrics(runner) -> Dict[str, float]:
    """Mean losses and accuracies of the last training epoch, and the last validation metrics."""
    metrics = {}
    for key, history in runner.message_hub.log_scalars.items():
        mode, *groups, name = key.split('/')  # such as train/loss_rank, val/rank/joint/loss
        if mode == 'train' and name.startswith(('loss_', 'acc_')):
            value = history.mean(len(runner.train_dataloader))
        elif mode == 'val' and groups and 'num_' not in name:  # metrics, not times
            groups, value = groups[1:], history.current()  # without the metric's own prefix
        else:
            continue
        metrics['/'.join([*groups, f'{mode}_{name}'])] = value
    return metrics


def report(runner, number: int, metrics: Dict[str, float]) -> Dict[str, float]:
    """Log a round to the terminal, the JSON log and the other visual back ends.

    Args:
        runner (Runner): Its most recent training and validation metrics are added.
        number (int): Rounds completed.
        metrics (dict): Metrics of the features and the labels.

    Returns:
        dict: All that was logged.
    """
    metrics = {**metrics, **recent_metrics(runner)}
    metrics = dict(round=number, **{name: float(value) for name, value in metrics.items()})
    runner.logger.info(f'Relabel [epoch {runner.epoch}]  {format_metrics(metrics)}')
    for key in find_collapse(metrics):
        runner.logger.warning(
            f'The features of all samples are nearly alike at epoch {runner.epoch}: {key} '
            f'{metrics[key]:.2g}; expected {COLLAPSED_SPREAD} or more. The encoder has '
            'collapsed, and labels made from its features are noise: stop, and train with a '
            'lower learning rate, clipped gradients or shorter rounds, from a checkpoint '
            'before the collapse; in round 0, check the data '
            '(tools/data/check_annotations.py), the loaded checkpoint, and that '
            'RelabelHook.calibrate is on'
        )
    runner.visualizer.add_scalars(
        {f'relabel/{key}': value for key, value in metrics.items()},
        step=runner.epoch,
        file_path=f'{runner.timestamp}.json',
    )
    return metrics


def format_metrics(metrics: Dict[str, float]) -> str:
    """Text for the terminal: one line, plus one for each group of keys 'group/key'."""
    lines: Dict[str, List[str]] = {'': []}
    for key, value in metrics.items():
        group, _, name = key.rpartition('/')
        lines.setdefault(group, []).append(f'{name}: {value:.4g}')
    return '\n    '.join('  '.join(([f'{g}:'] if g else []) + parts) for g, parts in lines.items())


def log_separate_samples(runner, model: nn.Module) -> None:
    """Log that processes compare only the samples of their own batches, if they do."""
    if get_world_size() > 1 and getattr(model, 'gather', None) is False:
        runner.logger.info(
            f'gather=False: each of {get_world_size()} processes takes the triplets of its own '
            'batch, and the gradients are averaged: there are fewer triplets than in one process '
            'with the whole batch, and the gradients differ.'
        )
