"""Fusion of several streams' scores, and the figures of a classification."""

from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np
from sklearn.metrics import confusion_matrix

from .knn import topk_accuracy


class ClassificationMetrics(NamedTuple):
    """Figures of a classification of N samples into C classes.

    Attributes:
        top1: Share of samples whose class has the highest score.
        top5: Share of samples whose class is among the five highest scores.
        mean_class: Mean of the accuracies of the classes that occur.
        per_class: Accuracy of each class, NaN where it does not occur, of shape (C,).
        counts: Number of samples of each class, of shape (C,).
        confusion: Number of samples of class (row) that were given class (column), (C, C).
    """

    top1: float
    top5: float
    mean_class: float
    per_class: np.ndarray
    counts: np.ndarray
    confusion: np.ndarray

    def summary(self) -> Dict[str, float]:
        """The three single figures."""
        return dict(top1=self.top1, top5=self.top5, mean_class=self.mean_class)


def fuse_scores(
    streams: Sequence[np.ndarray], weights: Optional[Sequence[float]] = None
) -> np.ndarray:
    """Weighted mean of the streams' softmax scores (Sec. IV-D).

    Args:
        streams (Sequence[np.ndarray]): Probabilities of shape (N, C), rows of the same samples.
        weights (Sequence[float], optional): One a stream; None weights all alike, as the paper.

    Returns:
        np.ndarray: Probabilities of shape (N, C).

    Raises:
        ValueError: If the streams do not fit each other, or the weights are none.
    """
    shapes = {stream.shape for stream in streams}
    if len(shapes) != 1:
        raise ValueError(f'streams of shapes {sorted(shapes)} do not fit; expected one shape')
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

    MMAction2's ``mean_class_accuracy`` counts a class that is predicted and does not occur as one
    of accuracy 0, and its ``confusion_matrix`` drops classes that neither occur nor are predicted;
    here a class that does not occur is left out of the mean, and the matrix has all classes.

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
