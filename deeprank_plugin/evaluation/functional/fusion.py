"""Fusion of several streams' scores, and classification metrics."""

from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np
from sklearn.metrics import confusion_matrix

from .knn import topk_accuracy


class ClassificationMetrics(NamedTuple):
    """Metrics of a classification of N samples into C classes.

    Attributes:
        top1: Share of samples whose class has the highest score.
        top5: Share of samples whose class is among the five highest scores.
        mean_class: Mean of the accuracies of the classes that occur.
        per_class: Accuracy of each class, NaN where it does not occur, of shape (C,).
        counts: Number of samples of each class, of shape (C,).
        confusion: Number of samples of true class (row) predicted as class (column), (C, C).
    """

    top1: float
    top5: float
    mean_class: float
    per_class: np.ndarray
    counts: np.ndarray
    confusion: np.ndarray

    def summary(self) -> Dict[str, float]:
        """The three scalar metrics."""
        return dict(top1=self.top1, top5=self.top5, mean_class=self.mean_class)


def fuse_scores(
    streams: Sequence[np.ndarray], weights: Optional[Sequence[float]] = None
) -> np.ndarray:
    """Weighted mean of the streams' softmax scores (Sec. IV-D).

    Args:
        streams (Sequence[np.ndarray]): Probabilities of shape (N, C), rows of the same samples.
        weights (Sequence[float], optional): One per stream. Defaults to None: all equal,
            as in the paper.

    Returns:
        np.ndarray: Probabilities of shape (N, C).

    Raises:
        ValueError: If the streams' shapes differ, or the weights are invalid.
    """
    shapes = {stream.shape for stream in streams}
    if len(shapes) != 1:
        raise ValueError(f'streams have shapes {sorted(shapes)}; expected one shape')
    factors = np.asarray([1.0] * len(streams) if weights is None else weights, dtype=float)
    if len(factors) != len(streams):
        raise ValueError(
            f'{len(factors)} weights for {len(streams)} streams; expected one for each'
        )
    if not np.isfinite(factors).all() or (factors < 0).any() or not factors.sum() > 0:
        raise ValueError(f'weights {factors.tolist()}; expected finite ones >= 0, not all 0')
    return np.average(streams, axis=0, weights=factors)


def classification_metrics(scores: np.ndarray, labels: np.ndarray) -> ClassificationMetrics:
    """Accuracies and confusion matrix.

    MMAction2's ``mean_class_accuracy`` gives accuracy 0 to a class that is predicted but does not
    occur, and its ``confusion_matrix`` drops classes that neither occur nor are predicted. Here
    classes that do not occur are left out of the mean, and the matrix has all classes.

    Args:
        scores (np.ndarray): Scores of shape (N, C).
        labels (np.ndarray): True classes of shape (N,).
    """
    number = scores.shape[1]
    top1, top5 = topk_accuracy(scores, labels, (1, 5))
    confusion = confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(number))
    counts = confusion.sum(axis=1)
    per_class = np.divide(
        confusion.diagonal(), counts, out=np.full(number, np.nan), where=counts > 0
    )
    return ClassificationMetrics(
        top1, top5, float(np.nanmean(per_class)), per_class, counts, confusion
    )
